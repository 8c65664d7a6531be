"""Binance's klines: ascending pages of at most 1,000, the open candle last, errors with a code."""

import datetime as dt
import json

from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Asked, Reply, Speak, as_json

SYMBOL, VENDOR_SYMBOL, ASSET_CLASS = "BTC-USDT", "BTCUSDT", "crypto"
HISTORY = made_up(dt.date(2020, 1, 1), 2300)
PAGES = 3
DEFAULT_LIMIT, MAX_LIMIT = 500, 1000
EPOCH = dt.date(1970, 1, 1)
DAY_IN_MILLI = 86_400_000


def candle(bar: Bar, opened: int) -> list:
    """A kline of the day that opens at `opened`, in milliseconds since 1970; prices have eight decimals."""
    prices = [f"{value:.8f}" for value in bar[1:6]]
    return [opened, *prices, opened + DAY_IN_MILLI - 1, "2434.19055334", 308, "1756.874", "28.4669", "0"]


GOOD = tuple(
    json.dumps([candle(bar, (bar.session_date - EPOCH).days * DAY_IN_MILLI) for bar in bars]).encode()
    for bars in (HISTORY[:8], HISTORY[1200:1203], [])
)


def rows_in(content: bytes) -> int:
    """The elements of the array; 1 for anything else."""
    try:
        page = json.loads(content)
    except (ValueError, RecursionError):
        return 1
    return len(page) if isinstance(page, list) else 1


def speak(bars: list[Bar], now: dt.datetime) -> Speak:
    """Binance at `now`: candles that have opened by then. `timeZone` moves their day, as it really does."""

    def answer(asked: Asked) -> Reply:
        told = asked.params
        if asked.path != "/api/v3/klines":
            return Reply(404, b"<html>nothing here</html>")
        if told.get("symbol") != VENDOR_SYMBOL:
            return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
        if told.get("interval") != "1d":
            return as_json({"code": -1120, "msg": "Invalid interval."}, 400)
        limit = int(told.get("limit", DEFAULT_LIMIT))
        if not 0 < limit <= MAX_LIMIT:
            return as_json({"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."}, 400)
        shift = int(told.get("timeZone", 0)) * 3_600_000
        start, end = int(told.get("startTime", 0)), int(told.get("endTime", 2**53))
        rows = [
            candle(bar, (bar.session_date - EPOCH).days * DAY_IN_MILLI - shift)
            for bar in bars
            if dt.datetime.combine(bar.session_date, dt.time()) <= now
        ]
        page = [row for row in rows if start <= row[0] <= end]
        page = page[:limit] if "startTime" in told else page[-limit:]
        return as_json(page, headers={"X-MBX-USED-WEIGHT-1M": "2"})

    return answer


def session(row: dict) -> dt.date:
    """The trading date of a parsed row: the UTC day that it is."""
    assert row["closed_at"] - row["opened_at"] == DAY
    return row["opened_at"].date()


def values(bar: Bar) -> tuple:
    """What a parsed row must hold of a bar."""
    return tuple(bar[1:])
