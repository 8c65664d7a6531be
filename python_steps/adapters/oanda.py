"""OANDA v20: daily candles of currencies, mid of bid and ask, from 17:00 to 17:00 New York. Needs a token.

The address is that of its practice accounts, with the same prices; a live token wants PORTFOLIO_OANDA_URL
https://api-fxtrade.oanda.com. Its `volume` counts prices and is no turnover, so it is left out: a signal that
weighs by volume would take it for money.
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from python_steps.adapters._reading import (
    DAY,
    Malformed,
    Reading,
    as_list,
    instant,
    json_or_again,
    number,
    read_json,
    shown,
    since_epoch,
)
from python_steps.adapters._zones import FX_CLOSES, NEW_YORK, fx_opens_at, fx_session, local_time
from python_steps.payloads import ParsedPayload, VendorPayload, VendorRequest
from python_steps.vendor_http import Answer, Rate, VendorHttp

BASE_URL = "https://api-fxpractice.oanda.com"
# Half of the 120 a second that it allows, and by one connection that is kept alive.
RATE = Rate(60, 1)
ASSET_CLASSES = ("fx",)
KEY = True

# It answers at most 5,000 candles; there is at most one a day.
PAGE = 4_000 * DAY
# Asked for, though they are its defaults: the day is what everything hangs on.
DAILY: dict[str, str | int] = {
    "granularity": "D",
    "price": "M",
    "smooth": "False",
    "dailyAlignment": 17,
    "alignmentTimezone": "America/New_York",
}
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", re.ASCII)
PRICES = {"open": "o", "high": "h", "low": "l", "close": "c"}
REMEDIES = {
    400: "expected an instrument as OANDA writes it, such as EUR_USD, and days that are past",
    401: "expected a valid token in PORTFOLIO_OANDA_KEY; a live one needs PORTFOLIO_OANDA_URL too",
    403: "the token may not see prices",
}


def fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]:
    """Spans of 4,000 days, ascending. The first candle of a page is the one after the last that is known
    (`includeFirst` false), so it matters not whether OANDA takes the end of a span as in or out.

    Raises VendorError.
    """
    first = at = fx_opens_at(request.from_date)
    end, is_first_new = min(fx_opens_at(request.until_date), request.as_of), True
    while at < end:
        until = min(at + PAGE, end)
        answer = _ask(request, http, at, until, is_first_new)
        yield http.payload(request, answer)
        http.progress(request.symbol, (until - first).days, (end - first).days)
        if until == end:
            return
        known = _last_opened(answer)
        at, is_first_new = (known, False) if known and known > at else (until, True)


def parse(payload: VendorPayload) -> ParsedPayload:
    """One row for each candle, by trading date: a candle is stamped with its start, at 17:00 New York on the
    day before. Refused: the candle that is not complete (`unclosed`), and one that does not start at 17:00
    (`off_the_grid`).
    """
    reading = Reading(payload)
    reading.rows(_candles, _bar)
    return reading.parsed()


def _ask(
    request: VendorRequest, http: VendorHttp, since: dt.datetime, until: dt.datetime, is_first_new: bool
) -> Answer:
    path = f"/v3/instruments/{quote(request.vendor_symbol, safe='')}/candles"
    span = {"from": _text(since), "to": _text(until), "includeFirst": str(is_first_new)}
    headers = {"Authorization": f"Bearer {http.key}", "Accept-Datetime-Format": "RFC3339"}
    answer = http.get(path, {**DAILY, **span}, headers, check=json_or_again)
    try:
        if answer.status == 200:
            _candles(read_json(answer.content))
            return answer
    except Malformed:
        pass
    raise http.refusal(request, answer, answer.content, REMEDIES.get(answer.status, "expected candles"))


def _text(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _candles(body: Any) -> list[Any]:
    if not isinstance(body, dict) or body.get("granularity") != "D":
        raise Malformed(f"{shown(body, 200)}; expected candles of granularity D")
    return as_list(body.get("candles"))


def _last_opened(answer: Answer) -> dt.datetime | None:
    """When the last candle of a page starts; None where there is none that can be read."""
    starts = []
    for candle in _candles(read_json(answer.content)):
        try:
            starts.append(_started(candle))
        except Malformed:
            continue
    return max(starts, default=None)


def _started(candle: object) -> dt.datetime:
    """The start of a candle; its fraction of nanoseconds is always zero for days."""
    told = candle.get("time") if isinstance(candle, dict) else None
    try:
        if isinstance(told, str) and (text := TIME.fullmatch(told)):
            return instant(since_epoch(dt.datetime.fromisoformat(text[1])), 1)
    except ValueError:
        pass
    raise Malformed(f"time {shown(told, 60)}; expected one such as 2016-10-17T21:00:00.000000000Z")


def _bar(candle: Any) -> dict[str, Any]:
    started = _started(candle)
    day, opens = fx_session(started), local_time(started, NEW_YORK).time()
    if opens != FX_CLOSES:
        raise Malformed(f"starts at {opens} New York; expected {FX_CLOSES}", "off_the_grid", day)
    if candle.get("complete") is not True:
        raise Malformed(f"complete {shown(candle.get('complete'), 40)}; expected true", "unclosed", day)
    mid = candle.get("mid")
    if not isinstance(mid, dict) or any(mid.get(name) is None for name in PRICES.values()):
        raise Malformed(f"mid {shown(mid, 100)}; expected o, h, l, c", "missing_value", day)
    return {"session_date": day, **{name: number(mid[place]) for name, place in PRICES.items()}}
