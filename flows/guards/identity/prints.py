"""Bars of one symbol as they became known: which came late, what each vintage sees, and the chained level.

A symbol's time is cut at every instant at which something becomes known of a session no later than one
already known. Between two cuts lies a vintage; it sees the versions known before its end, and what first
became known inside it is derived from them, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.guards.identity.raw_world import NEVER, Asset, days, microseconds

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Prints:
    """Bars by session, in order. `printed` is when the first version was known, `until` ends its vintage.

    `opened` and `closed` are those of the first version. Arrays of `known` and `prices` are versions x bars;
    a version that a bar lacks is known NEVER.
    """

    symbol: str
    session: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    printed: np.ndarray
    is_late: np.ndarray
    is_cut: np.ndarray
    until: np.ndarray
    known: np.ndarray
    prices: Mapping[str, np.ndarray]

    def seen(self, name: str, place: np.ndarray, until: np.ndarray) -> np.ndarray:
        """A price of each bar as the vintage ending at `until` sees it; the close where it has no other."""
        values = self.prices[name]
        found = values[0, place]
        for version in range(1, len(self.known)):
            found = np.where(self.known[version, place] < until, values[version, place], found)
        return found


@dataclass(frozen=True)
class Priced:
    """Prints with a rate into the base currency, and the bars that decisions may stand on.

    `rate` is the one known at each bar's first print, `following` the one after it. `timely` are places of
    bars that did not come late, and `level` their chained closes: each return is that of its own vintage.
    """

    prints: Prints
    rate: np.ndarray
    following: np.ndarray
    timely: np.ndarray
    level: np.ndarray

    def base(self, name: str, place: np.ndarray, until: np.ndarray) -> np.ndarray:
        """A price in the base currency, as a vintage sees it."""
        return self.prints.seen(name, place, until) * self.rate[place]

    def own(self, name: str, place: np.ndarray) -> np.ndarray:
        """A price as each bar's own vintage sees it."""
        return self.prints.seen(name, place, self.prints.until[place])

    def standing(self, instants: np.ndarray) -> np.ndarray:
        """Which of `timely` is the last known at each instant; -1 before the first."""
        return np.searchsorted(self.prints.printed[self.timely], instants, side="right") - 1

    def before(self) -> np.ndarray:
        """The place of the bar before each, as its vintage sees it; -1 where there is none with a rate."""
        found = np.arange(-1, len(self.rate) - 1)
        for place in range(len(found)):
            until = self.prints.until[place]
            while found[place] >= 0 and self.prints.printed[found[place]] >= until:
                found[place] -= 1
        return np.where((found >= 0) & np.isfinite(self.rate[found]), found, -1)


def prints_by_symbol(bars: pd.DataFrame) -> dict[str, Prints]:
    """Prints of every symbol; bars are rows of raw.bars by symbol, session_date, version."""
    return {str(symbol): _prints(str(symbol), rows) for symbol, rows in bars.groupby("symbol", sort=True)}


def priced_by_symbol(
    prints: Mapping[str, Prints], assets: Mapping[str, Asset], base_currency: str
) -> dict[str, Priced]:
    """Prints in the base currency, each at the last rate that was known when it was."""
    rates = {
        currency: rate
        for symbol, one in prints.items()
        if assets[symbol].asset_class == "fx"
        for currency, rate in _rates(one, base_currency)
    }
    never = (np.array([NEVER]), np.array([np.nan]))
    found = {}
    for symbol, one in prints.items():
        currency = assets[symbol].currency
        rate = following = np.ones(len(one.session))
        if currency != base_currency:
            known, values = rates.get(currency, never)
            place = np.searchsorted(known, one.printed, side="right") - 1
            rate = np.where(place >= 0, values[place], np.nan)
            following = values[np.minimum(place + 1, len(values) - 1)]
        found[symbol] = _chained(one, rate, following)
    return found


def _prints(symbol: str, rows: pd.DataFrame) -> Prints:
    session, place = np.unique(days(rows["session_date"]), return_inverse=True)
    version = rows.groupby("session_date").cumcount().to_numpy()
    shape = (int(version.max()) + 1, len(session))
    known = np.full(shape, NEVER)
    known[version, place] = microseconds(rows["known_at"])
    prices = {name: np.full(shape, np.nan) for name in PRICES}
    close = rows["close"].to_numpy(dtype=float)
    for name in PRICES:
        told = rows[name].to_numpy(dtype=float)
        prices[name][version, place] = np.where(np.isnan(told), close, told)
    first = version == 0
    opened, closed = (np.full(len(session), NEVER) for _ in range(2))
    opened[place[first]] = microseconds(rows["opened_at"])[first]
    closed[place[first]] = microseconds(rows["closed_at"])[first]
    printed = known[0]
    is_late, is_cut = lateness(session, printed)
    restated = known[1:][known[1:] < NEVER]
    cuts = np.append(np.unique(np.concatenate([printed[is_cut], restated])), NEVER)
    until = cuts[np.minimum(np.searchsorted(cuts, printed, side="right"), len(cuts) - 1)]
    return Prints(symbol, session, opened, closed, printed, is_late, is_cut, until, known, prices)


def lateness(session: np.ndarray, printed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether a later session was known by the instant each was printed (late), and before it (cut)."""
    order = np.argsort(printed, kind="stable")
    at, furthest = printed[order], np.maximum.accumulate(session[order])
    by = furthest[np.searchsorted(at, printed, side="right") - 1]
    before = np.searchsorted(at, printed, side="left") - 1
    return by > session, (before >= 0) & (furthest[before] > session)


def _rates(one: Prints, base: str) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Units of the base currency for one of another, as first printed, by the instant they were known."""
    left, _, right = one.symbol.partition("-")
    timely = np.flatnonzero(~one.is_late)
    close = one.seen("close", timely, one.until[timely])
    found = []
    if right == base:
        found.append((left, (one.printed[timely], close)))
    if left == base:
        found.append((right, (one.printed[timely], 1 / close)))
    return found


def _chained(one: Prints, rate: np.ndarray, following: np.ndarray) -> Priced:
    timely = np.flatnonzero(~one.is_late & np.isfinite(rate))
    until = one.until[timely]
    now = one.seen("close", timely, until) * rate[timely]
    before = one.seen("close", timely[:-1], until[1:]) * rate[timely[:-1]]
    level = np.cumprod(np.append(np.ones(min(len(timely), 1)), now[1:] / before))
    return Priced(one, rate, following, timely, level)
