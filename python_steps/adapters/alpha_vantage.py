"""Alpha Vantage: daily bars of stocks, raw (splits jump), and of currencies, by UTC days. Needs a key.

Its errors come with HTTP 200 and are told apart by their text. A free key has 25 requests a day and sees the
last 100 days; more is premium. It may echo the key in what it says: `vendor_http` scrubs every answer before
anything reads it, so no payload that is kept holds the key.
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from python_steps.adapters._reading import (
    DAY,
    Malformed,
    Reading,
    instant,
    json_or_again,
    number,
    read_json,
    shown,
    since_epoch,
)
from python_steps.adapters._zones import instant_at, zone_named
from python_steps.payloads import ParsedPayload, VendorError, VendorPayload, VendorRequest
from python_steps.vendor_http import Answer, Rate, TryAgain, VendorHttp, quoted

BASE_URL = "https://www.alphavantage.co"
# It asks for one request a second of a free key. The 25 a day are no pace: the 26th is refused, by its text.
RATE = Rate(1, 1.5)
ASSET_CLASSES = ("equity", "fx")
KEY = True

COMPACT_ROWS = 100
PAIR = re.compile(r"([A-Z]{3})[/_-]?([A-Z]{3})")
PRICES = ("open", "high", "low", "close")
STOCKS_CLOSE = dt.time(16)
# In this order: nearly every text advertises premium plans, and the hurry's names the daily limit too.
SAYINGS = (
    ("hurry", re.compile(r"sparingly|per (second|minute)", re.I), "asked too fast"),
    (
        "premium",
        re.compile(r"is a premium (feature|endpoint|function)", re.I),
        "a free key sees the last 100 days: ask for less, or use a premium key",
    ),
    (
        "limit",
        re.compile(r"(requests|calls) per day|rate limit", re.I),
        "the day's requests are used up: go on tomorrow, or use a premium key",
    ),
    (
        "key",
        re.compile(r"apikey is invalid or missing|\*\*demo\*\*", re.I),
        "expected a valid key in PORTFOLIO_ALPHA_VANTAGE_KEY",
    ),
    (
        "symbol",
        re.compile(r"invalid api call", re.I),
        "expected a symbol as Alpha Vantage writes it, such as IBM or EUR/USD",
    ),
)
UNKNOWN = ("unknown", "expected a daily series")
NOTHING = ("nothing", "it knows no such symbol, or has nothing to say today; expected a daily series")
A_MINUTE = 60.0


class Premium(VendorError):
    """What was asked for is not for a free key."""


class Members(list[tuple[str, Any]]):
    """A JSON object as its members in their order, because a day may stand twice."""


def fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]:
    """The last 100 days, or all: there are no pages.

    A free key is refused all: it gets its 100 days, and then the VendorError that says so.
    """
    if _weekdays(request.from_date, request.as_of.date()) < COMPACT_ROWS - 5:
        answer = _ask(request, http, "compact")
        yield http.payload(request, answer)
        if not _reaches(answer, request.from_date):
            yield http.payload(request, _ask(request, http, "full"))
        return
    try:
        yield http.payload(request, _ask(request, http, "full"))
    except Premium:
        yield http.payload(request, _ask(request, http, "compact"))
        raise


def parse(payload: VendorPayload) -> ParsedPayload:
    """Stocks by trading date; currencies by instants, since their day is one of UTC, closing hours after the
    17:00 of New York that ends a session.

    Refused as `unclosed`: the row of the day in which the series was refreshed, if that was before its close.
    """
    reading = Reading(payload)
    try:
        series, is_fx, told = _series(read_json(payload.content, Members))
        zone = zone_named(told.get("Time Zone")) if is_fx else None
        refreshed = _refreshed(told.get("Last Refreshed"))
    except Malformed as error:
        reading.unreadable(error)
        return reading.parsed()

    def bar(member: tuple[str, Any]) -> dict[str, Any]:
        day, values = _day(member[0]), _named(member[1])
        closes = (
            dt.datetime.combine(day + DAY, dt.time()) if is_fx else dt.datetime.combine(day, STOCKS_CLOSE)
        )
        if refreshed and day <= refreshed.date() and refreshed < closes:
            raise Malformed(f"refreshed at {refreshed}; expected {closes} or later", "unclosed", day)
        if missing := [name for name in PRICES if values.get(name) is None]:
            raise Malformed(f"no {', '.join(missing)}; expected prices", "missing_value", day)
        prices = {name: number(values[name]) for name in PRICES}
        if zone is None:
            return {"session_date": day, **prices, "volume": _volume(values)}
        opened = dt.datetime.combine(day, dt.time())
        return {"opened_at": instant_at(opened, zone), "closed_at": instant_at(opened + DAY, zone), **prices}

    for member in series:
        reading.row(member, bar)
    return reading.parsed()


def _ask(request: VendorRequest, http: VendorHttp, size: str) -> Answer:
    """The answer, which holds a series; raises VendorError, and Premium where only that is in the way."""
    params = {**_function(request), "outputsize": size, "datatype": "json"}
    answer = http.get("/query", params, hidden={"apikey": http.key or ""}, check=_check)
    try:
        if answer.status == 200:
            _series(read_json(answer.content, Members))
            return answer
    except Malformed:
        pass
    kind, remedy = _kind(answer)
    refusal = http.refusal(request, answer, answer.content, remedy)
    raise Premium(*refusal.args) if kind == "premium" else refusal


def _function(request: VendorRequest) -> dict[str, str]:
    if request.asset_class != "fx":
        return {"function": "TIME_SERIES_DAILY", "symbol": request.vendor_symbol}
    if pair := PAIR.fullmatch(request.vendor_symbol):
        return {"function": "FX_DAILY", "from_symbol": pair[1], "to_symbol": pair[2]}
    raise VendorError(
        f"alpha_vantage: {request.symbol} (as {quoted(request.vendor_symbol)});"
        " expected a pair such as EUR/USD or EURUSD"
    )


def _check(answer: Answer) -> None:
    """What passes within a minute is asked again; a day's limit, a key or a symbol does not pass."""
    json_or_again(answer)
    if answer.status == 200 and _kind(answer)[0] == "hurry":
        is_minute = b"per minute" in answer.content
        raise TryAgain(f"HTTP 200, {quoted(answer.content)}", A_MINUTE if is_minute else None)


def _kind(answer: Answer) -> tuple[str, str]:
    """What kind of error an answer without a series is, and what to do about it."""
    body = read_json(answer.content) if answer.status == 200 else None
    if body == {}:
        return NOTHING
    if not isinstance(body, dict) or any(name.startswith("Time Series") for name in body):
        return UNKNOWN
    said = " ".join(str(text) for text in body.values())
    return next(((kind, remedy) for kind, text, remedy in SAYINGS if text.search(said)), UNKNOWN)


def _series(body: object) -> tuple[Members, bool, dict[str, Any]]:
    """The members of the series, whether it is of currencies, and what is told about it; raises Malformed."""
    members = body if isinstance(body, Members) else Members()
    for name, series in members:
        if name.startswith("Time Series") and isinstance(series, Members):
            about = next((told for place, told in members if place == "Meta Data"), None)
            return series, "FX" in name, _named(about) if isinstance(about, Members) else {}
    raise Malformed(f"{shown(body, 200)}; expected a daily series")


def _named(value: object) -> dict[str, Any]:
    """Members by name without their number, which differs from function to function: '4. close' is close."""
    if not isinstance(value, Members):
        raise Malformed(f"{shown(value, 100)}; expected an object")
    return {name.partition(". ")[2] or name: told for name, told in value}


def _refreshed(told: object) -> dt.datetime | None:
    """When the series was refreshed, in its own time zone; None where only the day is told."""
    text = told if isinstance(told, str) else ""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text, re.ASCII):
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def _day(text: str) -> dt.date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return instant(since_epoch(dt.date.fromisoformat(text)), 1).date()
    except ValueError:
        pass
    raise Malformed(f"{shown(text, 40)}; expected a day such as 2024-01-15")


def _volume(values: dict[str, Any]) -> float | None:
    return None if values.get("volume") is None else number(values["volume"])


def _weekdays(first: dt.date, last: dt.date) -> int:
    days = (last - first).days + 1
    return sum((first + DAY * number).weekday() < 5 for number in range(max(days, 0)))


def _reaches(answer: Answer, first: dt.date) -> bool:
    """Whether the last 100 days begin by `first`, or are all there are."""
    series, _, _ = _series(read_json(answer.content, Members))
    days = [name for name, _ in series]
    return len(days) < COMPACT_ROWS or min(days) <= first.isoformat()
