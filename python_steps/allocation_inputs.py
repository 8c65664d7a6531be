"""What the walk over decisions reads: tables in, and quick looks by decision that ignore row order.

A look at a decision never depends on rows of later ones, nor does the shape of what it gives.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from python_steps.book import CASH, Fill, LateAction
from python_steps.covariances import WINDOW
from python_steps.policy import Policy
from python_steps.stops import Reset

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class AllocationInputs:
    """Tables, with the columns that sources.yml and the models give them; clock and portfolio may be absent.

    `decisions` are those to be made now; `past` has the eight step tables with this portfolio's rows of
    all earlier decisions (none: it begins). Views in `expected_returns` are per decision. `holdings` has
    the weights that are really held at a decision, by symbol; what is missing to 1 is cash. `borrow_rates`
    (symbol, borrow_rate) say what a short costs a year; without any it costs nothing.
    """

    decisions: pd.DataFrame
    assets: pd.DataFrame
    marks: pd.DataFrame
    decision_returns: pd.DataFrame
    order_fills: pd.DataFrame
    data_quality: pd.DataFrame
    market_conditions: pd.DataFrame
    expected_returns: pd.DataFrame
    regimes: pd.DataFrame
    confidences: pd.DataFrame
    resets: pd.DataFrame
    late_actions: pd.DataFrame = field(default_factory=pd.DataFrame)
    market_impacts: pd.DataFrame = field(default_factory=pd.DataFrame)
    past: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    holdings: pd.DataFrame = field(default_factory=pd.DataFrame)
    borrow_rates: pd.DataFrame = field(default_factory=pd.DataFrame)


def instants(values: pd.Series) -> np.ndarray:
    """Microseconds since 1970 as int64; NEVER where null."""
    stamps = pd.to_datetime(values).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(stamps), NEVER, stamps.astype(np.int64))


def stamps(microseconds: list[int | None]) -> np.ndarray:
    """The reverse of `instants`, null where None."""
    return np.array(
        ["NaT" if at is None else np.datetime64(at, "us") for at in microseconds], "datetime64[us]"
    )


def days(values: pd.Series) -> np.ndarray:
    """Dates as datetime64[D], NaT where null."""
    return pd.to_datetime(values).to_numpy().astype("datetime64[D]")


def of(frame: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Rows of the wanted clock or portfolio, where the table says whose they are."""
    for column, value in wanted.items():
        if column in frame.columns:
            frame = frame[frame[column] == value]
    return frame


class ByDecision:
    """Rows of a table by decision and key. Raises ValueError for a key that stands twice at one decision."""

    def __init__(self, frame: pd.DataFrame, table: str, key: str, columns: list[str]) -> None:
        at = instants(frame["decision_at"])
        names = frame[key].to_numpy(dtype=object).astype(str)
        order = np.lexsort((names, at))
        self._at, self._keys = at[order], names[order]
        twice = (self._at[1:] == self._at[:-1]) & (self._keys[1:] == self._keys[:-1])
        if twice.any():
            raise ValueError(f"{table}: {self._keys[1:][twice][0]} stands twice at one decision")
        self._columns = {column: frame[column].to_numpy()[order] for column in columns}

    def at(self, decision: int) -> dict[str, dict[str, object]]:
        """For each key, the values of its row at the decision."""
        low, high = np.searchsorted(self._at, [decision, decision + 1])
        names = list(self._columns)
        lists = [self._columns[name][low:high].tolist() for name in names]
        rows = zip(*lists, strict=True)
        return {
            key: dict(zip(names, row, strict=True))
            for key, row in zip(self._keys[low:high], rows, strict=True)
        }


class Returns:
    """Simple returns per decision, one row per decision of the clock and one column per symbol."""

    def __init__(self, frame: pd.DataFrame) -> None:
        at, names = instants(frame["decision_at"]), frame["symbol"].to_numpy(dtype=object).astype(str)
        self._at, rows = np.unique(at, return_inverse=True)
        symbols, columns = np.unique(names, return_inverse=True)
        self._column = {symbol: place for place, symbol in enumerate(symbols)}
        self._matrix = np.full(
            (len(self._at), len(symbols) + 1), np.nan
        )  # the last column: a symbol without returns
        self._matrix[rows, columns] = pd.to_numeric(frame["simple_return"]).to_numpy(
            dtype=float, na_value=np.nan
        )

    def until(self, decision: int, symbols: list[str]) -> np.ndarray:
        """The last WINDOW returns up to and at the decision (T x N, NaN where unknown)."""
        last = int(np.searchsorted(self._at, decision, side="right"))
        columns = [self._column.get(symbol, self._matrix.shape[1] - 1) for symbol in symbols]
        return np.ascontiguousarray(self._matrix[max(0, last - WINDOW) : last][:, columns])


def impacts_by_order(frame: pd.DataFrame, capital: float | None) -> dict[tuple[str, int], float]:
    """By symbol and decision, what `Fill.impact` is for a portfolio that began with so much money.

    Empty where orders are taken to move no price. One whose asset tells no volume is not there.
    """
    if capital is None or frame.empty:
        return {}
    known = frame[frame["impact_rate"].notna()]
    keys = zip(known["symbol"].tolist(), instants(known["decision_at"]).tolist(), strict=True)
    return dict(zip(keys, (known["impact_rate"] * math.sqrt(capital)).tolist(), strict=True))


class Orders:
    """What became of orders, and the last cost rate known of each symbol. `impacts` by impacts_by_order."""

    def __init__(self, frame: pd.DataFrame, impacts: Mapping[tuple[str, int], float]) -> None:
        at, known = instants(frame["decision_at"]), instants(frame["known_at"])
        names = frame["symbol"].to_numpy(dtype=object).astype(str)
        order = np.lexsort((at, names, known))
        index = frame["fill_index"].to_numpy(dtype=float, na_value=np.nan)[order].tolist()
        rates = frame["cost_rate"].to_numpy(dtype=float, na_value=np.nan)[order].tolist()
        sessions = days(frame["fill_session"])[order].astype(np.int64).tolist()
        statuses = frame["status"].to_numpy(dtype=object)[order].tolist()
        self._known, self._names, self._rates = known[order].tolist(), names[order].tolist(), rates
        keys = zip(self._names, at[order].tolist(), strict=True)
        rows = zip(self._known, statuses, index, rates, sessions, strict=True)
        self.fills = {key: Fill(*row, impacts.get(key, 0.0)) for key, row in zip(keys, rows, strict=True)}
        self._next = 0
        self._last: dict[str, float] = {}

    def cost_rates(self, decision: int) -> dict[str, float]:
        """One-way cost rates by symbol, as last known at the decision; decisions must not go back."""
        while self._next < len(self._known) and self._known[self._next] <= decision:
            if np.isfinite(self._rates[self._next]):
                self._last[self._names[self._next]] = self._rates[self._next]
            self._next += 1
        return self._last


def late_by_symbol(frame: pd.DataFrame) -> dict[str, list[LateAction]]:
    """Actions told late by symbol, in the order in which they were told."""
    if frame.empty:
        return {}
    rows = zip(
        frame["symbol"].tolist(),
        days(frame["session_date"]).astype(np.int64).tolist(),
        instants(frame["printed_at"]).tolist(),
        instants(frame["known_at"]).tolist(),
        frame["growth"].tolist(),
        strict=True,
    )
    found: dict[str, list[LateAction]] = {}
    for symbol, *row in sorted(rows, key=lambda row: (row[3], row[0], row[1])):
        found.setdefault(symbol, []).append(LateAction(*row))
    return found


@dataclass(frozen=True)
class Asset:
    """An asset's class and membership; `until` counts from the instant at which it was known."""

    asset_class: str
    member_from: np.datetime64
    member_until: np.datetime64
    known_at: int

    def is_over(self, decision: int, rebalance_date: np.datetime64) -> bool:
        """Known by the decision to be no longer held from its rebalance date on."""
        known = self.known_at == NEVER or self.known_at <= decision
        return bool(known and not np.isnat(self.member_until) and self.member_until <= rebalance_date)

    def has_begun(self, rebalance_date: np.datetime64) -> bool:
        """Its membership has begun by the rebalance date."""
        return bool(np.isnat(self.member_from) or self.member_from <= rebalance_date)


def assets_by_symbol(frame: pd.DataFrame) -> dict[str, Asset]:
    """Assets by symbol. Raises ValueError for a symbol with two rows."""
    if frame["symbol"].duplicated().any():
        twice = sorted(frame.loc[frame["symbol"].duplicated(), "symbol"])
        raise ValueError(f"assets: more than one row for {', '.join(twice)}")
    rows = zip(
        frame["symbol"].tolist(),
        frame["asset_class"].tolist(),
        days(frame["member_from"]),
        days(frame["member_until"]),
        instants(frame["known_at"]).tolist(),
        strict=True,
    )
    return {symbol: Asset(kind, since, until, known) for symbol, kind, since, until, known in rows}


def in_universe(symbol: str, asset: Asset, wanted: Policy) -> bool:
    """Whether the policy studies the asset at all."""
    named = wanted.universe.symbols
    return asset.asset_class in wanted.universe.asset_classes and (named is None or symbol in named)


def holdings_by_decision(frame: pd.DataFrame, *, allow_shorts: bool) -> dict[int, dict[str, float]]:
    """Weights that are really held, without CASH, by decision and symbol.

    Raises ValueError for one that is no share of the value, and for more than all of it; what is below 0 is
    short, and one only where shorts are allowed.
    """
    least = -1 if allow_shorts else 0
    found: dict[int, dict[str, float]] = {}
    if frame.empty:
        return found
    rows = zip(instants(frame["decision_at"]).tolist(), frame["symbol"], frame["weight"], strict=True)
    for at, symbol, weight in sorted(rows):
        told = found.setdefault(at, {})
        if symbol == CASH:
            continue
        if not least <= weight <= 1:
            raise ValueError(f"holdings: {symbol} is {weight}, expected a weight from {least} to 1")
        told[symbol] = float(weight)
    for told in found.values():
        if math.fsum(told.values()) > 1 + 1e-9:
            raise ValueError(f"holdings: weights sum to {math.fsum(told.values())}, at most 1 is allowed")
    return found


def resets_by_condition(frame: pd.DataFrame) -> dict[str, list[Reset]]:
    """Releases by condition, in order of time."""
    if frame.empty:
        return {}
    rows = sorted(
        zip(
            instants(frame["reset_at"]).tolist(),
            frame["condition"].tolist(),
            frame["reset_by"].tolist(),
            strict=True,
        )
    )
    found: dict[str, list[Reset]] = {}
    for at, condition, by in rows:
        found.setdefault(condition, []).append(Reset(at, by))
    return found
