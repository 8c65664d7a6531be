"""A market that switches between calm, mixed and storm at known times, with an edge planted in it or none.

The mood lasts months and is the same for all assets, which move together in a storm. Planted, prices drift
up in the calm and down in the storm; else E[price] stays where it is in every mood, and what is left is
volatility that comes in clusters, which no strategy may take for an edge.
"""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from tests.worlds.walks import VENUES, priced, sessions, stream, symbols

SHORTEST, MEAN_LENGTH = 30, 90  # sessions that a mood lasts: at least, and on average


class Mood(NamedTuple):
    """Its name as detectors have it, deviations against a walk's, that of the market, drift a session."""

    regime: str
    scale: float
    market: float
    drift: float


MOODS = (
    Mood("risk_on", 0.6, 0.004, 0.0015),
    Mood("neutral", 0.9, 0.008, 0.0),
    Mood("risk_off", 1.5, 0.018, -0.0030),
)


class World(NamedTuple):
    """Bars in the shape of a bars file, and the mood of each session by its name, indexed by date."""

    bars: pd.DataFrame
    truth: pd.Series


def draw(counts: Mapping[str, int], first: dt.date, last: dt.date, *, has_edge: bool) -> World:
    """Assets on one calendar of moods; sessions of every venue take the mood of the day."""
    days = pd.date_range(first, last)
    number = _switching(stream("moods", "switches"), len(days))
    shock = stream("moods", "market").standard_normal(len(days))
    market = np.array([mood.market for mood in MOODS])[number]
    common = pd.Series(market * shock - market**2 / 2, index=days)
    parts = []
    for symbol, asset_class in symbols(counts).items():
        dates = sessions(VENUES[asset_class], first, last)
        moods = [MOODS[at] for at in pd.Series(number, index=days).loc[pd.DatetimeIndex(dates)]]
        drift = np.array([mood.drift if has_edge else 0.0 for mood in moods])
        scale = np.array([mood.scale for mood in moods])
        of_day = common.loc[pd.DatetimeIndex(dates)].to_numpy()
        parts.append(priced(symbol, asset_class, dates, drift, scale, stream("moods", symbol), of_day))
    truth = pd.Series([MOODS[at].regime for at in number], index=days, name="regime")
    return World(pd.concat(parts, ignore_index=True), truth)


def _switching(random: np.random.Generator, length: int) -> np.ndarray:
    """Number of the mood of each day; each is followed by one of the others."""
    moods: list[int] = []
    mood = 0
    while len(moods) < length:
        moods += [mood] * (SHORTEST + int(random.exponential(MEAN_LENGTH - SHORTEST)))
        mood = (mood + int(random.integers(1, len(MOODS)))) % len(MOODS)
    return np.array(moods[:length])
