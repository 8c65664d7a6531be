"""The files of a decision, from published rows alone: exposures (JSON, YAML) and the validation report."""

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from flows.absences import CHANCES_SQL, REJECTED_SQL, STAGES_SQL
from flows.evaluation_rows import (
    AGREEMENT_SQL,
    BACKTESTS_SQL,
    BENCHMARKS_SQL,
    BORROW_SQL,
    CAPACITY_SQL,
    COSTS_SQL,
    ENSEMBLES_SQL,
    INTERVALS_SQL,
    LIMITS_SQL,
    PAID_SQL,
    PLAN_SQL,
    RECORDS_SQL,
    REGIMES_SQL,
    REGRETS_SQL,
    RISK_SQL,
    SCENARIOS_SQL,
    SIGNALS_SQL,
    STRESSES_SQL,
    UNIVERSE_SQL,
)
from flows.page_rows import PageRows, gather_page
from flows.publish import write_atomically
from python_steps import policy as policies
from python_steps import warehouse
from python_steps.sharpe import NO_DEVIATION, sharpe

if TYPE_CHECKING:
    import duckdb

CASH = "CASH"
LINE = 150


class NothingPublished(LookupError):
    """There is no such decision in the warehouse."""


@dataclass(frozen=True)
class Evidence:
    """Published rows of one decision, and of the portfolio's past up to it.

    `past`: decision_at, net_return, cost, nav, drawdown, turnover, is_active (something risky was held),
    is_live (not made in hindsight), in order of decision_at. `chances`, `rejected` and `stages` are those of
    flows/absences.py; `scenarios`, `paid` to `benchmarks`, `intervals`, `records`, `signals`, `regimes`,
    `agreement`, `costs`, `borrow`, `plan` and `universe` those of flows/evaluation_rows.py. The other frames
    hold the rows of the decision, in order of their key. Nothing here was known after the decision, so a
    later landing changes no file of it.
    """

    portfolio: str
    decision_at: dt.datetime
    rebalance_date: dt.date
    as_of: dt.datetime
    decisions_per_year: float
    policy: policies.Policy
    exposures: pd.DataFrame  # symbol, asset_class, weight, previous_weight
    allocation: dict[str, Any]  # the row of allocation_log
    stops: pd.DataFrame  # the rows of stop_conditions
    excluded: dict[str, str]  # why, by symbol left out for its data
    overfit: pd.DataFrame  # the rows of overfit_metrics
    checks: pd.DataFrame  # the rows of reality_checks
    past: pd.DataFrame
    chances: pd.DataFrame  # what each asset had on its way to a weight
    rejected: pd.DataFrame  # strategies not let in, nearest first
    stages: pd.DataFrame  # the waterfall, summed over each class
    scenarios: pd.DataFrame  # what the portfolio would have earned otherwise
    ensembles: pd.DataFrame  # what each way to weigh strategies would have earned
    regrets: pd.DataFrame  # how far behind the best strategy those stayed that promise a bound
    paid: pd.DataFrame  # costs by kind, summed over the past
    risk: pd.DataFrame  # the rows of portfolio_risk
    stresses: pd.DataFrame  # the rows of stress_tests
    backtests: pd.DataFrame  # the newest of each value at risk
    capacity: pd.DataFrame  # the rows of capacity
    limits: pd.DataFrame  # the rows of capacity_limits
    benchmarks: pd.DataFrame  # what each benchmark would have earned
    intervals: pd.DataFrame  # the newest of the portfolio and of each strategy
    records: pd.DataFrame  # the newest test record of each strategy, plan and scenario
    signals: pd.DataFrame  # the newest record of each signal and horizon
    regimes: pd.DataFrame  # what each detector says, and how often it changed its mind
    agreement: pd.DataFrame  # how often each two of them said the same
    costs: pd.DataFrame  # one way, by class
    borrow: pd.DataFrame  # a year, by class; empty unless shorts are allowed
    plan: dict[str, Any]  # the row of walk_forward_plans
    universe: pd.DataFrame  # every asset that the portfolio could hold so far
    page: PageRows  # what only the page shows


def gather(
    con: "duckdb.DuckDBPyConnection", portfolio: str, decision_at: dt.datetime | None = None
) -> Evidence:
    """Read the evidence of a decision, the portfolio's last one unless named. Raises NothingPublished."""
    found = _rows(con, DECISION_SQL, portfolio, decision_at)
    if found.empty:
        which = "decision" if decision_at is None else f"decision at {stamp(decision_at)}"
        raise NothingPublished(f"no {which} of {portfolio} is published here")
    decision = found.iloc[0]
    at = decision.decision_at.to_pydatetime()
    policy = policies.Policy.model_validate_json(decision.policy_json)
    clock, plan = {"clock": policy.clock}, {"plan": policy.plan}
    return Evidence(
        portfolio=portfolio,
        decision_at=at,
        rebalance_date=decision.rebalance_date.date(),
        as_of=decision.as_of.to_pydatetime(),
        decisions_per_year=float(decision.decisions_per_year),
        policy=policy,
        exposures=_rows(con, EXPOSURES_SQL, portfolio, at),
        allocation=_plain(_rows(con, ALLOCATION_SQL, portfolio, at).iloc[0].to_dict()),
        stops=_rows(con, STOPS_SQL, portfolio, at),
        excluded=_rows(con, EXCLUDED_SQL, portfolio, at).set_index("symbol").reason.to_dict(),
        overfit=_rows(con, OVERFIT_SQL, portfolio, at),
        checks=_rows(con, CHECKS_SQL, portfolio, at),
        past=_rows(con, PAST_SQL, portfolio, at),
        chances=_rows(con, CHANCES_SQL, portfolio, at),
        rejected=_rows(con, REJECTED_SQL, portfolio, at),
        stages=_rows(con, STAGES_SQL, portfolio, at),
        scenarios=_rows(con, SCENARIOS_SQL, portfolio, at),
        ensembles=_rows(con, ENSEMBLES_SQL, portfolio, at),
        regrets=_rows(con, REGRETS_SQL, portfolio, at),
        paid=_rows(con, PAID_SQL, portfolio, at),
        risk=_rows(con, RISK_SQL, portfolio, at),
        stresses=_rows(con, STRESSES_SQL, portfolio, at),
        backtests=_rows(con, BACKTESTS_SQL, portfolio, at),
        capacity=_rows(con, CAPACITY_SQL, portfolio, at),
        limits=_rows(con, LIMITS_SQL, portfolio, at),
        benchmarks=_rows(con, BENCHMARKS_SQL, portfolio, at),
        intervals=_rows(con, INTERVALS_SQL, portfolio, at, **clock, **plan),
        records=con.execute(RECORDS_SQL, {"at": at} | clock).df(),
        signals=con.execute(SIGNALS_SQL, {"at": at} | clock | plan).df(),
        regimes=con.execute(REGIMES_SQL, {"at": at} | clock).df(),
        agreement=con.execute(AGREEMENT_SQL, {"at": at} | clock).df(),
        costs=con.execute(COSTS_SQL, clock).df(),
        borrow=con.execute(BORROW_SQL, clock).df() if policy.allow_shorts else pd.DataFrame(),
        plan=con.execute(PLAN_SQL, plan).df().iloc[0].to_dict(),
        universe=_rows(con, UNIVERSE_SQL, portfolio, at),
        page=gather_page(con, portfolio, at, policy.clock, policy.plan, policy.detector),
    )


def render(evidence: Evidence) -> dict[str, bytes]:
    """The side files by name. The same evidence gives the same bytes."""
    from flows.page import PAGE, render_page  # which read what stands here
    from flows.validation import validation_document

    exposures, report = exposures_document(evidence), validation_document(evidence)
    files = {
        "exposures.json": (
            json.dumps(exposures, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        ).encode(),
        "exposures.yaml": _yaml(exposures),
        "validation_report.yaml": _yaml({**report, "page": PAGE}, _Compact),
    }
    return files | {PAGE: render_page(evidence, report["validation_report"], tuple(files))}


def write(evidence: Evidence, out: Path) -> list[Path]:
    """Write the side files into `out`, each whole or not at all, and return their paths."""
    contents = render(evidence)
    for name, content in contents.items():
        write_atomically(out / name, content)
    return [out / name for name in contents]


def exposures_document(evidence: Evidence) -> dict[str, Any]:
    """What to hold: every asset of the universe by name, zeros too, and CASH last."""
    weights = evidence.exposures.set_index("symbol").weight
    symbols = [*sorted(symbol for symbol in weights.index if symbol != CASH), CASH]
    exposures = {symbol: float(weights[symbol]) for symbol in symbols}
    log = evidence.allocation
    return {
        "timestamp": stamp(evidence.decision_at),
        "rebalance_date": evidence.rebalance_date.isoformat(),
        "portfolio": evidence.portfolio,
        "exposures": exposures,
        "metadata": {
            "total_weight": math.fsum(exposures.values()),
            "confidence": _number(log["confidence"]),
            "regime": log["regime"],
            **(both_sides(exposures) if evidence.policy.allow_shorts else {}),
        },
        "diagnostics": {
            "fallback_mode": log["fallback_mode"],
            "data_quality_excluded": list(evidence.excluded),
            "data_quality_reasons": evidence.excluded,
            "portfolio_risk": {name: _number(log[name]) for name in ("volatility", "var_95", "es_95")},
            "stop_conditions": [_stop(stop) for stop in latched(evidence).to_dict("records")],
        },
    }


def both_sides(exposures: Mapping[str, float]) -> dict[str, float]:
    """The sizes of all weights but CASH together, and longs less shorts."""
    risky = [weight for symbol, weight in exposures.items() if symbol != CASH]
    return {"gross": math.fsum(map(abs, risky)), "net": math.fsum(risky)}


def annual_sharpe(returns: np.ndarray, periods_a_year: float) -> float | None:
    """Annual Sharpe of returns per decision; null below two of them or without deviation (formulas.md 3)."""
    return _number(sharpe(returns) * math.sqrt(periods_a_year))


def sortino(returns: np.ndarray, periods_a_year: float) -> float | None:
    """Annual Sortino: downside deviation over all returns against zero; null without losses."""
    if (
        len(returns) < 2
        or (downside := math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))) <= NO_DEVIATION
    ):
        return None
    return float(np.mean(returns)) / downside * math.sqrt(periods_a_year)


def max_drawdown(returns: np.ndarray) -> float:
    """Deepest fall of the compounded value below its peak, the starting 1 included; at most 0."""
    value = np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    return float(np.min(value / np.maximum.accumulate(value) - 1.0))


def win_rate(returns: np.ndarray, is_active: np.ndarray) -> float | None:
    """Share of decisions with something held that gained; null if nothing was ever held."""
    held = returns[is_active]
    return float(np.count_nonzero(held > 0) / len(held)) if len(held) else None


def overall(overfit: pd.DataFrame, metric: str) -> float | None:
    """A metric of the whole set (strategy 'all'), or its mean over strategies where the set has none."""
    values = overfit[["strategy", metric]].dropna().sort_values("strategy")
    whole = values.loc[values.strategy == "all", metric]
    chosen = whole if len(whole) else values[metric]
    return float(chosen.mean()) if len(chosen) else None


def latched(evidence: Evidence) -> pd.DataFrame:
    """The stop conditions in force at the decision."""
    return evidence.stops[evidence.stops.is_latched.astype(bool)]


def stamp(instant: dt.datetime) -> str:
    """Naive UTC as ISO 8601 with a Z."""
    return f"{instant.isoformat()}Z"


def _stop(stop: dict[str, Any]) -> dict[str, Any]:
    return {
        "condition": stop["condition"],
        "value": _number(stop["value"]),
        "limit": _number(stop["limit_value"]),
        "action": stop["action"],
        "latched_at": None if pd.isna(stop["latched_at"]) else stamp(stop["latched_at"].to_pydatetime()),
    }


def _number(value: Any) -> float | None:
    # JSON has no infinity: a measure without a finite value is null.
    return float(value) if value is not None and math.isfinite(value) else None


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): None if pd.isna(value) else value for key, value in row.items()}


class _Compact(yaml.SafeDumper):
    """Writes a mapping of plain values on one line, where it fits."""


def _mapping(dumper: yaml.SafeDumper, mapping: dict[str, Any]) -> yaml.Node:
    is_short = len(str(mapping)) <= LINE and not any(isinstance(v, dict | list) for v in mapping.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=is_short)


_Compact.add_representer(dict, _mapping)


def _yaml(document: dict[str, Any], dumper: type[yaml.SafeDumper] = yaml.SafeDumper) -> bytes:
    said = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1_000)
    return str(said).encode()


def _rows(
    con: "duckdb.DuckDBPyConnection", query: str, portfolio: str, at: dt.datetime | None, **more: str
) -> pd.DataFrame:
    return con.execute(query, {"portfolio": portfolio, "at": at} | more).df()


def open_published(folder: Path) -> "duckdb.DuckDBPyConnection":
    """A read-only connection to the published file. Raises NothingPublished."""
    from flows.publish import published

    if not published(folder).exists():
        raise NothingPublished(f"nothing is published in {folder}; run portfolio rebalance first")
    return warehouse.connect(published(folder), read_only=True)


DECISION_SQL = """
    select d.decision_at, d.rebalance_date, r.as_of, c.decisions_per_year, p.policy_json
    from main.decisions as d
    inner join main.allocation_log as l using (portfolio, decision_at)
    inner join raw.runs as r on r.run_id = l.run_id
    inner join raw.policies as p on p.portfolio = d.portfolio and p.policy_hash = r.policy_hash
    inner join main.clocks as c on c.clock = d.clock
    where d.portfolio = $portfolio and ($at is null or d.decision_at = $at)
    order by d.decision_at desc, p.batch_id
    limit 1
"""
EXPOSURES_SQL = """
    select symbol, coalesce(asset_class, 'cash') as asset_class, weight, previous_weight
    from main.target_exposures
    left join main.assets using (symbol)
    where portfolio = $portfolio and decision_at = $at
    order by symbol
"""
ALLOCATION_SQL = "select * from main.allocation_log where portfolio = $portfolio and decision_at = $at"
STOPS_SQL = """
    select * from main.stop_conditions where portfolio = $portfolio and decision_at = $at order by condition
"""
EXCLUDED_SQL = """
    select symbol, reason from main.data_quality
    where portfolio = $portfolio and decision_at = $at and is_excluded
    order by symbol
"""
OVERFIT_SQL = """
    select * from main.overfit_metrics where portfolio = $portfolio and decision_at = $at order by strategy
"""
CHECKS_SQL = """
    select * from main.reality_checks where portfolio = $portfolio and decision_at = $at order by benchmark
"""
PAST_SQL = """
    select
        returns.decision_at,
        returns.net_return,
        returns.cost,
        returns.nav,
        returns.drawdown,
        returns.turnover,
        plain.is_active,
        not decisions.is_backtest as is_live
    from main.portfolio_returns as returns
    inner join main.decisions as decisions using (portfolio, decision_at)
    inner join main.portfolio_scenarios as plain using (portfolio, decision_at)
    where portfolio = $portfolio and decision_at <= $at and plain.scenario = 'plain'
    order by decision_at
"""
