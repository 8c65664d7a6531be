"""What a run tells people: stops in force and released, markets near a stop, fallbacks, failures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from flows.outputs import Evidence, stamp
from python_steps.scrub import scrub

Severity = Literal["critical", "warning", "info"]

# What a market does, as opposed to what the portfolio earned or the data lack.
OF_MARKETS = ("volatility_surge", "correlation_surge", "daily_loss", "drawdown", "deep_drawdown")
NEAR = 0.9  # of a limit: abnormal, and not stopped yet
LONGEST = 500


@dataclass(frozen=True)
class Alert:
    """One thing to tell. The same `key` is told once, until a run no longer says it."""

    key: str
    severity: Severity
    portfolio: str
    title: str
    text: str


def of_decision(evidence: Evidence) -> list[Alert]:
    """What the decision's own rows say, worst first."""
    found = [*_stops(evidence), *_fallback(evidence), *_excluded(evidence)]
    order = ("critical", "warning", "info")
    return sorted(found, key=lambda alert: (order.index(alert.severity), alert.key))


def of_failure(portfolios: Sequence[str], error: BaseException) -> list[Alert]:
    """That a run ended with an error, and nothing was published."""
    said = scrub(" ".join(str(error).split()))[:LONGEST]
    return [
        Alert(
            f"{portfolio}:failed:{type(error).__name__}",
            "critical",
            portfolio,
            f"{portfolio}: the run failed, nothing was published",
            f"{type(error).__name__}: {said}",
        )
        for portfolio in portfolios
    ]


def _stops(evidence: Evidence) -> Iterator[Alert]:
    name = evidence.portfolio
    for stop in evidence.stops.itertuples():
        measured = f"{_text(stop.value)}, limit {stop.limit_value:g}"
        if stop.is_latched:
            yield Alert(
                f"{name}:stop:{stop.condition}:{_at(stop.latched_at)}",
                "critical",
                name,
                f"{name}: {stop.condition} is in force, action {stop.action}",
                f"Measured {measured}, since {_at(stop.latched_at)}. It stays until"
                f" portfolio reset --portfolio {name} --condition {stop.condition} --reason ...",
            )
        elif not pd.isna(stop.reset_by):
            yield Alert(
                f"{name}:released:{stop.condition}:{stamp(evidence.decision_at)}",
                "info",
                name,
                f"{name}: {stop.condition} is released by {stop.reset_by}",
                f"Measured {measured}, at the decision of {stamp(evidence.decision_at)}.",
            )
        elif stop.condition in OF_MARKETS and _is_near(stop.value, stop.limit_value):
            yield Alert(
                f"{name}:near:{stop.condition}",
                "warning",
                name,
                f"{name}: the market is abnormal, {stop.condition} is near its limit",
                f"Measured {measured}, at the decision of {stamp(evidence.decision_at)}.",
            )


def _fallback(evidence: Evidence) -> Iterator[Alert]:
    log, name = evidence.allocation, evidence.portfolio
    if log["fallback_mode"]:
        yield Alert(
            f"{name}:fallback:{stamp(evidence.decision_at)}",
            "warning",
            name,
            f"{name}: the allocator had no answer, fallback {log['fallback_mode']}",
            str(log["reason"])[:LONGEST],
        )


def _excluded(evidence: Evidence) -> Iterator[Alert]:
    name = evidence.portfolio
    for symbol, reason in evidence.excluded.items():
        yield Alert(
            f"{name}:excluded:{symbol}",
            "warning",
            name,
            f"{name}: {symbol} is left out for its data",
            f"{reason}, at the decision of {stamp(evidence.decision_at)}."[:LONGEST],
        )


def summary(alerts: Iterable[Alert]) -> str:
    """The alerts as text, a paragraph each."""
    return "\n\n".join(f"[{alert.severity.upper()}] {alert.title}\n{alert.text}" for alert in alerts)


def _is_near(value: Any, limit: float) -> bool:
    return not pd.isna(value) and value / limit >= NEAR


def _at(instant: Any) -> str:
    return "an unknown instant" if pd.isna(instant) else stamp(pd.Timestamp(instant).to_pydatetime())


def _text(value: Any) -> str:
    return "undefined" if pd.isna(value) else f"{value:.4g}"
