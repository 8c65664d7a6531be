"""A planted momentum: assets that go up for weeks and stand still for weeks, each in its own time."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tests.worlds.walks import VENUES, priced, sessions, stream, symbols

PERSISTENCE, DRIFT = 0.98, 0.004  # a month's half-life, 0.3 deviations a session


def panel(counts: Mapping[str, int], first: dt.date, last: dt.date, fall: float = 0.0) -> pd.DataFrame:
    """Such assets in the shape of a bars file; where they would stand still they lose `fall` a session."""
    parts = []
    for symbol, asset_class in symbols(counts).items():
        days = sessions(VENUES[asset_class], first, last)
        random = stream("trends", symbol)
        drift = np.where(_mood(random, len(days)) > 0, DRIFT, -fall)
        parts.append(priced(symbol, asset_class, days, drift, 1.0, random))
    return pd.concat(parts, ignore_index=True)


def _mood(random: np.random.Generator, length: int) -> np.ndarray:
    mood = random.standard_normal(length)
    for day in range(1, length):
        mood[day] = PERSISTENCE * mood[day - 1] + np.sqrt(1 - PERSISTENCE**2) * mood[day]
    return mood
