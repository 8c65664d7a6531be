"""Assets that give a leak away: what an honest decision earns on them has mean zero, whatever it knows.

All trade around the clock from Monday to Friday, without holidays, so that every decision acts two sessions
after what it knows: it knows the bar of the day before and is filled in that of the day after. Between the
two lies one session of which it knows nothing. On a plain walk a leak of that one bar would earn nothing;
so the return of most canaries hangs on the very session that honest decisions have not seen.

Levels are drawn at random, up or down, and returns are the change between two of them: what goes up next is
what was seen low, for whoever has seen it. A small drift keeps the arithmetic mean, which is what a position
of fixed notional earns, at zero.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from flows.guards.canaries import Canary
from tests.worlds import trends
from tests.worlds.landed import Landed, land
from tests.worlds.walks import sessions, stream

VENUE = "FX"
SIZE = 0.02  # of a move, either way
CORRECTION = 0.06

NEXT = Canary("NEXT-USD", "looks_ahead", "its return turns round what the bar after the known one says")
FAR = Canary("FAR-USD", "looks_ahead", "its returns hang on nothing that came before")
OPEN = Canary("OPEN-USD", "unfinished_bar", "its return turns round what the bar still running will say")
LATE = Canary("LATE-USD", "event_time", "its return turns round what the bar not yet printed says")
RESTATED = Canary("RESTATED-USD", "restated_value", "only its corrections carry the sign of the return")
CANARIES = (NEXT, FAR, OPEN, LATE, RESTATED)

FIRST, LAST = dt.date(2014, 1, 1), dt.date(2015, 12, 31)
PANEL = {"equity": 2}
# Gates that let luck in, and no stops: the portfolio is to hold canaries too.
POLICY = """
extends: default
clock: free
plan: short
compared_plans: []
learners: [ridge]
gates: {minimum_trades: 5, maximum_drawdown: 0.9, minimum_dsr: 0, maximum_negative_share: 1}
limits: {asset_classes: {crypto: 1, equity: 1, fx: 1}}
stops: {drawdown: -0.9, daily_loss: -0.5, divergence: 100, volatility_surge: 100, correlation_surge: 1}
"""


def landed(folder: Path, world: str = "canaries") -> Landed:
    """All canaries and a small panel of trends over two years, landed and not yet computed."""
    panel = trends.panel(PANEL, FIRST, LAST)
    return land(folder, pd.concat([panel, bars(FIRST, LAST, world)]), POLICY, assets())


def bars(first: dt.date, last: dt.date, world: str = "canaries") -> pd.DataFrame:
    """The bars of all canaries as a file brings them, with known_at and recorded_at where these matter.

    Each canary draws from a stream of its own, named by `world` and its symbol.
    """
    days = pd.Series(pd.to_datetime(sessions(VENUE, first, last)), name="date")
    parts = [
        draw(days, stream(world, canary.symbol)).assign(symbol=canary.symbol)
        for canary, draw in DRAWS.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(asset_class="fx")


def assets() -> pd.DataFrame:
    """The canaries as a file of assets: their venue is what makes them what they are."""
    about = {"asset_class": "fx", "venue": VENUE, "currency": "USD"}
    return pd.DataFrame([{"symbol": canary.symbol} | about for canary in CANARIES])


def _next(days: pd.Series, random: np.random.Generator) -> pd.DataFrame:
    """Closes only: filled at a close, a decision acts three sessions after what it knows, not two.

    So the return turns round the level of two sessions before it starts, the first that is not known.
    """
    return pd.DataFrame({"date": days, "close": _turning(random, len(days), after=2)})


def _far(days: pd.Series, random: np.random.Generator) -> pd.DataFrame:
    """A walk: only who has seen its return, or a label made of it, knows it."""
    steps = SIZE * _signs(random, len(days)) - np.log(np.cosh(SIZE))
    return _ohlc(days, np.exp(np.cumsum(steps)))


def _open(days: pd.Series, random: np.random.Generator) -> pd.DataFrame:
    """Opens at the close before, and the session takes it to a new level, from which the next one turns.

    Who takes the day's bar as known when it opens has seen the level from which the return starts; who is
    filled at the day's open, before the decision, starts from the level that the last known bar shows.
    """
    return _ohlc(days, _turning(random, len(days), after=1))


def _late(days: pd.Series, random: np.random.Generator) -> pd.DataFrame:
    """Printed on the next weekday at 15:00, an hour after the decision, and in time for fills to count.

    The return turns round the level of the session that is over but not printed yet.
    """
    told = _ohlc(days, _turning(random, len(days), after=2))
    next_day = days.shift(-1).fillna(days.iloc[-1] + pd.Timedelta(days=3))
    return told.assign(known_at=next_day + pd.Timedelta(hours=15))


def _restated(days: pd.Series, random: np.random.Generator) -> pd.DataFrame:
    """A walk whose closes are off by a random error, and corrected on Friday of the week after.

    The corrected close is off in the direction of the session two later, which is over by then, but was to
    come when the close was first printed. Opens are never off: what a fill earns is the walk alone.
    """
    signs = _signs(random, len(days) + 2)
    told = _ohlc(days, np.exp(np.cumsum(SIZE * signs - np.log(np.cosh(SIZE))))[:-2])
    printed = _close_off(told, CORRECTION * _signs(random, len(days)))
    corrected = _close_off(told, CORRECTION * signs[2:])
    friday = days + pd.to_timedelta(11 - days.dt.weekday, unit="D")
    return pd.concat(
        [
            printed.assign(recorded_at=days + pd.Timedelta(hours=23)),
            corrected.assign(recorded_at=friday + pd.Timedelta(hours=12)),
        ]
    )


DRAWS: dict[Canary, Callable[[pd.Series, np.random.Generator], pd.DataFrame]] = {
    NEXT: _next,
    FAR: _far,
    OPEN: _open,
    LATE: _late,
    RESTATED: _restated,
}


def _turning(random: np.random.Generator, length: int, after: int) -> np.ndarray:
    """Closes whose log is the sum of the last `after` levels drawn.

    So a return is the newest level less the one drawn `after` sessions before it: nothing else of the past
    has a part in it. The mean of exp(return) is cosh(SIZE)², which the drift takes back.
    """
    drawn = np.cumsum(SIZE * _signs(random, length + after))
    return np.exp(drawn[after:] - drawn[:-after] - 2 * np.log(np.cosh(SIZE)) * np.arange(length))


def _signs(random: np.random.Generator, length: int) -> np.ndarray:
    return random.choice([-1.0, 1.0], size=length)


def _ohlc(days: pd.Series, close: np.ndarray) -> pd.DataFrame:
    """Each session opens where the last one closed."""
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    return pd.DataFrame({"date": days, "open": opened, "high": high, "low": low, "close": close})


def _close_off(told: pd.DataFrame, error: np.ndarray) -> pd.DataFrame:
    close = told["close"] * np.exp(error)
    return told.assign(close=close, high=told["open"].clip(lower=close), low=told["open"].clip(upper=close))
