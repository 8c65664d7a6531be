"""What Binance's candle stream says, as its REST service would tell it, so that both are read in one way."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.vendors import DAY, Feed
from python_steps.adapters import binance
from python_steps.adapters._reading import Malformed, read_json, shown
from python_steps.payloads import Answered, VendorPayload, VendorRequest

VENDOR = "binance"
INTERVAL = "1d"
LONGEST = 100_000  # bytes of a message
# Open time, prices, volume, close time, and what follows in an answer of /api/v3/klines.
FIELDS = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")


@dataclass(frozen=True)
class Kline:
    """One closed candle: whose, its day, and its fields in the order of the REST service."""

    vendor_symbol: str
    session_date: dt.date
    fields: tuple[Any, ...]


def stream_name(feed: Feed) -> str:
    """The stream of a feed's daily candles."""
    return f"{feed.vendor_symbol.lower()}@kline_{INTERVAL}"


def closed(message: str | bytes) -> Kline | None:
    """The candle of a message if it is closed; None for one that is open, and for what is no candle.

    Raises Malformed where a candle lacks a field, is of another interval, or begins at no midnight.
    """
    content = message.encode() if isinstance(message, str) else message
    if len(content) > LONGEST:
        raise Malformed(f"{len(content)} bytes; expected a candle")
    said = read_json(content)
    event = said.get("data", said) if isinstance(said, dict) else None
    if not isinstance(event, dict) or event.get("e") != "kline":
        return None
    candle = event.get("k")
    if not isinstance(candle, dict) or not isinstance(candle.get("x"), bool):
        raise Malformed(f"{shown(event, 200)}; expected a candle that says whether it is closed")
    if not candle["x"]:
        return None
    if candle.get("i") != INTERVAL:
        raise Malformed(f"interval {shown(candle.get('i'), 20)}; expected {INTERVAL}")
    missing = [name for name in FIELDS[:7] if name not in candle]
    if missing or not isinstance(candle.get("s"), str):
        raise Malformed(f"without {', '.join(missing) or 's'}; expected a candle")
    fields = tuple(candle.get(name, "0") for name in FIELDS)
    return Kline(candle["s"], binance.bar(list(fields))["opened_at"].date(), fields)


def answered(feed: Feed, klines: Sequence[Kline], as_of: dt.datetime, now: dt.datetime) -> Answered:
    """Candles of one feed as an answer of its REST service, to be landed as one."""
    days = [kline.session_date for kline in klines]
    request = VendorRequest(
        feed.symbol, feed.vendor_symbol, feed.asset_class, min(days), max(days) + DAY, as_of
    )
    content = json.dumps([list(kline.fields) for kline in klines], separators=(",", ":")).encode()
    source = f"stream {stream_name(feed)}"
    payload = VendorPayload(VENDOR, feed.symbol, source, content, now)
    return Answered(request, payload, binance.parse(payload))
