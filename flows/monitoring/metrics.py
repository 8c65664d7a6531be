"""What is measured: each metric once, with its help, its labels, and how a published decision tells it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from flows.outputs import Evidence, both_sides, overall

Kind = Literal["gauge", "counter"]
# Values of the labels after `portfolio`, and the value; None is not written.
Sample = tuple[*tuple[str, ...], float | None]

STATUSES = ("solved", "no_view", "no_data", "fallback")
REGIMES = ("risk_on", "neutral", "risk_off")
CHANCES = ("dsr", "pbo", "psr")


@dataclass(frozen=True)
class Told:
    """What metrics are read from: a decision's evidence, and what was landed by then, by vendor."""

    evidence: Evidence
    last_bars: pd.DataFrame  # vendor, available_at: the newest bar
    quarantined: pd.DataFrame  # vendor, reason, quarantined: how many rows


@dataclass(frozen=True)
class Metric:
    """One metric; `labels` come after `portfolio`, which all have. Those of an attempt read no decision."""

    name: str
    help: str
    unit: str  # as Grafana names it
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"
    read: Callable[[Told], Iterable[Sample]] | None = None

    @property
    def series(self) -> str:
        """The name that a query asks for."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _log(column: str) -> Callable[[Told], Iterable[Sample]]:
    return lambda told: [(_number(told.evidence.allocation[column]),)]


def _past(column: str) -> Callable[[Told], Iterable[Sample]]:
    return lambda told: [(_number(value),) for value in told.evidence.past[column].tail(1)]


def _side(name: str) -> Callable[[Told], Iterable[Sample]]:
    def read(told: Told) -> Iterable[Sample]:
        rows = told.evidence.exposures
        yield (both_sides(dict(zip(rows.symbol, rows.weight, strict=True)))[name],)

    return read


def _stops(column: str) -> Callable[[Told], Iterable[Sample]]:
    return lambda told: _columns(told.evidence.stops, "condition", column)


def _signals(column: str) -> Callable[[Told], Iterable[Sample]]:
    def read(told: Told) -> Iterable[Sample]:
        rows = told.evidence.signals
        return _columns(rows.assign(horizon=rows["horizon"].astype(str)), "signal", "horizon", column)

    return read


def _listed(column: str) -> Callable[[Told], Iterable[Sample]]:
    return lambda told: [(float(len(json.loads(told.evidence.allocation[column]))),)]


def _columns(rows: pd.DataFrame, *columns: str) -> Iterable[Sample]:
    """The columns of each row, the last one being the value."""
    for row in rows[list(columns)].itertuples(index=False):
        *labels, value = row
        yield (*map(str, labels), _number(value))


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _epoch(instant: Any) -> float:
    return (pd.Timestamp(instant) - pd.Timestamp(0)).total_seconds()


def _last_bars(told: Told) -> Iterable[Sample]:
    for row in told.last_bars.itertuples():
        yield (str(row.vendor), _epoch(row.available_at))


def _solver(told: Told) -> Iterable[Sample]:
    log = told.evidence.allocation
    for status in sorted({*STATUSES, log["status"]}):
        yield (log["allocator"], status, float(status == log["status"]))


def _regime(told: Told) -> Iterable[Sample]:
    for regime in REGIMES:
        yield (regime, float(regime == told.evidence.allocation["regime"]))


DECISION = (
    Metric(
        "portfolio_decision_timestamp_seconds",
        "Instant of the newest published decision.",
        "dateTimeFromNow",
        read=lambda told: [(_epoch(told.evidence.decision_at),)],
    ),
    Metric(
        "portfolio_as_of_timestamp_seconds",
        "Where the world of the run that made it ends.",
        "dateTimeFromNow",
        read=lambda told: [(_epoch(told.evidence.as_of),)],
    ),
    Metric(
        "portfolio_exposure_ratio",
        "Target weight of each asset, CASH among them.",
        "percentunit",
        ("symbol", "asset_class"),
        read=lambda told: _columns(told.evidence.exposures, "symbol", "asset_class", "weight"),
    ),
    Metric(
        "portfolio_gross_exposure_ratio",
        "Sizes of all weights but CASH together, shorts among them.",
        "percentunit",
        read=_side("gross"),
    ),
    Metric(
        "portfolio_net_exposure_ratio",
        "Longs less shorts.",
        "percentunit",
        read=_side("net"),
    ),
    Metric(
        "portfolio_turnover_ratio",
        "Half the sum of changes from the weights before, cash included.",
        "percentunit",
        read=_log("turnover"),
    ),
    Metric("portfolio_drawdown_ratio", "Value over its peak less 1.", "percentunit", read=_past("drawdown")),
    Metric("portfolio_nav_ratio", "Value after costs; 1 at the start.", "none", read=_past("nav")),
    Metric(
        "portfolio_return_ratio", "Return since the decision before.", "percentunit", read=_past("net_return")
    ),
    Metric(
        "portfolio_volatility_ratio", "Expected volatility a year.", "percentunit", read=_log("volatility")
    ),
    Metric(
        "portfolio_expected_shortfall_ratio",
        "Expected loss of one decision in its worst twentieth.",
        "percentunit",
        read=_log("es_95"),
    ),
    Metric(
        "portfolio_confidence_ratio",
        "How far to believe the decision, from 0 to 1.",
        "percentunit",
        read=_log("confidence"),
    ),
    Metric(
        "portfolio_overfit_ratio",
        "Chances that the record is skill (dsr, psr) or overfit (pbo).",
        "percentunit",
        ("measure",),
        read=lambda told: [(name, overall(told.evidence.overfit, name)) for name in CHANCES],
    ),
    Metric("portfolio_regime", "1 for the regime in force.", "bool", ("regime",), read=_regime),
    Metric(
        "portfolio_solver_status",
        "1 for how the allocator ended.",
        "bool",
        ("allocator", "status"),
        read=_solver,
    ),
    Metric("portfolio_limits_binding", "How many limits bind.", "none", read=_listed("binding")),
    Metric(
        "portfolio_limits_conflicting",
        "How many limits are in conflict, or forced.",
        "none",
        read=_listed("conflicts"),
    ),
    Metric(
        "portfolio_stop_latched",
        "1 where a stop condition is in force.",
        "bool",
        ("condition",),
        read=_stops("is_latched"),
    ),
    Metric("portfolio_stop_value", "What it measured.", "none", ("condition",), read=_stops("value")),
    Metric(
        "portfolio_stop_limit",
        "The policy's limit, inclusive.",
        "none",
        ("condition",),
        read=_stops("limit_value"),
    ),
    Metric(
        "portfolio_stop_level",
        "Worst of them: 0 normal, 1 reduced, 2 cash with defensive assets, 3 all out.",
        "none",
        read=_log("level"),
    ),
    Metric(
        "portfolio_assets_excluded",
        "Assets left out of the decision for their data.",
        "none",
        read=lambda told: [(float(len(told.evidence.excluded)),)],
    ),
    Metric(
        "portfolio_signal_ic_ratio",
        "Information coefficient of a signal over all its test spans, by horizon in decisions.",
        "none",
        ("signal", "horizon"),
        read=_signals("ic"),
    ),
    Metric(
        "portfolio_signal_ic_upper_ratio",
        "Upper end of its 95 % interval.",
        "none",
        ("signal", "horizon"),
        read=_signals("ic_upper"),
    ),
    Metric(
        "portfolio_vendor_last_bar_timestamp_seconds",
        "When the newest bar of a vendor could first be had.",
        "dateTimeFromNow",
        ("vendor",),
        read=_last_bars,
    ),
    Metric(
        "portfolio_quarantined_rows",
        "Rows set apart in all landings, by vendor and reason.",
        "none",
        ("vendor", "reason"),
        "counter",
        read=lambda told: _columns(told.quarantined, "vendor", "reason", "quarantined"),
    ),
)

ATTEMPT = (
    Metric("portfolio_run_success", "1 where the last attempt at a run ended well.", "bool"),
    Metric("portfolio_run_finished_timestamp_seconds", "When the last attempt ended.", "dateTimeFromNow"),
    Metric("portfolio_run_duration_seconds", "How long it took.", "s"),
    Metric("portfolio_step_duration_seconds", "How long each of its steps took.", "s", ("step",)),
    Metric("portfolio_dbt_tests", "Tests that dbt ran in it.", "none"),
    Metric("portfolio_dbt_test_failures", "Those that failed.", "none"),
    Metric("portfolio_notifier_open", "1 where a channel is not tried for now.", "bool", ("channel",)),
)

METRICS = {metric.name: metric for metric in (*DECISION, *ATTEMPT)}
