"""Yahoo's chart: parallel arrays, stamped with the opening of each session, and a live element at the end."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from tests.vendors.history import Bar, made_up
from tests.vendors.server import Asked, Reply, Speak, as_json

SYMBOL, VENDOR_SYMBOL, ASSET_CLASS = "BRK.B", "BRK-B", "equity"
HISTORY = made_up(dt.date(2016, 1, 4), 1500, weekdays=True)
PAGES = 1
NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = dt.time(9, 30), dt.time(16)
NOT_FOUND = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
NAMES = ("open", "high", "low", "close", "volume")


def stamp(day: dt.date, wall: dt.time = OPENS, zone: ZoneInfo = NEW_YORK) -> int:
    """Seconds since 1970 of a time of day at the exchange."""
    return int(dt.datetime.combine(day, wall, zone).timestamp())


def chart(
    bars: Iterable[tuple[int | None, Sequence]],
    *,
    events: dict | None = None,
    zone: str = "America/New_York",
    **meta: object,
) -> dict:
    """A chart of (timestamp, (open, high, low, close, volume)); `adjclose` is of no use to anybody."""
    bars = list(bars)
    quote = {name: [values[place] for _, values in bars] for place, name in enumerate(NAMES)}
    result = {
        "meta": {
            "currency": "USD",
            "symbol": VENDOR_SYMBOL,
            "instrumentType": "EQUITY",
            "gmtoffset": -18000,
            "exchangeTimezoneName": zone,
            "dataGranularity": "1d",
            **meta,
        },
        "timestamp": [when for when, _ in bars],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": [1.0] * len(bars)}]},
    }
    return {"chart": {"result": [result | ({"events": events} if events else {})], "error": None}}


def of(bar: Bar) -> tuple[int, tuple]:
    """A bar as (timestamp, values), its volume a whole number."""
    return stamp(bar.session_date), (*bar[1:5], int(bar.volume))


EVENTS = {
    "dividends": {"1": {"amount": 0.24, "date": stamp(HISTORY[2].session_date)}},
    "splits": {
        "2": {
            "date": stamp(HISTORY[5].session_date),
            "numerator": 4,
            "denominator": 1,
            "splitRatio": "4:1",
        }
    },
}
GOOD = tuple(
    json.dumps(answer).encode()
    for answer in (
        chart(map(of, HISTORY[:8]), events=EVENTS, regularMarketTime=stamp(HISTORY[8].session_date)),
        chart(map(of, HISTORY[220:223])),
        chart([]),
    )
)


def rows_in(content: bytes) -> int:
    """The places of the arrays, and events that are none; 1 where there is no chart."""
    try:
        (result,) = json.loads(content)["chart"]["result"]
        assert json.loads(content)["chart"].get("error") is None
        ZoneInfo(result["meta"]["exchangeTimezoneName"])
        quotes = result["indicators"]["quote"]
        assert isinstance(result, dict)
        assert isinstance(result["meta"], dict)
        assert isinstance(quotes, list)
        assert all(isinstance(quote, dict) for quote in quotes[:1])
        told = [result.get("timestamp"), *(quotes[0].get(name) for name in NAMES if quotes)]
        assert all(array is None or isinstance(array, list) for array in told)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, OSError, AssertionError):
        return 1
    return max(len(array or []) for array in told) + _bad_events(result.get("events"))


def _bad_events(events: object) -> int:
    found = events if isinstance(events, dict) else {}
    numbers = {"dividends": ("amount",), "splits": ("numerator", "denominator")}
    kinds = ((names, found.get(kind)) for kind, names in numbers.items())
    return sum(
        not _is_event(event, names)
        for names, told in kinds
        if isinstance(told, dict)
        for event in told.values()
    )


def _is_event(event: object, names: Sequence[str]) -> bool:
    if not isinstance(event, dict) or type(event.get("date")) is not int:
        return False
    years = event["date"] / (365.2425 * 86400) + 1970
    values = [event.get(name) for name in names]
    return 1900 <= years < 2200 and all(map(_is_amount, values)) and 0 < _ratio(values) < float("inf")


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or (isinstance(value, str) and not NUMBER.fullmatch(value)):
        return False
    try:
        return 0 < float(value) < float("inf")
    except (TypeError, ValueError, OverflowError):
        return False


def _ratio(values: Sequence) -> float:
    return float(values[0]) / float(values[1]) if len(values) > 1 else 1.0


def speak(bars: list[Bar], now: dt.datetime) -> Speak:
    """Yahoo at `now`: sessions that have opened, and the live element after them, whatever was asked for."""

    def answer(asked: Asked) -> Reply:
        told = asked.params
        if not asked.headers.get("user-agent", "").startswith("Mozilla/"):
            return Reply(429, b"Edge: Too Many Requests", {"Content-Type": "text/plain"})
        if asked.path != f"/v8/finance/chart/{VENDOR_SYMBOL}" or told["interval"] != "1d":
            return as_json({"chart": {"result": None, "error": NOT_FOUND}}, 404)
        until, seconds = int(told["period2"]), int(now.replace(tzinfo=dt.UTC).timestamp())
        opened = [of(bar) for bar in bars if stamp(bar.session_date) <= seconds]
        found = [each for each in opened if int(told["period1"]) <= each[0] < until]
        traded_at = seconds - seconds % 60 + 2
        return as_json(chart([*found, (traded_at, opened[-1][1])], regularMarketTime=traded_at))

    return answer


def session(row: dict) -> dt.date:
    """The trading date of a parsed row."""
    assert row["opened_at"] is None
    return row["session_date"]


def values(bar: Bar) -> tuple:
    """What a parsed row must hold of a bar."""
    return of(bar)[1]
