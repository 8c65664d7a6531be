"""Bars of eight assets over two years, drawn from a seed: trends that can be traded, and events to cut at."""

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from python_steps.study import SEEDS

FIRST = dt.date(2016, 1, 4)
SEED = 20160104


class Kind(NamedTuple):
    """What an asset is: annual volatility and drift are drawn with, has_ohlcv says what its feed brings."""

    asset_class: str
    venue: str
    currency: str
    price: float
    volatility: float
    drift: float
    has_ohlcv: bool


ASSETS = {
    "AAA": Kind("equity", "XNYS", "USD", 100.0, 0.12, 0.30, True),
    "BBB": Kind("equity", "XNYS", "NOK", 340.0, 0.14, 0.25, False),
    "CCC": Kind("equity", "XNYS", "USD", 25.0, 0.12, 0.30, False),
    "EUR-USD": Kind("fx", "ECB", "USD", 1.1, 0.06, 0.05, False),
    "KKK-USD": Kind("crypto", "CRYPTO", "USD", 400.0, 0.35, 0.90, True),
    "EUR-NOK": Kind("fx", "FX", "NOK", 9.2, 0.06, 0.05, False),
    "MMM-USD": Kind("crypto", "CRYPTO", "USD", 1.0, 0.45, 0.50, True),
    "USD-JPY": Kind("fx", "FX", "JPY", 110.0, 0.07, 0.08, True),
}


def sessions() -> dict[str, list[dt.date]]:
    """Session dates of each venue, in order, from the seed."""
    found: dict[str, list[dt.date]] = {}
    with (SEEDS / "sessions.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["venue"], []).append(dt.date.fromisoformat(row["session_date"]))
    return {venue: sorted(days) for venue, days in found.items()}


def draw(until: dt.date) -> pd.DataFrame:
    """First prints of every asset, session by session, up to a day: the same seed, the same bars.

    A longer history begins with the shorter one: each asset draws from a stream of its own, in order.
    """
    venues = sessions()
    parts = [
        _bars(symbol, kind, (day for day in venues[kind.venue] if FIRST <= day <= until), number)
        for number, (symbol, kind) in enumerate(ASSETS.items())
    ]
    return pd.concat(parts, ignore_index=True)


def _bars(symbol: str, kind: Kind, days: Iterable[dt.date], number: int) -> pd.DataFrame:
    dates = list(days)
    closes, opens, highs, lows, volumes = zip(*_walk(kind, len(dates), number), strict=True)
    bars = pd.DataFrame(
        {
            "symbol": symbol,
            "asset_class": kind.asset_class,
            "date": dates,
            "close": closes,
            "open": opens,
            "high": highs,
            "low": lows,
            "volume": volumes,
        }
    )
    if not kind.has_ohlcv:
        bars[["open", "high", "low", "volume"]] = np.nan
    return bars


def _walk(kind: Kind, length: int, number: int) -> Iterator[tuple[float, float, float, float, float]]:
    random = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(number,)))
    daily, close, trend = kind.volatility / np.sqrt(252), kind.price, 1.0
    for _ in range(length):
        turns, overnight, session, width, size = random.normal(size=5)
        if abs(turns) > 2.4:  # one session in sixty
            trend = -trend if trend > 0 else 1.0
        begin = close * np.exp(0.3 * daily * overnight)
        close = begin * np.exp((kind.drift / 252) * (2.5 * trend - 0.5) + daily * session)
        high, low = max(begin, close), min(begin, close)
        yield (
            close,
            begin,
            high * np.exp(0.2 * daily * abs(width)),
            low * np.exp(-0.2 * daily * abs(width)),
            np.exp(10 + size),
        )
