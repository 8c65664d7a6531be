"""Where the walk over decisions stands: at its beginning, or taken up from the rows it wrote before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from python_steps import policy
from python_steps.allocation_inputs import NEVER, instants
from python_steps.book import CASH, Book, Booked, Fill, LateAction, Order, told_away
from python_steps.stops import FIRST_LIVE, SURGES, Latch, Stops, is_calm


@dataclass
class State:
    """What one decision hands to the next; `excluded_for` counts decisions in a row, by symbol."""

    book: Book = field(default_factory=Book)
    stops: Stops = field(default_factory=Stops)
    excluded_for: dict[str, int] = field(default_factory=dict)


def resumed(
    past: Mapping[str, pd.DataFrame],
    fills: Mapping[tuple[str, int], Fill],
    late: Mapping[str, Sequence[LateAction]],
    wanted: policy.Stops,
) -> State:
    """The state after the last decision in the step tables `past`; the beginning when they are empty.

    Every number is read back as it was written, so a walk taken up again gives the same bits.
    """
    if not past or past["allocation_log"].empty:
        return State(Book(late=late))
    log = past["allocation_log"]
    decided = instants(log["decision_at"])
    last = int(decided.max())
    row = log.iloc[int(decided.argmax())]
    return State(
        _book(past["target_exposures"], past["holdings_taken"], log, fills, late),
        _stops(past["stop_conditions"], last, float(row["high_water_mark"]), log, wanted),
        _excluded(past["target_exposures"], last),
    )


def _book(
    exposures: pd.DataFrame,
    taken: pd.DataFrame,
    log: pd.DataFrame,
    fills: Mapping[tuple[str, int], Fill],
    late: Mapping[str, Sequence[LateAction]],
) -> Book:
    decided = instants(log["decision_at"])
    assets = exposures[exposures["symbol"] != CASH]
    at = instants(assets["decision_at"])
    order = np.lexsort((assets["symbol"].to_numpy(dtype=object).astype(str), at))
    rows = zip(
        at[order].tolist(),
        *(
            assets[name].to_numpy()[order].tolist()
            for name in ("symbol", "held_units", "target_units", "mark_index")
        ),
        strict=True,
    )
    made = np.sort(decided)
    last = int(made[-1])
    value = float(log["nav"].iloc[int(decided.argmax())])
    book = Book(at=last, began_at=int(made[0]), value=value, late=late)
    told = np.unique(instants(taken["decision_at"])) if len(taken) else np.array([], np.int64)
    reached: dict[tuple[str, int], float] = {}  # by how often the book was told what is held
    for decision, symbol, held, target, mark in rows:
        fill, times = fills.get((symbol, decision)), int(np.searchsorted(told, decision, side="right"))
        until = int(told[times]) if times < len(told) else last  # later than that, an order is void
        if symbol in late and fill is not None and fill.known_at <= until and fill.status == "filled":
            known = int(made[np.searchsorted(made, fill.known_at)])
            booked = Booked(known, fill.session, reached.get((symbol, times), held), fill.fill_index)
            book.booked.setdefault(symbol, []).append(booked)
            reached[symbol, times] = target
        if times == len(told) and (fill is None or fill.known_at > last):
            book.pending.setdefault(symbol, []).append(Order(decision, target))
        if decision == last:
            book.held[symbol], book.marks[symbol] = held, mark
    sold = taken[taken["symbol"].isin(list(late))]
    for one, at in zip(sold.itertuples(), instants(sold["decision_at"]).tolist(), strict=True):
        book.booked.setdefault(one.symbol, []).append(told_away(at, one.units_before, one.mark_index))
    for fillings in book.booked.values():
        fillings.sort(key=lambda one: one.at)  # what was told comes after the fills that were known by then
    book.pending = {symbol: orders for symbol, orders in book.pending.items() if symbol in book.held}
    return book


def _stops(
    conditions: pd.DataFrame, last: int, high_water_mark: float, log: pd.DataFrame, wanted: policy.Stops
) -> Stops:
    at, latched = instants(conditions["decision_at"]), instants(conditions["latched_at"])
    names, decided = conditions["condition"].tolist(), instants(log["decision_at"])
    latches = {
        names[place]: Latch(int(latched[place]), int((decided > latched[place]).sum()))
        for place in np.flatnonzero((at == last) & (latched != NEVER))
    }
    return Stops(
        high_water_mark,
        latches,
        bool((conditions["reset_by"] == FIRST_LIVE).any()),
        {name for name in SURGES if _is_disarmed(conditions[conditions["condition"] == name], wanted)},
        _fallbacks(conditions[conditions["condition"] == "solver_failures"], log),
    )


def _is_disarmed(rows: pd.DataFrame, wanted: policy.Stops) -> bool:
    """Whether a surge, given by its rows, was released and has not been calm since."""
    if wanted.hysteresis is None:
        return False
    rows = rows.iloc[np.argsort(instants(rows["decision_at"]))]
    was_latched = rows["is_latched"].shift(fill_value=False).astype(bool)
    released = np.flatnonzero(was_latched & rows["reset_by"].notna())
    since = rows.iloc[released[-1] :] if len(released) else rows.iloc[:0]
    values = zip(since["value"].tolist(), since["limit_value"].tolist(), strict=True)
    return bool(len(since)) and not any(is_calm(value, limit, wanted.hysteresis) for value, limit in values)


def _fallbacks(rows: pd.DataFrame, log: pd.DataFrame) -> list[bool]:
    """Whether each decision since the last release of solver_failures was made by the fallback."""
    decided = instants(log["decision_at"])
    released = instants(rows["decision_at"])[rows["reset_by"].notna().to_numpy()]
    order = np.argsort(decided)
    is_since = decided[order] >= (released.max() if len(released) else decided.min())
    fell_back: list[bool] = (log["status"] == "fallback").to_numpy()[order][is_since].tolist()
    return fell_back


def _excluded(exposures: pd.DataFrame, last: int) -> dict[str, int]:
    rows = exposures[instants(exposures["decision_at"]) == last]
    return {
        symbol: int(count)
        for symbol, count in zip(rows["symbol"], rows["excluded_for"], strict=True)
        if count
    }
