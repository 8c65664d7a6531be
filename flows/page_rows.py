"""What the page shows beside the report: published rows of one decision, none known after it."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class PageRows:
    """Rows of a decision by what they tell; frames are in order of their key."""

    run: dict[str, Any]  # the run that made the decision, without any wall clock
    held: dict[str, float]  # weights that the decision was told are held, by symbol; none where it was not
    contributions: pd.DataFrame  # what each strategy brought to each weight
    waterfall: pd.DataFrame  # how each weight came about
    risk_by_asset: pd.DataFrame  # what each weight brings to the volatility
    spans: pd.DataFrame  # Sharpe of each strategy in train and test spans
    gates: pd.DataFrame  # on how many assets each strategy is let in, and the commonest reason if not
    moods: pd.DataFrame  # what the detector that decides said so far
    invested: pd.DataFrame  # weight of each class at each decision so far, shorts by their size
    quality: pd.DataFrame  # the newest bar of each asset and what speaks against it
    landed: dict[str, Any]  # bars, restatements and vendors in all
    refused: pd.DataFrame  # bars refused, by reason
    struck: pd.DataFrame  # how often each stop was triggered, and when last
    confidence: dict[str, Any]  # the row of confidences


def gather_page(
    con: "duckdb.DuckDBPyConnection", portfolio: str, at: dt.datetime, clock: str, plan: str, detector: str
) -> PageRows:
    """Read them from a published file."""

    def rows(query: str, *names: str) -> pd.DataFrame:
        values = {"portfolio": portfolio, "at": at, "clock": clock, "plan": plan, "detector": detector}
        return con.execute(query, {name: values[name] for name in ("at", *names)}).df()

    return PageRows(
        run=_first(rows(RUN_SQL, "portfolio")),
        held=dict(rows(HELD_SQL, "portfolio").itertuples(index=False)),
        contributions=rows(CONTRIBUTIONS_SQL, "portfolio"),
        waterfall=rows(WATERFALL_SQL, "portfolio"),
        risk_by_asset=rows(RISK_BY_ASSET_SQL, "portfolio"),
        spans=rows(SPANS_SQL, "clock", "plan"),
        gates=rows(GATES_SQL, "portfolio"),
        moods=rows(MOODS_SQL, "clock", "detector"),
        invested=rows(INVESTED_SQL, "portfolio"),
        quality=rows(QUALITY_SQL, "portfolio", "clock"),
        landed=_first(rows(LANDED_SQL, "portfolio")),
        refused=rows(REFUSED_SQL, "portfolio"),
        struck=rows(STRUCK_SQL, "portfolio"),
        confidence=_first(rows(CONFIDENCE_SQL, "portfolio")),
    )


def _first(rows: pd.DataFrame) -> dict[str, Any]:
    if rows.empty:
        return {}
    return {str(key): None if pd.isna(value) else value for key, value in rows.iloc[0].to_dict().items()}


OF_RUN = """
    select runs.* from raw.runs as runs
    inner join main.allocation_log as logs on logs.run_id = runs.run_id
    where logs.portfolio = $portfolio and logs.decision_at = $at
"""
RUN_SQL = f"""
    select run_id, as_of, batch_until, policy_hash, study_hash, code_version, lock_hash, input_hash, seed
    from ({OF_RUN})
"""
HELD_SQL = """
    select symbol, told_weight from main.holdings_taken
    where portfolio = $portfolio and decision_at = $at
    order by symbol
"""
CONTRIBUTIONS_SQL = """
    select symbol, strategy, strategy_weight, position, expected_return, contribution
    from main.exposure_lineage
    where portfolio = $portfolio and decision_at = $at
    order by
        symbol,
        contribution * sign(sum(contribution) over (partition by symbol)) desc nulls last,
        strategy
"""
WATERFALL_SQL = """
    select symbol, stage, stage_number, weight_change, weight_after from main.weight_waterfall
    where portfolio = $portfolio and decision_at = $at
    order by symbol, stage_number
"""
RISK_BY_ASSET_SQL = """
    select symbol, contribution from main.risk_contributions
    where portfolio = $portfolio and decision_at = $at
    order by symbol
"""
# Means over the windows whose test spans tile time, of the mean over all assets.
SPANS_SQL = """
    select
        metrics.strategy, metrics.span, avg(metrics.sharpe order by window_id) as sharpe,
        count(*) as windows, min(metrics.max_drawdown) as max_drawdown
    from main.group_metrics as metrics
    inner join main.walk_forward_windows as windows using (clock, plan, window_id)
    where clock = $clock and plan = $plan and metrics.asset_group = 'all' and metrics.scenario = 'plain'
        and windows.is_disjoint and metrics.known_at <= $at
    group by metrics.strategy, metrics.span
    order by metrics.strategy, metrics.span
"""
GATES_SQL = """
    with
        counted as (
            select strategy, is_adopted, reason, count(*) as assets from main.strategy_gates
            where portfolio = $portfolio and decision_at = $at
            group by all
        )
    select
        strategy, sum(assets)::bigint as judged,
        coalesce(sum(assets) filter (is_adopted), 0)::bigint as adopted,
        arg_max(reason, (assets, reason)) filter (not is_adopted) as reason
    from counted
    group by strategy
    order by adopted desc, strategy
"""
MOODS_SQL = """
    select decision_at, regime, risk_on_probability, neutral_probability, risk_off_probability
    from main.regimes
    where clock = $clock and detector = $detector and decision_at <= $at
    order by decision_at
"""
INVESTED_SQL = """
    select decision_at, asset_class, sum(abs(weight) order by symbol) as weight
    from main.target_exposures inner join main.assets using (symbol)
    where portfolio = $portfolio and decision_at <= $at
    group by decision_at, asset_class
    order by decision_at, asset_class
"""
QUALITY_SQL = """
    select
        quality.symbol, assets.asset_class, bars.session_date, bars.bar_known_at, quality.missing_rate,
        quality.staleness_hours, quality.flags, quality.is_excluded, quality.reason
    from main.data_quality as quality
    inner join main.assets as assets on assets.symbol = quality.symbol
    left join main.decision_bars as bars
        on bars.clock = $clock and bars.symbol = quality.symbol and bars.decision_at = quality.decision_at
    where quality.portfolio = $portfolio and quality.decision_at = $at
    order by quality.is_excluded desc, quality.symbol
"""
SEEN = f"known_at <= $at and batch_id <= (select batch_until from ({OF_RUN}))"
LANDED_SQL = f"""
    select
        count(*) as bars, count(*) filter (version > 1) as restated, count(distinct symbol) as assets,
        string_agg(distinct vendor, ', ' order by vendor) as vendors, max(known_at) as newest
    from raw.bars
    where {SEEN}
    having count(*) > 0
"""
REFUSED_SQL = f"""
    select reason, count(*) as rows, count(distinct symbol) as assets,
        min(session_date) as first_session, max(session_date) as last_session
    from raw.quarantined_bars
    where {SEEN}
    group by reason
    order by rows desc, reason
"""
STRUCK_SQL = """
    select condition, count(*) as times, max(decision_at) as last_at from main.stop_conditions
    where portfolio = $portfolio and decision_at <= $at and is_triggered
    group by condition
    order by condition
"""
CONFIDENCE_SQL = """
    select confidence, raw_probability, calibrated_probability, is_calibrated, resolved_spans, brier_score
    from main.confidences
    where portfolio = $portfolio and decision_at = $at
"""
