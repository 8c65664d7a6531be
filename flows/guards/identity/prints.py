"""Bars of one symbol as they became known: which came late, what each vintage sees, and the chained level.

A symbol's time is cut at every instant at which something, a bar or an action, becomes known of a session no
later than one already known. Between two cuts lies a vintage; it sees the versions known before its end, and
what first became known inside it is derived from them, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from flows.guards.identity.actions import Held, Late, cuts, held, lates
from flows.guards.identity.raw_world import NEVER, Action, Asset, days, microseconds

PRICES = ("open", "high", "low", "close")
RUIN = -0.999999  # a broker closes a position on a notional before it loses more


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
    actions: Sequence[Action]

    def held(self, since: np.ndarray, to: np.ndarray, until: np.ndarray) -> Held:
        """Shares and dividends from bars to bars (by place), by the actions known before `until`."""
        return held(self.actions, self.session[since], self.session[to], until)

    def seen(self, name: str, place: np.ndarray, until: np.ndarray) -> np.ndarray:
        """A price of each bar as the vintage ending at `until` sees it; the close where it has no other."""
        values = self.prices[name]
        found = values[0, place]
        for version in range(1, len(self.known)):
            found = np.where(self.known[version, place] < until, values[version, place], found)
        return found


class Rates(NamedTuple):
    """Units of one currency for one of another: when each was known, its session, and the rate."""

    known: np.ndarray
    session: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Priced:
    """Prints with a rate into the base currency, and the bars that decisions may stand on.

    `rate` is the one known at each bar's first print, `following` the one after it. `timely` are places of
    bars that did not come late, and `level` their chained total returns: each is that of its own vintage.
    `is_notional` marks a currency pair that gains in another currency than the base; `is_inverse` one whose
    price itself, turned round, is the rate.
    """

    prints: Prints
    rate: np.ndarray
    following: np.ndarray
    timely: np.ndarray
    level: np.ndarray
    late: Sequence[Late]
    is_notional: bool = False
    is_inverse: bool = False

    def rate_at(self, name: str, price: np.ndarray, place: np.ndarray) -> np.ndarray:
        """What the money of a price is worth: for an inverse pair at the very price, else with its bar."""
        return 1 / price if self.is_inverse and name == "open" else self.rate[place]

    def growth(self, worth: np.ndarray, price: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """Worth over price, in the base currency; `rates` is what money is worth then over what it was.

        A pair on a notional gains (to / from - 1) of its quote currency, which is all that is converted.
        """
        gain = worth / price
        return 1 + np.maximum((gain - 1) * rates, RUIN) if self.is_notional else gain * rates

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


def prints_by_symbol(bars: pd.DataFrame, actions: Mapping[str, Sequence[Action]]) -> dict[str, Prints]:
    """Prints of every symbol; bars are rows of raw.bars by symbol, session_date, version."""
    return {
        str(symbol): _prints(str(symbol), rows, actions.get(str(symbol), ()))
        for symbol, rows in bars.groupby("symbol", sort=True)
    }


def priced_by_symbol(
    prints: Mapping[str, Prints], assets: Mapping[str, Asset], base_currency: str
) -> dict[str, Priced]:
    """Prints in the base currency, each at the last rate that was known when it was."""
    rates = rates_by_currency(prints, assets, base_currency)
    never = Rates(np.array([NEVER]), np.array([]), np.array([np.nan]))
    found = {}
    for symbol, one in prints.items():
        currency, is_pair = assets[symbol].currency, assets[symbol].asset_class == "fx"
        rate = following = np.ones(len(one.session))
        is_inverse = is_pair and symbol == f"{base_currency}-{currency}" and currency != base_currency
        if is_inverse:
            rate = 1 / one.seen("close", np.arange(len(one.session)), one.until)
            following = np.append(rate[1:], rate[-1:])
        elif currency != base_currency:
            found_rates = rates.get(currency, never)
            place = np.searchsorted(found_rates.known, one.printed, side="right") - 1
            rate = np.where(place >= 0, found_rates.value[place], np.nan)
            following = found_rates.value[np.minimum(place + 1, len(found_rates.value) - 1)]
        found[symbol] = _chained(one, rate, following, is_pair and currency != base_currency, is_inverse)
    return found


def rates_by_currency(
    prints: Mapping[str, Prints], assets: Mapping[str, Asset], base: str
) -> dict[str, Rates]:
    """Units of the base currency for one of another.

    Of several sources the first that is listed by then: the pair, its inverse, then crosses by name.
    """
    legs = [
        (symbol, *leg)
        for symbol, one in prints.items()
        if assets[symbol].asset_class in ("fx", "crypto")
        for leg in _legs(one)
    ]
    straight = [leg for leg in legs if leg[2] == base]
    told = [(leg[1], f"{1 + leg[3]}", assets[leg[0]].listed, leg[4]) for leg in straight]
    for symbol, currency, quoted_in, _, half in legs:
        for other, through, _, _, rates in straight:
            if through == quoted_in and currency != base:
                place = np.searchsorted(rates.known, half.known, side="right") - 1
                has = place >= 0
                value = half.value[has] * rates.value[place[has]]
                listed = max(assets[symbol].listed, assets[other].listed)
                crossed = Rates(half.known[has], half.session[has], value)
                told.append((currency, f"3{other} {symbol}", listed, crossed))
    return {
        currency: _best([one[1:] for one in told if one[0] == currency])
        for currency in sorted({one[0] for one in told})
    }


def _best(sources: Sequence[tuple[str, np.datetime64, Rates]]) -> Rates:
    """Of each source the rates that no better one, known by then, tells; all in order of time."""
    kept = []
    for name, listed, rates in sources:
        is_kept = np.ones(len(rates.known), bool)
        for other, since, theirs in sources:
            if other != name and len(theirs.known):
                is_worse = (since <= rates.known) & ((listed > rates.known) | (other < name))
                is_worse |= (since > rates.known) & (listed > rates.known) & (other < name)
                is_kept &= ~(is_worse & (theirs.known[0] <= rates.known))
        kept.append([values[is_kept] for values in (rates.known, rates.session, rates.value)])
    joined = [np.concatenate(parts) for parts in zip(*kept, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Rates(*(values[order] for values in joined))


def _legs(one: Prints) -> list[tuple[str, str, bool, Rates]]:
    """Both ways round: a currency, what it is quoted in, whether inverse, and rates as printed."""
    left, _, right = one.symbol.partition("-")
    timely = np.flatnonzero(~one.is_late)
    close = one.seen("close", timely, one.until[timely])
    known, session = one.printed[timely], one.session[timely]
    return [
        (left, right, False, Rates(known, session, close)),
        (right, left, True, Rates(known, session, 1 / close)),
    ]


def _prints(symbol: str, rows: pd.DataFrame, actions: Sequence[Action]) -> Prints:
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
    told = cuts(actions, session, printed)
    ends = np.append(np.unique(np.concatenate([printed[is_cut], restated, told])), NEVER)
    until = ends[np.minimum(np.searchsorted(ends, printed, side="right"), len(ends) - 1)]
    return Prints(symbol, session, opened, closed, printed, is_late, is_cut, until, known, prices, actions)


def lateness(session: np.ndarray, printed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether a later session was known by the instant each was printed (late), and before it (cut)."""
    order = np.argsort(printed, kind="stable")
    at, furthest = printed[order], np.maximum.accumulate(session[order])
    by = furthest[np.searchsorted(at, printed, side="right") - 1]
    before = np.searchsorted(at, printed, side="left") - 1
    return by > session, (before >= 0) & (furthest[before] > session)


def _chained(
    one: Prints, rate: np.ndarray, following: np.ndarray, is_notional: bool, is_inverse: bool
) -> Priced:
    timely = np.flatnonzero(~one.is_late & np.isfinite(rate))
    late = lates(
        one.actions, one.session, one.printed, timely, one.seen("close", np.arange(len(rate)), one.until)
    )
    bare = Priced(one, rate, following, timely, np.ones(len(timely)), late, is_notional, is_inverse)
    # A bar told at once with a later one is a link: a pair on a notional does not gain both moves in one.
    linked = np.flatnonzero(~one.is_cut & np.isfinite(rate))
    last, now = linked[:-1], linked[1:]
    until = one.until[now]
    worth = one.held(last, now, until).worth(one.seen("close", now, until))
    growth = bare.growth(worth, one.seen("close", last, until), rate[now] / rate[last])
    level = np.cumprod(np.append(np.ones(min(len(linked), 1)), growth))
    return replace(bare, level=level[np.isin(linked, timely)])
