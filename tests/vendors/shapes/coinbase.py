"""Coinbase Exchange: newest first, at most 300 candles by start and end, empty windows before listing."""

import datetime as dt
import json
import re

from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Asked, Reply, Speak, as_json

SYMBOL, VENDOR_SYMBOL, ASSET_CLASS = "BTC-USD", "BTC-USD", "crypto"
HISTORY = made_up(dt.date(2022, 1, 1), 750, seed=5)
PAGES = 3
MAX_CANDLES = 300
DEFAULT_CANDLES = 350  # told to one who gives no span
GRANULARITIES = {"60", "300", "900", "3600", "21600", "86400"}
TOO_MANY = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
EPOCH = dt.date(1970, 1, 1)


def candle(bar: Bar) -> list:
    """[time, low, high, open, close, volume]."""
    opened = (bar.session_date - EPOCH).days * 86_400
    return [opened, bar.low, bar.high, bar.open, bar.close, bar.volume]


GOOD = tuple(
    json.dumps([candle(bar) for bar in reversed(bars)]).encode()
    for bars in (HISTORY[:8], HISTORY[500:503], [])
)


def rows_in(content: bytes) -> int:
    """The elements of the array; 1 for anything else."""
    try:
        page = json.loads(content)
    except (ValueError, RecursionError):
        return 1
    return len(page) if isinstance(page, list) else 1


def speak(bars: list[Bar], now: dt.datetime) -> Speak:
    """Coinbase at `now`. It counts both ends of a span, and tells a candle before its start too."""

    def answer(asked: Asked) -> Reply:
        product = re.fullmatch(r"/products/([^/]+)/candles", asked.path)
        if not product or product[1] != VENDOR_SYMBOL:
            return as_json({"message": "NotFound"}, 404)
        told = asked.params
        if told.get("granularity") not in GRANULARITIES:
            return as_json({"message": "Unsupported granularity"}, 400)
        opened = [bar for bar in bars if dt.datetime.combine(bar.session_date, dt.time()) <= now]
        if not {"start", "end"} <= told.keys():
            return as_json([candle(bar) for bar in reversed(opened[-DEFAULT_CANDLES:])])
        start, end = (dt.datetime.fromisoformat(told[name]).date() for name in ("start", "end"))
        if (end - start).days >= MAX_CANDLES:
            return as_json({"message": TOO_MANY}, 400)
        page = [bar for bar in opened if start - DAY <= bar.session_date <= end]
        return as_json([candle(bar) for bar in reversed(page)])

    return answer


def session(row: dict) -> dt.date:
    """The trading date of a parsed row: the UTC day that it is."""
    assert row["closed_at"] - row["opened_at"] == DAY
    return row["opened_at"].date()


def values(bar: Bar) -> tuple:
    """What a parsed row must hold of a bar."""
    return tuple(bar[1:])
