"""A market that switches between calm, mixed and storm at known times, with an edge planted in it or none.

A mood lasts months and is the same for all assets, which move together the more the rougher it is. Planted,
the calm pays and nothing else does; else E[price] stays where it is in every mood, and what is left is
volatility that comes in clusters, which no strategy may take for an edge.
"""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from tests.worlds.walks import IN_SESSION, OVERNIGHT, VENUES, priced, sessions, stream, symbols

SHORTEST = 30  # days that a mood lasts at least


class Mood(NamedTuple):
    """Its name as detectors have it, the days it lasts on average, deviations against a walk's, that of the
    market, and the drift a session."""

    regime: str
    length: float
    scale: float
    market: float
    drift: float


MOODS = (
    Mood("risk_on", 150, 0.6, 0.003, 0.003),
    Mood("neutral", 90, 0.9, 0.006, 0.0),
    Mood("risk_off", 60, 1.5, 0.010, 0.0),
)


class World(NamedTuple):
    """Bars in the shape of a bars file, and the mood of each session by its name, indexed by date."""

    bars: pd.DataFrame
    truth: pd.Series


class Agreement(NamedTuple):
    """Balanced accuracy; days from a true switch to the first day it is seen (median over moods, those never
    seen counted in full); and flips a year, detected and true."""

    balanced_accuracy: float
    delay: float
    flips_per_year: float
    true_flips_per_year: float


def agreement(detected: pd.Series, moods: pd.Series) -> Agreement:
    """How far detected regimes, indexed by instant, agree with the moods of their days."""
    true = moods.reindex(detected.index.normalize())
    seen = detected.to_numpy() == true.to_numpy()
    spell = (true != true.shift()).cumsum().to_numpy()
    accuracy = pd.Series(seen).groupby(true.to_numpy()).mean()
    delays = [_first(seen[spell == number]) for number in np.unique(spell)[1:]]
    years = (detected.index[-1] - detected.index[0]).days / 365.25
    flips = (detected != detected.shift()).sum() - 1
    return Agreement(accuracy.mean(), float(np.median(delays)), flips / years, (spell[-1] - 1) / years)


def _first(seen: np.ndarray) -> int:
    return int(np.argmax(seen)) if seen.any() else len(seen)


def truth(first: dt.date, last: dt.date) -> pd.Series:
    """The mood of each day by its name, indexed by date."""
    days = pd.date_range(first, last)
    names = [MOODS[at].regime for at in _switching(stream("moods", "switches"), len(days))]
    return pd.Series(names, index=days, name="regime")


def market(number: int, decisions: int, *, assets: int) -> tuple[pd.Series, pd.Series]:
    """Equal-weighted returns of so many assets without an edge, a decision a day, and the mood of each; as
    many markets as there are numbers."""
    days = pd.date_range(dt.date(2014, 1, 1), periods=decisions)
    moods = _switching(stream("moods", "switches", str(number)), decisions)
    deviations = market_deviations(assets)[moods]
    returns = deviations * stream("moods", "market", str(number)).standard_normal(decisions)
    return pd.Series(returns, index=days), pd.Series([MOODS[at].regime for at in moods], index=days)


def market_deviations(assets: int) -> np.ndarray:
    """Of a session's equal-weighted return in each mood: that of the market, and of what assets do alone."""
    alone = (OVERNIGHT**2 + IN_SESSION**2) / assets
    return np.sqrt([mood.market**2 + mood.scale**2 * alone for mood in MOODS])


def draw(counts: Mapping[str, int], first: dt.date, last: dt.date, *, has_edge: bool) -> World:
    """Assets of the classes counted; sessions of every venue take the mood of the day, and its market."""
    regimes = truth(first, last)
    mood_of = {mood.regime: mood for mood in MOODS}
    market = regimes.map({name: mood.market for name, mood in mood_of.items()})
    common = market * stream("moods", "market").standard_normal(len(market)) - market**2 / 2
    parts = []
    for symbol, asset_class in symbols(counts).items():
        dates = sessions(VENUES[asset_class], first, last)
        days = pd.DatetimeIndex(dates)
        moods = [mood_of[name] for name in regimes.loc[days]]
        drift = np.array([mood.drift if has_edge else 0.0 for mood in moods])
        scale = np.array([mood.scale for mood in moods])
        of_days = common.loc[days].to_numpy()
        parts.append(priced(symbol, asset_class, dates, drift, scale, stream("moods", symbol), of_days))
    return World(pd.concat(parts, ignore_index=True), regimes)


def _switching(random: np.random.Generator, length: int) -> np.ndarray:
    """Number of the mood of each day; each is followed by one of the others."""
    moods: list[int] = []
    mood = 0
    while len(moods) < length:
        moods += [mood] * (SHORTEST + int(random.exponential(MOODS[mood].length - SHORTEST)))
        mood = (mood + int(random.integers(1, len(MOODS)))) % len(MOODS)
    return np.array(moods[:length])
