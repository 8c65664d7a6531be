"""What a loopback vendor has to tell: made-up daily bars, the same for the same seed."""

import datetime as dt
import random
from typing import NamedTuple

DAY = dt.timedelta(days=1)


class Bar(NamedTuple):
    """One session; `session_date` is the trading date, and each shape says where its day begins."""

    session_date: dt.date
    open: float
    high: float
    low: float
    close: float
    volume: float


def made_up(first: dt.date, count: int, *, weekdays: bool = False, seed: int = 4) -> list[Bar]:
    """`count` bars from `first` on, two decimals, high and low around open and close."""
    chance, price, day, bars = random.Random(seed), 100.0, first, []
    while len(bars) < count:
        if not (weekdays and day.weekday() >= 5):
            opened, price = price, round(max(price * (1 + chance.gauss(0, 0.02)), 1), 2)
            high = round(max(opened, price) + chance.random(), 2)
            low = round(min(opened, price) - chance.random() / 2, 2)
            bars.append(Bar(day, opened, high, low, price, round(chance.uniform(1, 1000), 2)))
        day += DAY
    return bars
