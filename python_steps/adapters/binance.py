"""Binance spot: daily candles of UTC days from its market data service, which needs no key.

Quotes are in what the symbol says: BTCUSDT in USDT, which is not USD.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from python_steps.adapters._reading import (
    DAY,
    MIDNIGHT,
    Malformed,
    Reading,
    as_list,
    instant,
    json_or_again,
    number,
    shown,
    since_epoch,
)
from python_steps.payloads import ParsedPayload, VendorPayload, VendorRequest
from python_steps.vendor_http import Answer, Rate, TryAgain, VendorHttp, quoted

BASE_URL = "https://data-api.binance.vision"
# A call weighs 2 of the 6,000 a minute that exchangeInfo names; a fifth of that is plenty.
RATE = Rate(600, 60)
ASSET_CLASSES = ("crypto",)
KEY = False

LIMIT = 1000
MILLI = 1000
MILLISECOND = dt.timedelta(milliseconds=1)
DAY_IN_MILLI = DAY // MILLISECOND
# UNKNOWN, DISCONNECTED, TOO_MANY_REQUESTS, TIMEOUT, SERVER_BUSY: they pass.
PASSING_CODES = frozenset({-1000, -1001, -1003, -1007, -1008})
REMEDIES = {
    400: "expected a symbol as Binance writes it, such as BTCUSDT",
    403: "its firewall refuses us; wait, or ask through PORTFOLIO_BINANCE_URL",
    451: "it does not serve this place; ask through PORTFOLIO_BINANCE_URL",
}
FIELDS = ("open", "high", "low", "close", "volume")


def fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]:
    """Pages of at most 1,000 candles, ascending, each from the day after the last of the page before.

    The day that `as_of` lies in is not asked for: its candle is still open. Before an asset was listed there
    are no candles, and the first page starts later. A short page is not the end, for limits change;
    an empty one is. Raises VendorError.
    """
    start, end = (
        since_epoch(day) * MILLI for day in (request.from_date, min(request.until_date, request.as_of.date()))
    )
    at = start
    while at < end:
        span: dict[str, str | int] = {"startTime": at, "endTime": end - 1, "limit": LIMIT}
        params = {"symbol": request.vendor_symbol, "interval": "1d", **span}
        answer = http.get("/api/v3/klines", params, check=_check)
        page = json_or_again(answer)
        if answer.status != 200 or not isinstance(page, list):
            remedy = REMEDIES.get(answer.status, "expected an array of candles")
            raise http.refusal(request, answer, answer.content, remedy)
        yield http.payload(request, answer)
        following = max(filter(None, map(_opened, page)), default=0) + DAY_IN_MILLI if page else end
        if following <= at:
            raise http.refusal(request, answer, shown(page[-1]), f"expected candles from {at} on")
        at = following
        http.progress(request.symbol, (at - start) // DAY_IN_MILLI, (end - start) // DAY_IN_MILLI)


def parse(payload: VendorPayload) -> ParsedPayload:
    """One row for each candle, with its instants; the landing refuses one that is not closed."""
    reading = Reading(payload)
    reading.rows(as_list, bar)
    return reading.parsed()


def _check(answer: Answer) -> None:
    said = json_or_again(answer)
    if answer.status == 200 and isinstance(said, dict) and said.get("code") in PASSING_CODES:
        raise TryAgain(f"HTTP 200, {quoted(answer.content)}")


def _opened(raw: Any) -> int | None:
    """When a candle opened, in milliseconds since 1970; None where that cannot be read."""
    try:
        instant(raw[0], MILLI)
    except (TypeError, LookupError, Malformed):
        return None
    return int(raw[0])


def bar(raw: Any) -> dict[str, Any]:
    """[open time, open, high, low, close, volume, close time, ...], its times in milliseconds; the close
    time is the last millisecond of the day.
    """
    if not isinstance(raw, list) or len(raw) < 7:
        raise Malformed("expected an array of open time, prices, volume and close time")
    opened_at, closed_at = instant(raw[0], MILLI), instant(raw[6], MILLI) + MILLISECOND
    if opened_at.time() != MIDNIGHT or not opened_at < closed_at <= opened_at + DAY:
        raise Malformed(f"from {opened_at} to {closed_at}; expected a day of UTC")
    return {
        "opened_at": opened_at,
        "closed_at": closed_at,
        **{name: number(value) for name, value in zip(FIELDS, raw[1:6], strict=True)},
    }
