"""Why a class of assets has no weight at a decision: the first thing on the way to one that stopped it."""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from flows.outputs import Evidence

BASIS_POINTS = 1e4
TOOK_IT = {
    "views": "the error of the views",
    "raw": "the limits of the policy",
    "smoothed": "smoothing, which drops what is below the policy's dust",
    "projected": "the limits on change",
    "stops": "a stop condition",
}


def absences(evidence: "Evidence") -> dict[str, str]:
    """The main reason for each class of the policy's universe without weight, in order of name."""
    held = evidence.exposures.weight.abs().groupby(evidence.exposures.asset_class).sum()
    wanted = evidence.policy.universe.asset_classes
    return {name: _reason(evidence, name) for name in sorted(wanted) if not held.get(name, 0.0) > 0}


def _reason(evidence: "Evidence", name: str) -> str:
    assets = evidence.chances[evidence.chances.asset_class == name]
    if assets.empty:
        return "no asset of the class may be held"
    if assets.is_excluded.all():
        return f"all {_assets(len(assets))} left out for their data ({assets.quality.mode().iloc[0]})"
    adopted = sorted({strategy for names in assets.adopted for strategy in names})
    if not adopted:
        which = f"any of {_assets(len(assets))}" if len(assets) > 1 else "its only asset"
        return f"no strategy is adopted for {which}{_nearest(evidence, name)}"
    beyond = "above zero"
    if evidence.policy.allow_shorts:
        beyond = "other than zero"
        assets = assets.assign(ensemble_view=assets.ensemble_view.abs(), shrunk_view=assets.shrunk_view.abs())
    viewed = assets[assets.ensemble_view > 0]
    if viewed.empty:
        what = "no view is" if assets.is_positioned.any() else "none of them has a position"
        count = int((assets.adopted.map(len) > 0).sum())
        chosen = f"{', '.join(adopted)} {'are' if len(adopted) > 1 else 'is'} adopted"
        return f"for {count} of {_assets(len(assets))} {chosen}, but {what} {beyond}"
    believed = assets[assets.shrunk_view > 0]
    if believed.empty:
        what = "all within their error" if len(viewed) > 1 else "within its error"
        return f"{_views(len(viewed))} {beyond}, {what}{_strongest(viewed)}"
    return f"{_views(len(believed))} {beyond} beyond error, but {_taken_by(evidence, name)}"


def _nearest(evidence: "Evidence", name: str) -> str:
    """The rejected strategy that failed the fewest gates."""
    found = evidence.rejected[evidence.rejected.asset_class == name]
    if found.empty:
        return ""
    best: Any = next(found.itertuples())
    has_sharpe = pd.notna(best.luck_dsr) and "luck-deflated Sharpe" not in best.reason
    sharpe = f" (luck-deflated Sharpe {best.luck_dsr:.2f})" if has_sharpe else ""
    judged_on = f"all {name}" if best.is_pooled else best.symbol
    return f"; nearest: {best.strategy} on {judged_on}{sharpe}: {best.reason}"


def _strongest(viewed: pd.DataFrame) -> str:
    ratio = (viewed.ensemble_view / viewed.standard_error).set_axis(viewed.symbol).sort_index()
    best = viewed.set_index("symbol").loc[ratio.idxmax()]
    view, error = best.ensemble_view * BASIS_POINTS, best.standard_error * BASIS_POINTS
    return f"; nearest: {best.name}, {view:.2f} bp a decision with an error of {error:.2f}"


def _taken_by(evidence: "Evidence", name: str) -> str:
    """The stage of the waterfall after which nothing of the class was left."""
    stages = evidence.stages[evidence.stages.asset_class == name].sort_values("stage_number")
    left = stages[stages.weight_after > 0]
    if left.empty:
        return f"{evidence.allocation['allocator']} takes none of them ({evidence.allocation['reason']})"
    next_stage = stages[stages.stage_number > left.stage_number.max()].stage
    return (
        f"{TOOK_IT[next_stage.iloc[0]]} took the weight" if len(next_stage) else "nothing says what took it"
    )


def _assets(count: int) -> str:
    return f"{count} asset{'s' * (count != 1)}"


def _views(count: int) -> str:
    return f"{count} view{'s' * (count != 1)}"


# What each asset of the universe had on its way to a weight.
CHANCES_SQL = """
    select
        exposures.symbol,
        assets.asset_class,
        exposures.is_excluded,
        coalesce(quality.reason, 'no bar is known') as quality,
        coalesce(adopted.adopted, []) as adopted,
        coalesce(adopted.is_positioned, false) as is_positioned,
        coalesce(views.ensemble_view, 0) as ensemble_view,
        coalesce(views.standard_error, 0) as standard_error,
        coalesce(views.shrunk_view, 0) as shrunk_view
    from main.target_exposures as exposures
    inner join main.assets as assets on assets.symbol = exposures.symbol
    left join main.data_quality as quality
        on quality.portfolio = exposures.portfolio
        and quality.decision_at = exposures.decision_at
        and quality.symbol = exposures.symbol
    left join main.expected_returns as views
        on views.portfolio = exposures.portfolio
        and views.decision_at = exposures.decision_at
        and views.symbol = exposures.symbol
    left join (
        select
            symbol,
            list(strategy order by strategy) as adopted,
            bool_or(weights.position * weights.weight <> 0) as is_positioned
        from main.strategy_gates
        left join main.strategy_weights as weights using (portfolio, decision_at, symbol, strategy)
        where portfolio = $portfolio and decision_at = $at and is_adopted
        group by symbol
    ) as adopted on adopted.symbol = exposures.symbol
    where exposures.portfolio = $portfolio and exposures.decision_at = $at
    order by exposures.symbol
"""
# The strategies that were not let in, nearest first: fewest gates failed, then the deflated Sharpe that the
# gate reads.
REJECTED_SQL = """
    select assets.asset_class, gates.symbol, gates.strategy, gates.reason, gates.is_pooled, overfit.luck_dsr
    from main.strategy_gates as gates
    inner join main.assets as assets on assets.symbol = gates.symbol
    left join main.overfit_metrics as overfit
        on overfit.portfolio = gates.portfolio
        and overfit.decision_at = gates.decision_at
        and overfit.strategy = gates.strategy
    where gates.portfolio = $portfolio and gates.decision_at = $at and not gates.is_adopted
    order by
        len(string_split(gates.reason, ';')),
        overfit.luck_dsr desc nulls last,
        gates.expected_net_return desc nulls last,
        gates.strategy,
        gates.symbol
"""
STAGES_SQL = """
    select assets.asset_class, stage, stage_number, sum(abs(weight_after) order by symbol) as weight_after
    from main.weight_waterfall
    inner join main.assets as assets using (symbol)
    where portfolio = $portfolio and decision_at = $at
    group by assets.asset_class, stage, stage_number
    order by assets.asset_class, stage_number
"""
