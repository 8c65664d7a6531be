"""Dirt planted into clean bars, of every kind that feeds were seen to bring, each at a place that is known.

Each event takes a place of its own, so far from the next that neither sees the other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

FIRST, APART = 100, 30  # bars before the first event of a symbol, and from one to the next
PRICES = ["open", "high", "low", "close"]
ALL = ("equity", "crypto", "fx")
SECOND = "second"
SIZES = ((1.1, 1.25), (1.25, 1.5), (1.5, 2.0), (2.0, 5.0))


@dataclass
class Ground:
    """Bars by symbol, each under a plain index in order of date, and what was planted in them."""

    bars: dict[str, pd.DataFrame]
    random: np.random.Generator
    extra: list[pd.DataFrame] = field(default_factory=list)  # rows beside the bars
    planted: list[tuple[str, str, object]] = field(default_factory=list)  # kind, symbol, date
    taken: set[tuple[str, int]] = field(default_factory=set)

    def places(
        self, kind: str, count: int, classes: tuple[str, ...], *, ohlc: bool = False
    ) -> Iterator[tuple[pd.DataFrame, int]]:
        """So many free places, each noted as one event of the kind; of assets with a range, if so."""
        free = [
            (symbol, at)
            for symbol, rows in self.bars.items()
            if rows["asset_class"].iloc[0] in classes and (not ohlc or rows["volume"].notna().all())
            for at in range(FIRST, len(rows) - APART, APART)
            if (symbol, at) not in self.taken
        ]
        for number in sorted(self.random.permutation(len(free))[:count]):
            symbol, at = free[number]
            self.taken.add((symbol, at))
            self.planted.append((kind, symbol, self.bars[symbol].loc[at, "date"]))
            yield self.bars[symbol], at

    def beside(self, rows: pd.DataFrame, at: int, **changes: object) -> None:
        """One more row: the bar at a place, with changes."""
        self.extra.append(rows.loc[[at]].assign(**changes))


def _scaled(rows: pd.DataFrame, at: int, factor: float, until: int | None = None) -> None:
    rows.loc[at : at if until is None else until, PRICES] *= factor


def ticks(ground: Ground, name: str, count: int, low: float, high: float) -> None:
    """One bar off by a factor of up to so much, up or down."""
    for rows, at in ground.places(name, count, ALL):
        size = ground.random.uniform(np.log(low), np.log(high))
        _scaled(rows, at, float(np.exp(size * ground.random.choice([-1, 1]))))


def hundredfold(ground: Ground, count: int, length: int) -> None:
    """Some bars in another unit, a hundred times too high or too low."""
    name = "×100 or ÷100, one bar" if length == 1 else f"×100 or ÷100, {length} bars"
    for rows, at in ground.places(name, count, ALL):
        _scaled(rows, at, float(ground.random.choice([100, 0.01])), at + length - 1)


def inverted(ground: Ground, count: int) -> None:
    """The pair the other way round."""
    for rows, at in ground.places("inverted pair", count, ("fx",)):
        _scaled(rows, at, float(1 / rows.loc[at, "close"] ** 2))


def wicks(ground: Ground, count: int) -> None:
    """A high or a low that nobody traded, though the close is right."""
    for rows, at in ground.places("bad high or low", count, ALL, ohlc=True):
        side, factor = ("high", 10.0) if ground.random.random() < 0.5 else ("low", 0.1)
        rows.loc[at, side] *= factor


def no_volume(ground: Ground, count: int) -> None:
    """A bar on which nothing was traded, its price carried on."""
    for rows, at in ground.places("zero volume, price unchanged", count, ALL, ohlc=True):
        rows.loc[at, PRICES] = rows.loc[at - 1, "close"]
        rows.loc[at, "volume"] = 0.0
    for rows, at in ground.places("zero volume, price moved", count, ALL, ohlc=True):
        rows.loc[at, "volume"] = 0.0


def standing_still(ground: Ground, count: int) -> None:
    """A feed that repeats its last close for twelve bars."""
    for rows, at in ground.places("stale feed, 12 bars", count, ALL):
        rows.loc[at : at + 11, PRICES] = rows.loc[at - 1, "close"]
        if rows["volume"].notna().all():
            rows.loc[at : at + 11, "volume"] = np.nan


def true_falls(ground: Ground, count: int) -> None:
    """The price halves and stays: without witnesses, and on heavy trading."""
    for rows, at in ground.places("true −50 %, nobody to ask", count, ALL):
        _scaled(rows, at, 0.5, len(rows))
        rows.loc[at, "volume"] = rows.loc[at - 60 : at - 1, "volume"].median()
    for rows, at in ground.places("true −50 %, heavy volume", count, ALL, ohlc=True):
        _scaled(rows, at, 0.5, len(rows))
        rows.loc[at, "volume"] = 20 * rows.loc[at - 60 : at - 1, "volume"].median()


def seen_by_two(ground: Ground, symbols: tuple[str, ...], apart: str, count: int) -> None:
    """Another vendor of some symbols, who sees the same falls, disagrees now and then, or is a day apart."""
    for symbol in symbols:
        only = Ground({symbol: ground.bars[symbol]}, ground.random, taken=ground.taken)
        for rows, at in only.places("true −50 %, second vendor", count, ALL):
            _scaled(rows, at, 0.5, len(rows))
        other = ground.bars[symbol].assign(vendor=SECOND)
        for _, at in only.places("vendors disagree", count, ALL):
            _scaled(other, at, 1.05)
        ground.extra.append(other)
        ground.planted += only.planted
    late = ground.bars[apart].assign(vendor=SECOND)
    late[PRICES] = late[PRICES].shift(1)
    ground.extra.append(late.iloc[1:])
    ground.planted.append(("vendors a day apart", apart, None))


def refused(ground: Ground, count: int) -> None:
    """What no landing may let in."""
    changes: dict[str, Callable[[pd.DataFrame, int], dict[str, object]]] = {
        "price of zero": lambda rows, at: {"close": 0.0},
        "price below zero": lambda rows, at: {"close": -rows.loc[at, "close"]},
        "no number": lambda rows, at: {"close": np.nan},
        "negative volume": lambda rows, at: {"volume": -1.0},
    }
    for name, change in changes.items():
        for rows, at in ground.places(name, count, ALL):
            for column, value in change(rows, at).items():
                rows.loc[at, column] = value
    for rows, at in ground.places("high below low", count, ALL, ohlc=True):
        rows.loc[at, ["high", "low"]] = rows.loc[at, ["low", "high"]].to_numpy()
    for rows, at in ground.places("close outside the range", count, ALL, ohlc=True):
        rows.loc[at, "close"] = rows.loc[at, "high"] * 1.01
    for rows, at in ground.places("repeated", count, ALL):
        ground.beside(rows, at)
    for rows, at in ground.places("repeated with another value", count, ALL):
        ground.beside(rows, at, close=rows.loc[at, "close"] * (1.0001 if rows["open"].isna().all() else 1.0))
        if rows["open"].notna().all():
            ground.extra[-1]["volume"] *= 1.1
    for rows, at in ground.places("weekend bar", count, ("equity",)):
        day = pd.Timestamp(rows.loc[at, "date"])
        saturday = day + pd.Timedelta(days=5 - day.day_of_week)
        ground.beside(rows, at, date=saturday.date())
        ground.planted[-1] = (*ground.planted[-1][:2], saturday.date())
    for rows, at in ground.places("not closed yet", count, ALL):
        rows.loc[at, "recorded_at"] = pd.Timestamp(rows.loc[at, "date"]) + pd.Timedelta(hours=1)
    for rows, at in ground.places("labelled by its end", count, ("crypto",)):
        day = pd.Timestamp(rows.loc[at, "date"])
        rows.loc[at, ["opened_at", "closed_at"]] = [day - pd.Timedelta(days=1), day]


def long_holes(ground: Ground, symbols: tuple[str, ...]) -> None:
    """Seventy days without a bar. Goes first, because places are counted after it."""
    for symbol in symbols:
        rows = ground.bars[symbol]
        dates = pd.to_datetime(rows["date"])
        first = dates[len(rows) // 2]
        is_hole = (dates >= first) & (dates < first + pd.Timedelta(days=70))
        ground.planted.append(("hole of 70 days", symbol, first.date()))
        ground.bars[symbol] = rows[~is_hole].reset_index(drop=True)


def holes(ground: Ground, count: int) -> None:
    """Ten sessions without a bar. Goes last, because places are counted before it."""
    for rows, at in list(ground.places("hole of 10 sessions", count, ("equity", "fx"))):
        symbol = rows.loc[at, "symbol"]
        ground.bars[symbol] = ground.bars[symbol].drop(index=range(at, at + 10))


def planted(bars: pd.DataFrame, seed: int, count: int = 20) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars full of dirt, in no order, and its places: kind, symbol, date. `bars` are those of the sample."""
    columns = {"opened_at": pd.NaT, "closed_at": pd.NaT, "recorded_at": pd.NaT, "vendor": None}
    by_symbol = {
        str(symbol): rows.sort_values("date", ignore_index=True).assign(**columns)
        for symbol, rows in bars.groupby("symbol")
    }
    ground = Ground(by_symbol, np.random.default_rng(seed))
    long_holes(ground, ("PFE", "SGD-USD"))
    true_falls(ground, count)
    seen_by_two(ground, ("WMT", "BAC"), "GBP-USD", 3)
    standing_still(ground, count)
    hundredfold(ground, count, 1)
    hundredfold(ground, count, 5)
    for low, high in SIZES:
        ticks(ground, f"tick off by a factor of {low:g} to {high:g}", count, low, high)
    inverted(ground, count)
    wicks(ground, count)
    no_volume(ground, count)
    refused(ground, count)
    holes(ground, count)
    rows = pd.concat([*ground.bars.values(), *ground.extra])
    places = pd.DataFrame(ground.planted, columns=["kind", "symbol", "date"])
    return rows.sample(frac=1, random_state=seed), places
