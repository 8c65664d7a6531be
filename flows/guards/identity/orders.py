"""What became of the order of each decision, and what a unit earned from each fill to the next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flows.guards.identity.prints import Priced
from flows.guards.identity.raw_world import ALWAYS, NEVER, Asset, Calendar, Clock

TICK = np.timedelta64(1, "us")


@dataclass(frozen=True)
class Orders:
    """Orders of one symbol at the decisions at which it may be held. `number` counts instants of the clock.

    `stands_on` is the place among timely bars of the bar that the decision knew. `status` is '' for an order
    not settled yet. `session`, `price` (local) and `level` are those of the fill, `bar` its place among the
    prints; where nothing was filled, bar is -1. `known` is when the outcome was.
    """

    number: np.ndarray
    stands_on: np.ndarray
    status: np.ndarray
    session: np.ndarray
    fill_at: np.ndarray
    price: np.ndarray
    level: np.ndarray
    bar: np.ndarray
    known: np.ndarray


class Correction(NamedTuple):
    """What a unit earned more on a trip (by place) than was known before."""

    trip: int
    unit_return: float
    known: np.datetime64


@dataclass(frozen=True)
class Trips:
    """From each fill to its exit. `order` is the place among the orders.

    Prices are as first printed where the feed is not adjusted, else of the exit's vintage. `unit_return` is
    in the base currency, with the splits and dividends known by `known`; `unit_return_mixed` takes the other
    of the two entries, as a comparison of levels would. `unit_return_bare` knows no action,
    `unit_return_later` all of them. `corrections` say of some trips what they earned more, as told later.
    """

    order: np.ndarray
    entry_price: np.ndarray
    exit_price: np.ndarray
    exit_session: np.ndarray
    exit_at: np.ndarray
    unit_return: np.ndarray
    unit_return_mixed: np.ndarray
    unit_return_bare: np.ndarray
    unit_return_later: np.ndarray
    is_closing: np.ndarray
    known: np.ndarray
    corrections: tuple[Correction, ...]


@dataclass(frozen=True)
class LastBar:
    """Where an asset that ends is sold: the place of the bar among the prints, and when that is known."""

    bar: int
    known: np.datetime64


def orders_of(priced: Priced, asset: Asset, calendar: Calendar, clock: Clock, as_of: np.datetime64) -> Orders:
    """Filled at the first price of the first session from the rebalance day on, superseded, or lapsed.

    Superseded where the next decision fills in the same session; lapsed where the bar, or a later one of the
    same instant, is still unknown when the next session closes.
    """
    prints = priced.prints
    stands_on = priced.standing(clock.instants[:-1])
    may_hold = (
        (stands_on >= 0)
        & (clock.instants[:-1] <= as_of)
        & asset.is_member(clock.instants[:-1], clock.rebalance[:-1])
    )
    session, lapses = _addressed(calendar, clock)
    number = np.flatnonzero(may_hold & (lapses < NEVER))
    session, lapses, stands_on = session[number], lapses[number], stands_on[number]
    sold = prints.session[priced.timely]
    place = np.minimum(np.searchsorted(sold, session), len(sold) - 1)
    bar = priced.timely[place]
    is_superseded = clock.rebalance[number + 1] <= session
    is_printed = (sold[place] == session) & (prints.printed[bar] <= lapses)
    status = np.where(is_superseded, "superseded", np.where(is_printed, "filled", "lapsed"))
    known = np.where(
        is_superseded, clock.instants[number + 1], np.where(is_printed, prints.printed[bar], lapses)
    )
    status = np.where(known <= as_of, status, "")
    is_filled = status == "filled"
    price = priced.own("open", bar)
    return Orders(
        number,
        stands_on,
        status,
        session,
        np.where(is_filled, prints.opened[bar], np.datetime64("NaT", "us")),
        np.where(is_filled, price, np.nan),
        np.where(is_filled, priced.level[place] / _to_the_close(priced, bar, price), np.nan),
        np.where(is_filled, bar, -1),
        known,
    )


def _addressed(calendar: Calendar, clock: Clock) -> tuple[np.ndarray, np.ndarray]:
    """The session that each decision is for, by the calendar it knew, and when the one after that closes."""
    session = clock.rebalance[:-1].copy()
    lapses = np.full(len(session), NEVER)
    for is_known, known in calendar.as_known(clock.instants[:-1]):
        target = np.searchsorted(known.session, clock.rebalance[:-1])
        place = np.flatnonzero(is_known & (target < len(known.session) - 1))
        session[place], lapses[place] = known.session[target[place]], known.closed[target[place] + 1]
    return session, lapses


def _to_the_close(priced: Priced, bar: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Growth from the fill to the close of its session."""
    rates = priced.rate[bar] / priced.rate_at("open", price, bar)
    return priced.growth(priced.own("close", bar), price, rates)


def last_bar_of(priced: Priced, asset: Asset, calendar: Calendar, as_of: np.datetime64) -> LastBar | None:
    """The last session before a membership ends, or the bar before where that was not printed in time."""
    told = asset.memberships[-1]
    if told.ends == NEVER:
        return None
    prints = priced.prints
    last = np.searchsorted(calendar.session, told.ends.astype("datetime64[D]")) - 1
    settles = calendar.closed[last + 1]
    timely = priced.timely
    can_be = (prints.session[timely] <= calendar.session[last]) & (prints.printed[timely] <= settles)
    if not can_be.any():
        return None
    bar = int(timely[np.flatnonzero(can_be)[-1]])
    is_printed = prints.session[bar] == calendar.session[last]
    known = max(prints.printed[bar], told.known, *(() if is_printed else (settles,)))
    return LastBar(bar, known) if known <= as_of else None


def trips_of(priced: Priced, orders: Orders, last_bar: LastBar | None, adjustment: str) -> Trips:
    """Fill to fill, at first prints; for adjusted feeds as in the vintage in which the exit first appeared.

    The last fill of an asset that ended goes to its last close, or that of its own session if that is later,
    once every order that was given is settled. A trip is known when its entry, its exit and every order
    between are.
    """
    prints = priced.prints
    filled = np.flatnonzero(orders.status == "filled")
    entry, out = filled[:-1], filled[1:]
    known = [
        orders.known[start : end + 1].max() if (orders.status[start:end] != "").all() else NEVER
        for start, end in zip(entry, out, strict=True)
    ]
    order, exit_bar, names = entry, orders.bar[out], np.full(len(out), "open")
    if last_bar is not None and len(filled):
        newest = filled[-1]
        order, exit_bar = np.append(order, newest), np.append(exit_bar, max(last_bar.bar, orders.bar[newest]))
        names = np.append(names, "close")
        are_settled = (orders.status[newest:] != "").all()
        known.append(max(orders.known[newest:].max(), last_bar.known) if are_settled else NEVER)
    until, entry_bar = prints.until[exit_bar], orders.bar[order]
    is_closing = names == "close"

    def at_exit(name_open: np.ndarray, name_close: np.ndarray) -> np.ndarray:
        return np.where(is_closing, name_close, name_open)

    exit_price = at_exit(prints.seen("open", exit_bar, until), prints.seen("close", exit_bar, until))
    entries = (priced.own("open", entry_bar), prints.seen("open", entry_bar, until))
    entry_price, other = entries if adjustment == "none" else entries[::-1]
    exit_rate = at_exit(priced.rate_at("open", exit_price, exit_bar), priced.rate[exit_bar])
    known_at = np.array(known, "datetime64[us]")

    def unit_return(entry: np.ndarray, by: np.ndarray) -> np.ndarray:
        """As known before the instants `by`."""
        worth = prints.held(entry_bar, exit_bar, by).worth(exit_price)
        return priced.growth(worth, entry, exit_rate / priced.rate_at("open", entry, entry_bar)) - 1

    return Trips(
        order,
        entry_price,
        exit_price,
        prints.session[exit_bar],
        at_exit(prints.opened[exit_bar], prints.closed[exit_bar]),
        unit_return(entry_price, known_at + TICK),
        unit_return(other, known_at + TICK),
        unit_return(entry_price, np.full(len(order), ALWAYS)),
        unit_return(entry_price, np.full(len(order), NEVER)),
        is_closing,
        known_at,
        _corrections(priced, (entry_bar, exit_bar), known_at, lambda by: unit_return(entry_price, by)),
    )


def _corrections(
    priced: Priced,
    bars: tuple[np.ndarray, np.ndarray],
    known: np.ndarray,
    unit_return: Callable[[np.ndarray], np.ndarray],
) -> tuple[Correction, ...]:
    """One for each trip and instant at which something between its `bars` was told after it was known."""
    since, to = (priced.prints.session[bar] for bar in bars)
    told: dict[np.datetime64, np.ndarray] = {}
    for action in priced.prints.actions:
        for at in action.known[:1] if action.is_restated_with_prices else action.known:
            is_late = (since < action.ex_date) & (action.ex_date <= to) & (known < at)
            told[at] = told.get(at, False) | is_late
    found = []
    for at in sorted(told):
        then, now = (unit_return(np.full(len(known), by)) for by in (at, at + TICK))
        found += [Correction(int(trip), (now - then)[trip], at) for trip in np.flatnonzero(told[at])]
    return tuple(found)
