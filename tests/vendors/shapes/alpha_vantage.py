"""Alpha Vantage's daily series: one answer, newest first, all texts; its errors come with HTTP 200."""

import datetime as dt
import json
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from tests.vendors.history import Bar, made_up
from tests.vendors.server import Asked, Reply, Speak, as_json

SYMBOL, VENDOR_SYMBOL, ASSET_CLASS = "IBM", "IBM", "equity"
HISTORY = made_up(dt.date(2020, 1, 1), 400, weekdays=True)
PAGES = 1
NEW_YORK = ZoneInfo("America/New_York")
COMPACT = 100
PLANS = "any of the premium plans at https://www.alphavantage.co/premium/"
THANKS = "Thank you for using Alpha Vantage!"

BAD_SYMBOL = {
    "Error Message": "Invalid API call. Please retry or visit the documentation"
    " (https://www.alphavantage.co/documentation/) for TIME_SERIES_DAILY."
}
BAD_KEY = {
    "Error Message": "the parameter apikey is invalid or missing. Please claim your free API key on"
    " (https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds."
}
DEMO_KEY = {"Information": "The **demo** API key is for demo purposes only. Please claim your free API key."}
PREMIUM = {
    "Information": f"{THANKS} The outputsize=full parameter value is a premium feature for the"
    f" TIME_SERIES_DAILY endpoint. You may subscribe to {PLANS} to instantly unlock all premium features"
}
PREMIUM_ENDPOINT = {
    "Information": f"{THANKS} This is a premium endpoint. You may subscribe to {PLANS} to instantly unlock"
    " all premium endpoints"
}
HURRY = {
    "Information": f"{THANKS} Please consider spreading out your free API requests more sparingly (1 request"
    f" per second). You may subscribe to {PLANS} to lift the free key rate limit (25 requests per day), raise"
    " the per-second burst limit, and instantly unlock all premium endpoints"
}
NOTE = {
    "Note": f"{THANKS} Our standard API call frequency is 5 calls per minute and 500 calls per day. Please"
    f" visit {PLANS} if you would like to target a higher API call frequency."
}


def daily_limit(key: str) -> dict:
    """The text that echoes the key."""
    return {
        "Information": f"We have detected your API key as {key} and our standard API rate limit is 25"
        f" requests per day. Please subscribe to {PLANS} to instantly remove all daily rate limits."
    }


def series(bars: Iterable[Bar], refreshed: str, *, is_fx: bool = False) -> dict:
    """A daily series of `bars` as they come."""
    places = ("1. open", "2. high", "3. low", "4. close", *(() if is_fx else ("5. volume",)))
    rows = {
        bar.session_date.isoformat(): dict(zip(places, map(text, bar[1:6]), strict=False)) for bar in bars
    }
    if is_fx:
        about = {
            "1. Information": "Forex Daily Prices (open, high, low, close)",
            "2. From Symbol": "EUR",
            "3. To Symbol": "USD",
            "4. Output Size": "Full size",
            "5. Last Refreshed": refreshed,
            "6. Time Zone": "UTC",
        }
        return {"Meta Data": about, "Time Series FX (Daily)": rows}
    about = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": VENDOR_SYMBOL,
        "3. Last Refreshed": refreshed,
        "4. Output Size": "Full size",
        "5. Time Zone": "US/Eastern",
    }
    return {"Meta Data": about, "Time Series (Daily)": rows}


def text(value: float) -> str:
    """A number as it writes them."""
    return f"{value:.4f}"


GOOD = tuple(
    json.dumps(answer).encode()
    for answer in (
        series(HISTORY[7::-1], "2020-01-10"),
        series(HISTORY[4::-1], "2020-01-08 10:35:00", is_fx=True),
        series([], "2020-01-10"),
    )
)


class Pairs(list):
    """An object as its pairs: a day may stand twice."""


def rows_in(content: bytes) -> int:
    """The members of the series; 1 where there is none, or one of currencies without a time zone."""
    try:
        body = json.loads(content, object_pairs_hook=Pairs)
        members = body if isinstance(body, Pairs) else []
        name, found = next(
            pair for pair in members if pair[0].startswith("Time Series") and isinstance(pair[1], Pairs)
        )
        if "FX" in name:
            about = dict(next(told for place, told in members if place == "Meta Data"))
            zones = [told for place, told in about.items() if place.partition(". ")[2] == "Time Zone"]
            ZoneInfo(zones[-1] if "Time Zone" not in about else about["Time Zone"])
    except (ValueError, RecursionError, LookupError, TypeError, OSError, StopIteration):
        return 1
    return len(found)


def speak(bars: list[Bar], now: dt.datetime) -> Speak:
    """Alpha Vantage at `now`, to a premium key: stocks of New York, and EUR/USD by UTC days."""
    today = now.replace(tzinfo=dt.UTC).astimezone(NEW_YORK).date()

    def answer(asked: Asked) -> Reply:
        told = asked.params
        if asked.path != "/query" or not told.get("apikey"):
            return as_json(BAD_KEY)
        is_fx = told["function"] == "FX_DAILY"
        wanted = (told.get("from_symbol"), told.get("to_symbol")) if is_fx else told.get("symbol")
        if wanted != (("EUR", "USD") if is_fx else VENDOR_SYMBOL):
            return as_json(BAD_SYMBOL)
        found = [bar for bar in bars if bar.session_date <= today]
        if told.get("outputsize", "compact") == "compact":
            found = found[-COMPACT:]
        refreshed = f"{now:%Y-%m-%d %H:%M:%S}" if is_fx else found[-1].session_date.isoformat()
        return as_json(series(found[::-1], refreshed, is_fx=is_fx))

    return answer


def session(row: dict) -> dt.date:
    """The trading date of a parsed row: of stocks, or the UTC day of currencies."""
    return row["session_date"] or row["opened_at"].date()


def values(bar: Bar) -> tuple:
    """What a parsed row must hold of a bar."""
    return tuple(float(text(value)) for value in bar[1:6])
