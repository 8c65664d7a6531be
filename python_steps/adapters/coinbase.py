"""Coinbase Exchange: daily candles of UTC days, public, newest first; a day without a trade has none."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from python_steps.adapters._reading import (
    DAY,
    MIDNIGHT,
    SECOND,
    Malformed,
    Reading,
    as_list,
    instant,
    json_or_again,
    number,
)
from python_steps.payloads import ParsedPayload, VendorPayload, VendorRequest
from python_steps.vendor_http import Rate, VendorHttp

BASE_URL = "https://api.exchange.coinbase.com"
# It allows 10 a second.
RATE = Rate(5, 1)
ASSET_CLASSES = ("crypto",)
KEY = False

# Both ends of a span are told, so this is one less than the 300 candles that it allows.
LONGEST_SPAN = 299 * DAY
REMEDIES = {
    404: "expected a product as Coinbase writes it, such as BTC-USD",
    403: "it does not serve this place; ask through PORTFOLIO_COINBASE_URL",
}
FIELDS = ("low", "high", "open", "close", "volume")


def fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]:
    """One payload for every 300 days, in order; one of a time before the product was listed is empty, and not
    the end.

    The day that `as_of` lies in is not asked for: its candle is still open. Raises VendorError.
    """
    first, last = request.from_date, min(request.until_date, request.as_of.date()) - DAY
    days = (last - first).days + 1
    while first <= last:
        end = min(first + LONGEST_SPAN, last)
        # Without both ends it would ignore the one that is there.
        span: dict[str, str | int] = {"start": f"{first}T00:00:00Z", "end": f"{end}T00:00:00Z"}
        path = f"/products/{quote(request.vendor_symbol, safe='')}/candles"
        answer = http.get(path, {"granularity": DAY // SECOND, **span}, check=json_or_again)
        if answer.status != 200 or not isinstance(json_or_again(answer), list):
            remedy = REMEDIES.get(answer.status, "expected an array of candles")
            raise http.refusal(request, answer, answer.content, remedy)
        yield http.payload(request, answer)
        first = end + DAY
        http.progress(request.symbol, days - (last - end).days, days)


def parse(payload: VendorPayload) -> ParsedPayload:
    """One row for each candle, with its instants; the landing refuses one that is not closed."""
    reading = Reading(payload)
    reading.rows(as_list, _bar)
    return reading.parsed()


def _bar(raw: Any) -> dict[str, Any]:
    """[time of opening in seconds, low, high, open, close, volume]: not in the usual order."""
    if not isinstance(raw, list) or len(raw) != 1 + len(FIELDS):
        raise Malformed("expected an array of time, low, high, open, close and volume")
    opened_at = instant(raw[0], 1)
    if opened_at.time() != MIDNIGHT:
        raise Malformed(f"from {opened_at}; expected the beginning of a UTC day")
    return {
        "opened_at": opened_at,
        "closed_at": opened_at + DAY,
        **{name: number(value) for name, value in zip(FIELDS, raw[1:], strict=True)},
    }
