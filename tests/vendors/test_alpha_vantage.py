"""Alpha Vantage's traps, each with a test; what every vendor promises stands in test_every_vendor.py."""

import datetime as dt
import json
from dataclasses import replace

import httpx
import pytest

from python_steps.adapters import alpha_vantage
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from python_steps.vendor_http import Rate, VendorHttp
from tests.vendors import bad_days
from tests.vendors.history import DAY, made_up
from tests.vendors.server import QUICK, Server, as_json, connect
from tests.vendors.shapes import alpha_vantage as shape
from tests.vendors.shapes.alpha_vantage import series

KEY = "CANARY7Q2M4X9B1Z"
MONDAY = dt.date(2024, 1, 15)
WEEK = made_up(MONDAY, 5, weekdays=True)
BARS = made_up(dt.date(2023, 1, 2), 400, weekdays=True)
LATER = dt.datetime(2030, 1, 1)


def request(first=MONDAY, until=MONDAY + 7 * DAY, symbol="IBM", asset_class="equity", as_of=None):
    as_of = as_of or dt.datetime.combine(until, dt.time(14))
    return VendorRequest("IBM", symbol, asset_class, first, until, as_of)


def parsed(answer, as_text=False):
    content = (answer if as_text else json.dumps(answer)).encode()
    return alpha_vantage.parse(VendorPayload("alpha_vantage", "IBM", "s", content, LATER))


def fetched(asked, *days, bars=WEEK, now=LATER, speak=None, patience=QUICK):
    """What is given, the error that follows, and what was asked."""
    given, error = [], None
    with Server(speak or shape.speak(bars, now), *days) as server:
        with connect("alpha_vantage", server, key=KEY, patience=patience) as http:
            try:
                given.extend(alpha_vantage.fetch(asked, http))
            except VendorError as raised:
                error = raised
        return given, error, server.asked


def sessions(payloads):
    return [day for each in payloads for day in alpha_vantage.parse(each).rows["session_date"].to_pylist()]


def test_a_documented_answer_is_read_to_its_last_decimal():
    text = """{"Meta Data":{"1. Information":"Daily Prices (open, high, low, close) and Volumes",
    "2. Symbol":"IBM","3. Last Refreshed":"2020-08-31","4. Output Size":"Compact",
    "5. Time Zone":"US/Eastern"},
    "Time Series (Daily)":{"2020-08-31":{"1. open":"125.2500","2. high":"125.2500","3. low":"123.0300",
    "4. close":"123.3100","5. volume":"4827879"}}}"""
    (row,) = parsed(text, as_text=True).rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "row_number": 1,
        "symbol": "IBM",
        "vendor": "alpha_vantage",
        "session_date": dt.date(2020, 8, 31),
        "open": 125.25,
        "high": 125.25,
        "low": 123.03,
        "close": 123.31,
        "volume": 4827879.0,
    }


def test_a_documented_answer_of_currencies_is_of_a_utc_day_and_has_no_volume():
    text = """{"Meta Data":{"2. From Symbol":"GBP","3. To Symbol":"USD","5. Last Refreshed":"2024-01-16",
    "6. Time Zone":"UTC"},"Time Series FX (Daily)":{"2024-01-15":{"1. open":"1.2700","2. high":"1.2750",
    "3. low":"1.2680","4. close":"1.2720"}}}"""
    (row,) = parsed(text, as_text=True).rows.to_pylist()
    assert (row["opened_at"], row["closed_at"]) == (dt.datetime(2024, 1, 15), dt.datetime(2024, 1, 16))
    assert row["session_date"] is None
    assert (row["open"], row["high"], row["low"], row["close"]) == (1.27, 1.275, 1.268, 1.272)
    assert row["volume"] is None


@pytest.mark.parametrize("day", [dt.date(2024, 3, 11), dt.date(2024, 11, 4)])
def test_a_day_of_currencies_closes_after_the_17_of_new_york_that_ends_its_session(day):
    """Were it told as the session, its close would be known hours before it was made."""
    (row,) = parsed(series(made_up(day, 1), "2024-12-01", is_fx=True)).rows.to_pylist()
    assert row["closed_at"] == dt.datetime.combine(day + DAY, dt.time())
    assert row["closed_at"] > dt.datetime.combine(day, dt.time(22))


def test_a_day_of_currencies_is_of_the_zone_that_is_told():
    answer = series(WEEK[:1], "2024-12-01", is_fx=True)
    answer["Meta Data"]["6. Time Zone"] = "America/New_York"
    (row,) = parsed(answer).rows.to_pylist()
    assert row["opened_at"] == dt.datetime(2024, 1, 15, 5)


def test_currencies_without_a_zone_are_unreadable():
    answer = series(WEEK, "2024-12-01", is_fx=True)
    del answer["Meta Data"]["6. Time Zone"]
    assert parsed(answer).refused["reason"].to_pylist() == ["unreadable"]


def test_newest_first_is_read_as_any_order():
    newest_first, oldest_first = (
        parsed(series(bars, "2024-01-22")).rows.sort_by("session_date") for bars in (WEEK[::-1], WEEK)
    )
    assert newest_first.drop_columns("row_number") == oldest_first.drop_columns("row_number")
    assert newest_first["row_number"].to_pylist() == [5, 4, 3, 2, 1]


def test_numbers_before_names_do_not_matter():
    """They differ from function to function."""
    answer = series(WEEK[:1], "2024-01-15 10:00:00")
    (day,) = answer["Time Series (Daily)"]
    answer["Time Series (Daily)"][day] = {
        "9. close": "2",
        "1. volume": "5",
        "open": "1",
        "7. high": "3",
        "0. low": "1",
    }
    answer["Meta Data"] = {"17. Last Refreshed": "2024-01-16"}
    (row,) = parsed(answer).rows.to_pylist()
    assert [row[name] for name in ("open", "high", "low", "close", "volume")] == [1, 3, 1, 2, 5]


@pytest.mark.parametrize(
    ("refreshed", "is_fx", "is_live"),
    [
        ("2024-01-19 11:09:52", False, True),
        ("2024-01-19 16:00:01", False, False),
        ("2024-01-19", False, False),  # the landing knows by the calendar
        ("2024-01-19 21:55:00", True, True),
        ("2024-01-20 00:00:00", True, False),
    ],
)
def test_the_row_of_the_day_in_which_it_was_refreshed_is_live_until_its_close(refreshed, is_fx, is_live):
    told = parsed(series(WEEK, refreshed, is_fx=is_fx))
    assert told.refused["reason"].to_pylist() == ["unclosed"] * is_live
    assert told.refused["session_date"].to_pylist() == [dt.date(2024, 1, 19)] * is_live
    assert told.rows.num_rows == 5 - is_live


def test_closes_are_raw_so_that_a_split_jumps():
    bars = [WEEK[0]._replace(close=400.0), WEEK[1]._replace(close=100.0)]
    assert parsed(series(bars, "2024-01-22")).rows["close"].to_pylist() == [400.0, 100.0]
    assert parsed(series(bars, "2024-01-22")).actions.num_rows == 0


def test_a_day_that_stands_twice_keeps_both_rows():
    once = json.dumps(series(WEEK[:1], "2024-01-22"))
    day = once[once.index('"2024-01-15"') : once.rindex("}}")]
    told = parsed(once.replace(day, f"{day}, {day.replace('100', '101')}"), as_text=True)
    assert told.rows["session_date"].to_pylist() == [MONDAY, MONDAY]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "malformed"),
        ("x", "malformed"),
        ({"1. open": "1", "2. high": "2", "3. low": "1"}, "missing_value"),
        ({"1. open": "1", "2. high": "2", "3. low": "1", "4. close": None}, "missing_value"),
        ({"1. open": "1", "2. high": "2", "3. low": "1", "4. close": "1,5"}, "malformed"),
        ({"1. open": "1", "2. high": "2", "3. low": "1", "4. close": ""}, "malformed"),
    ],
)
def test_a_row_that_is_none_is_refused_and_the_others_stay(row, reason):
    answer = series(WEEK, "2024-01-22")
    answer["Time Series (Daily)"]["2024-01-17"] = row
    told = parsed(answer)
    assert told.refused["reason"].to_pylist() == [reason]
    assert told.rows.num_rows == 4


@pytest.mark.parametrize(
    "day", ["2024-13-01", "20240115", "2024-01-15 10:00:00", "", "٢٠٢٤-01-15", "0001-01-01"]
)
def test_a_day_that_is_none_is_refused(day):
    answer = series(WEEK[:1], "2024-01-22")
    (told,) = answer["Time Series (Daily)"].values()
    answer["Time Series (Daily)"] = {day: told}
    assert parsed(answer).refused["reason"].to_pylist() == ["malformed"]


def test_an_empty_series_is_no_error():
    answer = series([], "2024-01-22")
    assert (parsed(answer).rows.num_rows, parsed(answer).refused.num_rows) == (0, 0)
    ((payload,), error, _) = fetched(request(), speak=lambda asked: as_json(answer))
    assert (sessions([payload]), error) == ([], None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (shape.BAD_SYMBOL, "expected a symbol"),
        (shape.BAD_KEY, "expected a valid key"),
        (shape.DEMO_KEY, "expected a valid key"),
        (shape.daily_limit(KEY), "used up"),
        (
            {"Information": f"{shape.THANKS} Our rate limit is 25 requests per day. {shape.PLANS}"},
            "used up",
        ),
        (shape.PREMIUM_ENDPOINT, "a free key sees"),
        ({}, "no such symbol"),
        ({"Meta Data": {}}, "expected a daily series"),
        ({"Information": "Something new."}, "expected a daily series"),
        ({"Time Series (Daily)": []}, "expected a daily series"),
        ([], "expected a daily series"),
    ],
)
def test_errors_with_http_200_are_told_apart_and_asked_once(said, told):
    given, error, asked = fetched(request(), speak=lambda asked: as_json(said))
    assert given == []
    assert told in str(error)
    assert "IBM" in str(error)
    assert len(asked) == 1  # none of these passes, and a free key has 25 requests a day


@pytest.mark.parametrize("said", [shape.HURRY, {"Note": shape.HURRY["Information"]}])
def test_a_hurry_is_waited_out_though_its_text_names_the_daily_limit_and_premium(said):
    given, error, asked = fetched(request(), bad_days.says(200, json.dumps(said)))
    assert (len(sessions(given)), error, len(asked)) == (5, None, 2)


def test_a_note_on_the_calls_of_a_minute_asks_for_a_minute():
    """Longer than the patience of this test, so it says so at once."""
    given, error, asked = fetched(request(), speak=lambda asked: as_json(shape.NOTE))
    assert (given, len(asked)) == ([], 1)
    assert "5 calls per minute" in str(error)
    assert "try again later" in str(error)


def test_a_status_of_error_is_one():
    _, error, _ = fetched(request(), speak=lambda asked: as_json(series(WEEK, "2024-01-22"), 400))
    assert "HTTP 400" in str(error)


def test_the_last_days_are_asked_for_as_compact_and_all_as_full():
    near, far = request(), request(first=dt.date(2023, 1, 2))
    (_, _, (asked,)) = fetched(near, bars=BARS, now=near.as_of)
    assert asked.params["outputsize"] == "compact"
    (payloads, _, (asked,)) = fetched(far, bars=BARS)
    assert asked.params["outputsize"] == "full"
    assert sorted(sessions(payloads)) == [bar.session_date for bar in BARS]


def test_where_compact_does_not_reach_back_all_is_asked_for():
    """A backfill as of a day long ago: compact is the last 100 days as of today."""
    wanted = request(first=BARS[200].session_date, until=BARS[210].session_date)
    payloads, error, asked = fetched(wanted, bars=BARS)
    assert [told.params["outputsize"] for told in asked] == ["compact", "full"]
    assert {bar.session_date for bar in BARS[200:210]} <= set(sessions(payloads))
    assert error is None


def free(bars=BARS):
    """A key that is not premium."""
    speak = shape.speak(bars, LATER)
    return lambda asked: as_json(shape.PREMIUM) if asked.params.get("outputsize") == "full" else speak(asked)


def test_a_free_key_gets_its_100_days_and_is_told_that_the_rest_is_premium():
    given, error, asked = fetched(request(first=dt.date(2023, 1, 2)), speak=free())
    assert sorted(sessions(given)) == [bar.session_date for bar in BARS[-100:]]
    assert "premium key" in str(error)
    assert len(asked) == 2


def test_a_free_key_that_lacks_some_days_is_told_so_too():
    wanted = request(first=BARS[200].session_date, until=BARS[210].session_date)
    given, error, _ = fetched(wanted, speak=free())
    assert len(sessions(given)) == 100
    assert "premium key" in str(error)


@pytest.mark.parametrize("symbol", ["EURUSD", "EUR/USD", "EUR-USD", "EUR_USD"])
def test_currencies_are_asked_for_as_a_pair(symbol):
    (payloads, error, (asked,)) = fetched(request(symbol=symbol, asset_class="fx"))
    assert error is None
    assert (asked.params["function"], asked.params["from_symbol"], asked.params["to_symbol"]) == (
        "FX_DAILY",
        "EUR",
        "USD",
    )
    assert "symbol" not in asked.params
    assert alpha_vantage.parse(payloads[0]).rows.num_rows == 5


@pytest.mark.parametrize("symbol", ["EUR", "EUR/USDT", "eurusd", "EUR\nUSD"])
def test_what_is_no_pair_is_not_asked_for(symbol):
    given, error, asked = fetched(request(symbol=symbol, asset_class="fx"))
    assert (given, asked) == ([], [])
    assert "expected a pair" in str(error)
    assert str(error).isprintable()


def test_the_key_is_sent_and_stands_nowhere_else(caplog):
    with caplog.at_level(0):
        payloads, _, (asked,) = fetched(request())
    assert asked.params["apikey"] == KEY
    assert all(KEY not in repr(each) and KEY not in each.source for each in payloads)
    assert KEY not in caplog.text


def echoing():
    """A series, and the text that echoes the key beside it."""
    return {**shape.daily_limit(KEY), **series(WEEK, "2024-01-22")}


def test_an_echo_of_the_key_is_in_no_payload_and_no_error(caplog):
    """The payload that is kept is the answer with *** for the key: the landing never has the bytes before."""
    with caplog.at_level(0):
        (payload,), error, _ = fetched(request(), speak=lambda asked: as_json(echoing()))
        _, refusal, _ = fetched(request(), speak=lambda asked: as_json(shape.daily_limit(KEY)))
    assert error is None
    assert KEY.encode() not in payload.content
    assert b"API key as *** and" in payload.content
    assert len(sessions([payload])) == 5
    assert KEY not in f"{refusal}{caplog.text}"
    assert "API key as ***" in str(refusal)


def test_the_server_of_the_test_above_does_echo_the_key():
    with Server(lambda asked: as_json(echoing())) as server:
        assert KEY in httpx.get(server.url).text


def test_a_key_is_needed():
    assert alpha_vantage.KEY
    with Server(shape.speak(WEEK, LATER)) as server:
        http = VendorHttp(
            "alpha_vantage", base_url=server.url, rate=Rate(9, 1), patience=replace(QUICK, tries=1)
        )
        with http, pytest.raises(VendorError, match="expected a valid key"):
            list(alpha_vantage.fetch(request(), http))
