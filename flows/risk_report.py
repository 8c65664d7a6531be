"""Sections of the validation report on money: costs, risk, stress, capacity, benchmarks, in words."""

import math
from typing import Any

import pandas as pd

from flows.outputs import Evidence, stamp
from flows.validation import Undefined, all_rounded, bounds_of, results, rounded, span_of

LIMITS = ("peak_assets", "half_sharpe_assets")


def risk_sections(evidence: Evidence) -> dict[str, Any]:
    """The five sections by name, in their order in the report."""
    return {
        "costs": _costs(evidence),
        "risk": _risk(evidence),
        "stress": _stress(evidence),
        "capacity": _capacity(evidence),
        "benchmarks": _benchmarks(evidence),
    }


def _costs(evidence: Evidence) -> dict[str, Any]:
    """What was paid, by kind."""
    money, interest = evidence.policy.assets_under_management, evidence.policy.cash_yield
    moved = (
        "orders are taken to move no price, since the policy names no assets_under_management"
        if money is None
        else f"orders move prices by the square-root law, with {money:g} at the start"
    )
    said = (
        f"shares of the value at the decision before, summed over all {len(evidence.past)} decisions; "
        f"{moved}; cash earns {interest:g} a year"
    )
    if evidence.policy.allow_shorts:
        said += ", but for the proceeds of short sales, and what is short pays to be borrowed"
    paid = dict(zip(evidence.paid["kind"], evidence.paid["cost"], strict=True))
    return {"said": said} | {str(kind): rounded(cost) for kind, cost in paid.items()}


def _risk(evidence: Evidence) -> dict[str, Any]:
    """The risk of what is held, and how far earlier forecasts of it were right."""
    measures = {
        str(row.measure): rounded(row.value) if pd.isna(row.undefined) else Undefined(str(row.undefined))
        for row in evidence.risk.itertuples()
    }
    judged = {
        str(row.measure): {"forecasts": int(row.observations), "until": stamp(row.decision_at)}
        | {"exceeded": int(row.exceedances), "expected": rounded(row.expected)}
        | {"likelihood_ratio": rounded(row.likelihood_ratio), "is_rejected": bool(row.is_rejected)}
        for row in evidence.backtests.itertuples()
    }
    said = (
        "of the weights of this decision, before costs; volatility a year, value at risk and expected "
        "shortfall of one decision, at 95 %; historical ones replay the last 252 decisions"
    )
    unjudged = Undefined("no forecast has 21 decisions after it")
    return {"said": said} | measures | {"backtests": judged or unjudged}


def _stress(evidence: Evidence) -> Any:
    """What the weights would gain or lose."""
    if evidence.stresses.empty:
        return Undefined("nothing is held")
    said = (
        "gain or loss of the weights of this decision as a share of value, before costs: the worst spans of "
        "all history known by then, and the shocks of seeds/stress_scenarios.csv"
    )
    return {"said": said} | {str(row.scenario): _stressed(row) for row in evidence.stresses.itertuples()}


def _stressed(row: Any) -> dict[str, Any]:
    profit = {"profit": rounded(row.profit)}
    return (
        profit
        if pd.isna(row.until_at)
        else profit | {"from": stamp(row.from_at), "until": stamp(row.until_at)}
    )


def _capacity(evidence: Evidence) -> Any:
    """What the same trades would have earned with more money."""
    if evidence.limits.empty:
        return Undefined("nothing was ever traded")
    found: dict[str, Any] = {}
    for limit in evidence.limits.itertuples():
        sizes = evidence.capacity[evidence.capacity["span"] == limit.span]
        why = Undefined(str(limit.undefined))
        found[str(limit.span)] = {
            "decisions": int(limit.observations),
            "traded_with_known_volume": rounded(limit.measured),
            **{name: _or(getattr(limit, name), why) for name in LIMITS},
            "by_assets": {
                f"{size.assets_under_management:.0e}": {"annual_return": rounded(size.annual_return)}
                | {"sharpe_ratio": _or(size.sharpe, Undefined("the returns have no deviation"))}
                for size in sizes.itertuples()
            },
        }
    said = (
        "trades as they were, with so much money of the base currency at the start and impact by the "
        "square-root law; what is traded in assets that tell no volume is taken to move no price, so "
        "capacity is overstated"
    )
    return {"said": said} | found


def _or(value: float, why: Undefined) -> Any:
    return rounded(value) if math.isfinite(value) else why


def _benchmarks(evidence: Evidence) -> Any:
    """The four results of each benchmark and of the portfolio measured like them, with intervals."""
    rows = evidence.benchmarks
    if rows.empty:
        return Undefined("nothing was ever held of which the profit is known")
    found = {}
    for benchmark, periods in rows.groupby("benchmark"):
        name, is_own = str(benchmark), benchmark == "portfolio"
        found[name] = all_rounded(results(periods, evidence.decisions_per_year))
        found[name] |= {"cost": rounded(math.fsum(periods["cost"]))}
        if not is_own:
            found[name] |= {"interval": _interval(evidence, name)}
            found[name] |= {"portfolio_beyond": _interval(evidence, f"fill_to_fill - {name}")}
    span = rows["decision_at"].drop_duplicates().sort_values()
    said = (
        "after costs of the portfolio's own schedule, without impact or interest; each order from its fill "
        "to the next, from where the portfolio first held something; intervals of the Sharpe, and of the "
        "information ratio of the portfolio less the benchmark"
    )
    return {"said": said, "span": span_of(span) | {"decisions": len(span)}} | found


def _interval(evidence: Evidence, subject: str) -> Any:
    drawn = evidence.intervals
    mine = drawn[
        (drawn["kind"] == "benchmark")
        & (drawn["metric"] == "sharpe")
        & (drawn["subject"] == f"{evidence.portfolio}: {subject}")
    ]
    return bounds_of(mine.iloc[0]) if len(mine) else Undefined("no record is closed yet")
