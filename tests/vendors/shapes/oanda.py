"""OANDA's candles: stamped with their start at 17:00 New York, the last one not complete, errors with 400."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Asked, Reply, Speak, as_json

SYMBOL, VENDOR_SYMBOL, ASSET_CLASS = "EUR-USD", "EUR_USD", "fx"
HISTORY = made_up(dt.date(2002, 5, 6), 6000, weekdays=True)
PAGES = 3
MAX_COUNT = 5000
NEW_YORK = ZoneInfo("America/New_York")


def starts_at(bar: Bar, hour: int = 17, zone: ZoneInfo = NEW_YORK) -> dt.datetime:
    """Naive UTC of the start of a day that is aligned to `hour` in `zone`."""
    before = bar.session_date - DAY if hour >= 12 else bar.session_date
    start = dt.datetime.combine(before, dt.time(hour), zone)
    return start.astimezone(dt.UTC).replace(tzinfo=None)


def candle(bar: Bar, start: dt.datetime, *, is_complete: bool = True) -> dict:
    """A candle of mid prices, all texts with five decimals."""
    mid = {name: f"{value:.5f}" for name, value in zip("ohlc", bar[1:5], strict=True)}
    time = f"{start:%Y-%m-%dT%H:%M:%S}.000000000Z"
    return {"complete": is_complete, "volume": int(bar.volume), "time": time, "mid": mid}


def answer_of(candles: list[dict]) -> dict:
    """An answer with these candles."""
    return {"instrument": VENDOR_SYMBOL, "granularity": "D", "candles": candles}


GOOD = tuple(
    json.dumps(answer_of(candles)).encode()
    for candles in (
        [candle(bar, starts_at(bar)) for bar in HISTORY[:8]],
        [candle(bar, starts_at(bar)) for bar in HISTORY[220:223]],
        [],
    )
)


def rows_in(content: bytes) -> int:
    """The candles; 1 where there are none of a day."""
    try:
        body = json.loads(content)
        assert body["granularity"] == "D"
        assert isinstance(body["candles"], list)
    except (ValueError, RecursionError, LookupError, TypeError, AssertionError):
        return 1
    return len(body["candles"])


def speak(bars: list[Bar], now: dt.datetime, *, is_end_in: bool = True) -> Speak:
    """OANDA at `now`; whether a candle that starts at `to` is told is stated nowhere."""

    def answer(asked: Asked) -> Reply:
        told = asked.params
        if asked.headers.get("authorization", "") in ("", "Bearer ", "Bearer None", "Bearer wrong"):
            return _error("Insufficient authorization to perform request.", 401)
        if asked.path != f"/v3/instruments/{VENDOR_SYMBOL}/candles":
            return _error("Invalid value specified for 'instrument'")
        since, until = (dt.datetime.fromisoformat(told[end]).replace(tzinfo=None) for end in ("from", "to"))
        if until > now:
            return _error("Invalid value specified for 'to'. Time is in the future")
        if (until - since) / DAY > MAX_COUNT or "count" in told:
            return _error("Maximum value for 'count' exceeded")
        alignment = (
            int(told.get("dailyAlignment", 17)),
            ZoneInfo(told.get("alignmentTimezone", NEW_YORK.key)),
        )
        days = [(bar, starts_at(bar, *alignment)) for bar in bars]
        found = [
            candle(bar, start, is_complete=start + DAY <= now)
            for bar, start in days
            if start <= now and since < start + DAY and (start < until or (is_end_in and start == until))
            # The candle that covers `from`, unless the client has it.
            if start > since or told.get("includeFirst", "True") == "True"
        ]
        return as_json(answer_of(found))

    return answer


def _error(message: str, status: int = 400) -> Reply:
    return as_json({"errorMessage": message}, status)


def session(row: dict) -> dt.date:
    """The trading date of a parsed row."""
    return row["session_date"]


def values(bar: Bar) -> tuple:
    """What a parsed row must hold of a bar; prices counted are no volume."""
    return (*(float(f"{value:.5f}") for value in bar[1:5]), None)
