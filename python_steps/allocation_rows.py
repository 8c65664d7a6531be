"""Decisions as rows of the eight step tables, in the columns of sources.yml."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from python_steps.allocation_inputs import stamps
from python_steps.book import CASH, Settlement, Taken
from python_steps.stops import Verdict

STAGES = ("risk_based", "views", "raw", "smoothed", "projected", "stops")
VAR_95 = 1.6448536269514722  # deviations to the 5 % quantile of a normal loss
ES_95 = 2.0627128075074256  # and to the mean beyond it

Columns = dict[str, list[Any]]


@dataclass(frozen=True, eq=False)
class Decided:
    """One decision made. Arrays and lists are in the order of `symbols`, without CASH.

    `stages` are weights after each of STAGES, `ablated` those of the allocator without views, where that was
    asked; `cash` is held money; `risk` is volatility per decision, and `contributions` what of it each weight
    brings; `taken` is what the book was told is held.
    """

    at: int
    symbols: list[str]
    stages: tuple[np.ndarray, ...]
    ablated: np.ndarray | None
    previous: np.ndarray
    held_units: list[float]
    target_units: list[float]
    marks: list[float]
    excluded_for: list[int]
    cash: float
    value: float
    status: str
    fallback_mode: str | None
    reason: str
    binding: tuple[str, ...]
    conflicts: tuple[str, ...]
    conflict_set: tuple[str, ...]
    prices: Mapping[str, Mapping[str, float]]
    risk: float
    contributions: np.ndarray
    decisions_per_year: float
    turnover: float
    settlement: Settlement
    taken: list[Taken]
    high_water_mark: float
    regime: str
    confidence: float
    verdicts: list[Verdict]


@dataclass
class Rows:
    """Rows of the decisions so far."""

    portfolio: str
    run_id: str
    allocator: str
    variant: str
    exposures: Columns = field(default_factory=dict)
    waterfall: Columns = field(default_factory=dict)
    log: Columns = field(default_factory=dict)
    conditions: Columns = field(default_factory=dict)
    ablated: Columns = field(default_factory=dict)
    prices: Columns = field(default_factory=dict)
    contributions: Columns = field(default_factory=dict)
    taken: Columns = field(default_factory=dict)

    def add(self, decided: Decided) -> None:
        """Append the rows of one decision."""
        self._add_exposures(decided)
        self._add_waterfall(decided)
        self._add_log(decided)
        self._add_conditions(decided)
        if decided.ablated is not None:
            names, weights = ["without_views"] * len(decided.symbols), decided.ablated.tolist()
            self._extend(self.ablated, decided.at, method=names, symbol=decided.symbols, weight=weights)
        self._add_prices(decided)
        annual = decided.contributions * math.sqrt(decided.decisions_per_year)
        self._extend(self.contributions, decided.at, symbol=decided.symbols, contribution=annual.tolist())
        held = zip(*decided.taken, strict=True) if decided.taken else ([] for _ in Taken._fields)
        self._extend(self.taken, decided.at, **dict(zip(TAKEN_UP, map(list, held), strict=True)))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The eight tables, sorted by decision and key."""
        return {
            "target_exposures": _frame(self.exposures, EXPOSURES),
            "weight_waterfall": _frame(self.waterfall, WATERFALL),
            "allocation_log": _frame(self.log, LOG),
            "stop_conditions": _frame(self.conditions, CONDITIONS),
            "ablated_weights": _frame(self.ablated, ABLATED),
            "constraint_prices": _frame(self.prices, PRICES),
            "holdings_taken": _frame(self.taken, TAKEN),
            "risk_contributions": _frame(self.contributions, CONTRIBUTIONS),
        }

    def _add_exposures(self, decided: Decided) -> None:
        final = decided.stages[-1]
        in_cash = _with_cash(final)[-1]
        is_sound = math.isfinite(decided.value)
        self._extend(
            self.exposures,
            decided.at,
            symbol=[*decided.symbols, CASH],
            weight=_with_cash(final),
            previous_weight=_with_cash(decided.previous),
            held_units=[*decided.held_units, decided.cash],
            target_units=[*decided.target_units, in_cash * decided.value if is_sound else 0.0],
            mark_index=[*decided.marks, 1.0],
            is_excluded=[count > 0 for count in decided.excluded_for] + [False],
            excluded_for=[*decided.excluded_for, 0],
        )

    def _add_waterfall(self, decided: Decided) -> None:
        before = [0.0] * (len(decided.symbols) + 1)
        for number, (stage, weights) in enumerate(zip(STAGES, decided.stages, strict=True), start=1):
            after = _with_cash(weights)
            self._extend(
                self.waterfall,
                decided.at,
                symbol=[*decided.symbols, CASH],
                stage=[stage] * len(after),
                stage_number=[number] * len(after),
                weight_change=[now - then for now, then in zip(after, before, strict=True)],
                weight_after=after,
            )
            before = after

    def _add_log(self, decided: Decided) -> None:
        values: dict[str, Any] = {
            "allocator": self.allocator,
            "variant": self.variant,
            "status": decided.status,
            "fallback_mode": decided.fallback_mode,
            "reason": decided.reason,
            "binding": json.dumps(decided.binding),
            "conflicts": json.dumps(decided.conflicts),
            "conflict_set": json.dumps(decided.conflict_set),
            "volatility": decided.risk * math.sqrt(decided.decisions_per_year),
            "var_95": VAR_95 * decided.risk,
            "es_95": ES_95 * decided.risk,
            "turnover": decided.turnover,
            **decided.settlement._asdict(),
            "nav": decided.value,
            "high_water_mark": decided.high_water_mark,
            "drawdown": decided.value / decided.high_water_mark - 1.0,
            "regime": decided.regime,
            "confidence": decided.confidence,
        }
        self._extend(self.log, decided.at, **{name: [value] for name, value in values.items()})

    def _add_prices(self, decided: Decided) -> None:
        rows = [
            (stage, name, price)
            for stage, prices in decided.prices.items()
            for name, price in sorted(prices.items())
        ]
        self._extend(
            self.prices,
            decided.at,
            stage=[stage for stage, _, _ in rows],
            limit_name=[name for _, name, _ in rows],
            price=[price for _, _, price in rows],
        )

    def _add_conditions(self, decided: Decided) -> None:
        verdicts = decided.verdicts
        self._extend(
            self.conditions,
            decided.at,
            condition=[verdict.condition for verdict in verdicts],
            value=[verdict.value for verdict in verdicts],
            limit_value=[verdict.limit for verdict in verdicts],
            is_triggered=[verdict.is_triggered for verdict in verdicts],
            is_latched=[verdict.latched_at is not None for verdict in verdicts],
            latched_at=[verdict.latched_at for verdict in verdicts],
            reset_by=[verdict.reset_by for verdict in verdicts],
            action=[verdict.action for verdict in verdicts],
        )

    def _extend(self, table: Columns, at: int, **columns: list[Any]) -> None:
        count = len(next(iter(columns.values())))
        for name, value in (("portfolio", self.portfolio), ("decision_at", at), ("known_at", at)):
            table.setdefault(name, []).extend([value] * count)
        table.setdefault("run_id", []).extend([self.run_id] * count)
        for name, values in columns.items():
            table.setdefault(name, []).extend(values)


def _with_cash(weights: np.ndarray) -> list[float]:
    """The weights, and what is missing to 1."""
    listed: list[float] = weights.tolist()
    return [*listed, 1.0 - math.fsum(listed)]


def _typed(*names: str, **others: str) -> dict[str, str]:
    """Types by column, in the order of sources.yml: doubles, but for the others."""
    head = {"portfolio": "text", "decision_at": "time"}
    return {
        **head,
        **{name: others.get(name, "double") for name in names},
        "known_at": "time",
        "run_id": "text",
    }


EXPOSURES = _typed(
    *("symbol", "weight", "previous_weight", "held_units", "target_units", "mark_index"),
    *("is_excluded", "excluded_for"),
    symbol="text",
    is_excluded="bool",
    excluded_for="int64",
)
WATERFALL = _typed(
    *("symbol", "stage", "stage_number", "weight_change", "weight_after"),
    symbol="text",
    stage="text",
    stage_number="int64",
)
ABLATED = _typed("method", "symbol", "weight", method="text", symbol="text")
PRICES = _typed("stage", "limit_name", "price", stage="text", limit_name="text")
TAKEN_UP = ("symbol", "told_weight", "units_before", "units_after", "mark_index")
TAKEN = _typed(*TAKEN_UP, symbol="text")
CONTRIBUTIONS = _typed("symbol", "contribution", symbol="text")
LOG = _typed(
    *("allocator", "variant", "status", "fallback_mode", "reason", "binding", "conflicts", "conflict_set"),
    *("volatility", "var_95", "es_95", "turnover", "gross_return", "cost", "net_return"),
    *("nav", "high_water_mark", "drawdown", "regime", "confidence"),
    **dict.fromkeys(
        (
            *("allocator", "variant", "status", "fallback_mode"),
            *("reason", "binding", "conflicts", "conflict_set", "regime"),
        ),
        "text",
    ),
)
CONDITIONS = _typed(
    *("condition", "value", "limit_value", "is_triggered", "is_latched", "latched_at", "reset_by", "action"),
    condition="text",
    is_triggered="bool",
    is_latched="bool",
    latched_at="time",
    reset_by="text",
    action="text",
)


def _frame(columns: Columns, types: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: _series(columns.get(name, []), kind) for name, kind in types.items()})


def _series(values: list[Any], kind: str) -> Any:
    if kind == "time":
        return stamps(values)
    if kind == "double":
        return np.array([math.nan if value is None else value for value in values], dtype=float)
    return pd.array(values, dtype="str") if kind == "text" else np.array(values, dtype=kind)
