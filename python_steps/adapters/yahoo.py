"""Yahoo's chart, version 8: daily bars of stocks with their dividends and splits. Unofficial, without a key.

`close` is adjusted for splits and not for dividends (`adjclose` for both: unused, since a dividend rewrites
all of it). So the adjustment of this feed is `splits`. Its splits are told as actions, and whoever applies
actions to prices must leave the splits of this feed alone, or they would be applied twice. Its dividends are
per share as of today too. After a split all earlier bars are told anew (RESTATED_BY): an increment that
brings one is to be followed by the whole history, or it would stand on another base than what was landed.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from python_steps.adapters._reading import (
    Malformed,
    Reading,
    instant,
    json_or_again,
    number,
    read_json,
    shown,
    since_epoch,
)
from python_steps.adapters._zones import local_time, zone_named
from python_steps.payloads import ParsedPayload, VendorPayload, VendorRequest
from python_steps.vendor_http import Answer, Rate, VendorHttp

BASE_URL = "https://query2.finance.yahoo.com"
# Its limits are unpublished, and who meets them is shut out for many minutes.
RATE = Rate(2, 2)
ASSET_CLASSES = ("equity",)
KEY = False

# It answers 429 to any agent that does not look like a browser.
HEADERS = {"User-Agent": "Mozilla/5.0 (portfolio-warehouse)"}
RESTATED_BY = ("split",)
# A bar is asked for by the instant at which its session opens. No exchange opens from 18:00 to 21:00 UTC, so
# days from 18:00 on hold the sessions of New York, and those of Sydney, which open on the UTC day before.
BEFORE_MIDNIGHT = 6 * 3600
MIDNIGHT = dt.time()
PRICES = ("open", "high", "low", "close")
REMEDIES = {
    401: "it asks for a session of a browser; wait, or ask through PORTFOLIO_YAHOO_URL",
    403: "it refuses us; wait, or ask through PORTFOLIO_YAHOO_URL",
    404: "expected a symbol as Yahoo writes it, such as BRK-B",
}


def fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]:
    """One answer: it has no pages. Raises VendorError."""
    since = since_epoch(request.from_date) - BEFORE_MIDNIGHT
    until = min(since_epoch(request.until_date) - BEFORE_MIDNIGHT, since_epoch(request.as_of))
    if until <= since:
        return
    path = f"/v8/finance/chart/{quote(request.vendor_symbol, safe='')}"
    params: dict[str, str | int] = {"period1": since, "period2": until, "interval": "1d"}
    params |= {"events": "div,splits", "includePrePost": "false"}
    answer = http.get(path, params, HEADERS, check=json_or_again)
    try:
        if answer.status != 200:
            raise Malformed(_error(answer) or f"{shown(answer.content.decode('utf-8', 'replace'))}")
        _result(read_json(answer.content))
    except Malformed as error:
        remedy = REMEDIES.get(answer.status, "expected a chart with a result")
        raise http.refusal(request, answer, error, remedy) from None
    yield http.payload(request, answer)
    http.progress(request.symbol, 1, 1)


def parse(payload: VendorPayload) -> ParsedPayload:
    """Bars by the date on which their session opens where the exchange is, dividends and splits as actions.

    Refused: an entry that is null (`missing_value`), and the live bar (`unclosed`), which Yahoo appends even
    past the end of what was asked for.
    """
    reading = Reading(payload)
    try:
        result = _result(read_json(payload.content))
        entries, zone = _entries(result), _zone(result)
    except Malformed as error:
        reading.unreadable(error)
        return reading.parsed()
    live = _live_stamp(result["meta"], entries, zone)
    for entry in entries:
        reading.row(entry, lambda entry: _bar(entry, zone, live))
    _tell_actions(reading, result.get("events"), zone)
    return reading.parsed()


def _result(answer: object) -> dict[str, Any]:
    """The only result of a chart, with its `meta`; raises Malformed with what the chart says instead."""
    chart = answer.get("chart") if isinstance(answer, dict) else None
    if not isinstance(chart, dict) or chart.get("error") is not None:
        raise Malformed(
            f"{shown(chart['error'] if isinstance(chart, dict) else answer, 200)}; expected a chart"
        )
    results = chart.get("result")
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
        raise Malformed(f"result {shown(results, 200)}; expected a list of one chart")
    if not isinstance(results[0].get("meta"), dict):
        raise Malformed(f"meta {shown(results[0].get('meta'), 200)}; expected the currency and time zone")
    return results[0]


def _error(answer: Answer) -> str | None:
    """What a refusal says: under `chart`, or under `finance` where it does not like the client."""
    said = read_json(answer.content)
    for part in said.values() if isinstance(said, dict) else ():
        if isinstance(part, dict) and isinstance(error := part.get("error"), dict):
            return f"{error.get('code')}: {error.get('description')}"
    return None


def _zone(result: Mapping[str, Any]) -> ZoneInfo:
    """Where the exchange is. Not `gmtoffset`: that is today's, and wrong for half of the year."""
    return zone_named(result["meta"].get("exchangeTimezoneName"))


def _entries(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parallel arrays as one record per place, null where an array is too short."""
    indicators = result.get("indicators")
    quotes = indicators.get("quote") if isinstance(indicators, dict) else None
    if not isinstance(quotes, list) or not all(isinstance(each, dict) for each in quotes[:1]):
        raise Malformed(f"indicators {shown(indicators, 200)}; expected a list of quotes")
    told = {"timestamp": result.get("timestamp")} | {
        name: quotes[0].get(name) if quotes else None for name in (*PRICES, "volume")
    }
    arrays = {name: [] if values is None else values for name, values in told.items()}
    for name, values in arrays.items():
        if not isinstance(values, list):
            raise Malformed(f"{name} {shown(values, 200)}; expected an array")
    count = max(map(len, arrays.values()))
    return [{name: _at(values, place) for name, values in arrays.items()} for place in range(count)]


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _live_stamp(meta: Mapping[str, Any], entries: list[dict[str, Any]], zone: ZoneInfo) -> int | None:
    """The timestamp of the live bar: the newest one, if it is that of the last trade, or is off the grid.

    The grid is when sessions open: a whole minute, that of the current session where that is told, or the
    midnight of the exchange, with which some answers stamp their days.
    """
    stamps = [entry["timestamp"] for entry in entries if type(entry["timestamp"]) is int]
    if not stamps:
        return None
    newest = max(stamps)
    is_off_grid = newest % 60 != 0 or newest == meta.get("regularMarketTime")
    try:
        opens = local_time(instant(meta["currentTradingPeriod"]["regular"]["start"], 1), zone).time()
        is_off_grid |= local_time(instant(newest, 1), zone).time() not in (opens, MIDNIGHT)
    except (KeyError, TypeError, Malformed):
        pass  # not told
    return newest if is_off_grid else None


def _bar(entry: Mapping[str, Any], zone: ZoneInfo, live: int | None) -> dict[str, Any]:
    opened = local_time(instant(entry["timestamp"], 1), zone)
    day = opened.date()
    if live is not None and entry["timestamp"] == live:
        raise Malformed(
            f"stamped {opened.time()} at the exchange; expected when a session opens", "unclosed", day
        )
    if missing := [name for name in PRICES if entry[name] is None]:
        raise Malformed(f"{', '.join(missing)} null; expected prices", "missing_value", day)
    prices = {name: number(entry[name]) for name in PRICES}
    volume = None if entry["volume"] is None else number(entry["volume"])
    return {"session_date": day, **prices, "volume": volume}


def _tell_actions(reading: Reading, events: object, zone: ZoneInfo) -> None:
    """Dividends in money a share, splits in new shares for one old; a bad one is a refused row."""
    found = events if isinstance(events, dict) else {}
    for kind, place, value_of in (("dividend", "dividends", _dividend), ("split", "splits", _split)):
        told = found.get(place)
        for event in told.values() if isinstance(told, dict) else ():
            try:
                day, value = _ex_date(event, zone), value_of(event)
            except Malformed as error:
                reading.refuse(f"malformed_{kind}", str(error), event)
            else:
                reading.action(kind, day, value)


def _ex_date(event: object, zone: ZoneInfo) -> dt.date:
    if not isinstance(event, dict):
        raise Malformed(f"{shown(event, 40)}; expected an event with a date")
    return local_time(instant(event.get("date"), 1), zone).date()


def _dividend(event: Mapping[str, Any]) -> float:
    return _positive(number(event.get("amount")), "amount")


def _split(event: Mapping[str, Any]) -> float:
    numerator, denominator = (
        _positive(number(event.get(name)), name) for name in ("numerator", "denominator")
    )
    return _positive(numerator / denominator, "ratio")


def _positive(value: float, name: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise Malformed(f"{name} {value}; expected a number above 0")
    return value
