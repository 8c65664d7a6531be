"""Random walks without drift in the arithmetic mean, on the calendars of their classes; and what other
worlds are made of: streams by name, and bars from a drift and a volatility for each session.

E[price] stays where it is, which is the mean that a position of fixed notional earns. Without drift in the
log mean, every long strategy would earn half the variance.
"""

import datetime as dt
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from tests.worlds import bars

SEED = 20140101  # that of the policies; not chosen for what it gives
VENUES = {"crypto": "CRYPTO", "equity": "XNYS", "fx": "FX"}
OVERNIGHT, IN_SESSION = 0.006, 0.012  # deviations, about those of a stock
RANGE = 0.003  # by which high and low stand out


def stream(*names: str) -> np.random.Generator:
    """Random numbers of one name; those of another change none of them."""
    return np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=tuple("/".join(names).encode())))


def sessions(venue: str, first: dt.date, last: dt.date) -> list[dt.date]:
    """Session dates of a venue, both ends included."""
    return [day for day in bars.sessions()[venue] if first <= day <= last]


def symbols(counts: Mapping[str, int]) -> dict[str, str]:
    """So many assets of each class, as symbol and class."""
    return {f"{name.upper()}{number:02d}": name for name, count in counts.items() for number in range(count)}


def panel(counts: Mapping[str, int], first: dt.date, last: dt.date, world: str = "walks") -> pd.DataFrame:
    """Independent walks, each with a seed of its own, in the shape of a bars file."""
    parts = []
    for symbol, asset_class in symbols(counts).items():
        days = sessions(VENUES[asset_class], first, last)
        parts.append(priced(symbol, asset_class, days, np.zeros(len(days)), 1.0, stream(world, symbol)))
    return pd.concat(parts, ignore_index=True)


def priced(
    symbol: str,
    asset_class: str,
    days: Iterable[dt.date],
    drift: np.ndarray,
    scale: np.ndarray | float,
    random: np.random.Generator,
    common: np.ndarray | float = 0.0,
) -> pd.DataFrame:
    """Open, high, low and close of one asset.

    `drift` is the log of the growth of E[price] in each session, `scale` multiplies the deviations, and
    `common` is a log return that others have too, of the session itself.
    """
    dates = list(days)
    overnight, in_session, above, below = random.standard_normal((4, len(dates)))
    overnight = OVERNIGHT * scale * overnight - (OVERNIGHT * scale) ** 2 / 2
    in_session = IN_SESSION * scale * in_session - (IN_SESSION * scale) ** 2 / 2 + common
    close = 50 * np.exp(np.cumsum(overnight + in_session + drift))
    opened = close * np.exp(-in_session)
    return pd.DataFrame(
        {
            "symbol": symbol,
            "date": dates,
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(RANGE * np.abs(above)),
            "low": np.minimum(opened, close) * np.exp(-RANGE * np.abs(below)),
            "close": close,
            "asset_class": asset_class,
        }
    )
