"""OANDA's traps, each with a test; what every vendor promises stands in test_every_vendor.py."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pytest

from python_steps.adapters import oanda
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from tests.vendors.history import DAY, made_up
from tests.vendors.server import Server, as_json, connect
from tests.vendors.shapes import oanda as shape
from tests.vendors.shapes.oanda import answer_of, candle, starts_at

KEY = "canary-oanda-5f1e"
MONDAY = dt.date(2024, 1, 15)
WEEK = made_up(MONDAY, 5, weekdays=True)
LATER = dt.datetime(2030, 1, 1)
UTC = ZoneInfo("UTC")


def request(first=MONDAY, until=MONDAY + 7 * DAY, symbol="EUR_USD", as_of=None):
    as_of = as_of or dt.datetime.combine(until, dt.time(23))
    return VendorRequest("EUR-USD", symbol, "fx", first, until, as_of)


def parsed(answer):
    content = json.dumps(answer).encode()
    return oanda.parse(VendorPayload("oanda", "EUR-USD", "s", content, LATER))


def fetched(asked, *days, bars=WEEK, now=LATER, speak=None, key=KEY):
    server = Server(speak or shape.speak(bars, now), *days)
    with server, connect("oanda", server, key=key) as http:
        return list(oanda.fetch(asked, http)), server.asked


def sessions(payloads):
    return [day for each in payloads for day in oanda.parse(each).rows["session_date"].to_pylist()]


def reasons(answer):
    return [(row["session_date"], row["reason"]) for row in parsed(answer).refused.to_pylist()]


def test_a_candle_is_read_to_its_last_decimal_and_what_it_counts_is_no_volume():
    told = {
        "volume": 132,
        "time": "2016-10-17T21:00:00.000000000Z",
        "complete": True,
        "mid": {"o": "10503.8", "h": "10508.0", "l": "10503.8", "c": "10506.0"},
    }
    (row,) = parsed(answer_of([told])).rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "row_number": 1,
        "symbol": "EUR-USD",
        "vendor": "oanda",
        "session_date": dt.date(2016, 10, 18),
        "open": 10503.8,
        "high": 10508.0,
        "low": 10503.8,
        "close": 10506.0,
    }


@pytest.mark.parametrize(
    ("start", "day"),
    [
        # The clocks of New York go forward on Sunday, 10 March 2024, before the week opens, and back on
        # 3 November; Europe's do on other days, which must not matter.
        ("2024-03-07T22:00:00", dt.date(2024, 3, 8)),
        ("2024-03-10T21:00:00", dt.date(2024, 3, 11)),
        ("2024-10-31T21:00:00", dt.date(2024, 11, 1)),
        ("2024-11-03T22:00:00", dt.date(2024, 11, 4)),
        ("2023-12-31T22:00:00", dt.date(2024, 1, 1)),
    ],
)
def test_a_candle_belongs_to_the_day_after_its_start_on_both_sides_of_a_clock_change(start, day):
    told = candle(WEEK[0], dt.datetime.fromisoformat(start))
    assert parsed(answer_of([told])).rows["session_date"].to_pylist() == [day]


def test_ten_years_of_sessions_are_those_of_the_calendar():
    bars = made_up(dt.date(2014, 1, 1), 2600, weekdays=True)
    told = parsed(answer_of([candle(bar, starts_at(bar)) for bar in bars]))
    assert told.rows["session_date"].to_pylist() == [bar.session_date for bar in bars]


def test_the_day_is_asked_for_as_17_new_york_and_the_price_as_mid():
    ((_,), (asked,)) = fetched(request())
    assert {name: asked.params[name] for name in oanda.DAILY} == {
        "granularity": "D",
        "price": "M",
        "smooth": "False",
        "dailyAlignment": "17",
        "alignmentTimezone": "America/New_York",
    }
    assert "count" not in asked.params


@pytest.mark.parametrize("start", ["2024-01-14T00:00:00", "2024-01-14T21:00:00", "2024-07-14T22:00:00"])
def test_a_candle_of_another_alignment_is_refused(start):
    """Of midnight UTC, as 620 short bars of Sundays were in a public data set; or an hour off in a season."""
    told = answer_of([candle(WEEK[0], dt.datetime.fromisoformat(start))])
    assert parsed(told).rows.num_rows == 0
    assert [reason for _, reason in reasons(told)] == ["off_the_grid"]


def test_the_candle_that_is_not_complete_is_refused_as_unclosed():
    candles = [candle(bar, starts_at(bar), is_complete=bar != WEEK[-1]) for bar in WEEK]
    assert parsed(answer_of(candles)).rows.num_rows == 4
    assert reasons(answer_of(candles)) == [(WEEK[-1].session_date, "unclosed")]
    del candles[0]["complete"]
    assert reasons(answer_of(candles))[0] == (MONDAY, "unclosed")


def test_the_open_day_comes_as_not_complete_over_the_wire():
    as_of = dt.datetime(2024, 1, 17, 14)
    payloads, _ = fetched(request(as_of=as_of), now=as_of)
    assert sessions(payloads) == [MONDAY, MONDAY + DAY]
    (refused,) = oanda.parse(payloads[0]).refused.to_pylist()
    assert (refused["session_date"], refused["reason"]) == (MONDAY + 2 * DAY, "unclosed")


@pytest.mark.parametrize("is_end_in", [True, False])
@pytest.mark.parametrize("days", [3999, 4000, 4001, 7999, 8000, 8001])
def test_no_candle_is_lost_or_doubled_where_a_page_ends(days, is_end_in):
    """Whether OANDA takes the end of a span as in or out of it is stated nowhere."""
    first = dt.date(2002, 5, 6)
    bars = [bar for bar in shape.HISTORY if bar.session_date < first + days * DAY]
    wanted = request(first=first, until=first + days * DAY)
    payloads, asked = fetched(wanted, speak=shape.speak(bars, LATER, is_end_in=is_end_in))
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len(asked) in (-(-days // 4000), -(-days // 4000) + 1)


@pytest.mark.parametrize("is_end_in", [True, False])
@pytest.mark.parametrize("gap_from", [3990, 3998, 4000, 4002])
def test_a_hole_at_a_page_boundary_loses_nothing_behind_it(gap_from, is_end_in):
    first = shape.HISTORY[0].session_date
    hole = range(gap_from, gap_from + 400)
    bars = [bar for bar in shape.HISTORY if (bar.session_date - first).days not in hole]
    wanted = request(first=first, until=shape.HISTORY[-1].session_date + DAY)
    payloads, _ = fetched(wanted, speak=shape.speak(bars, LATER, is_end_in=is_end_in))
    assert sessions(payloads) == [bar.session_date for bar in bars]


@pytest.mark.parametrize("is_end_in", [True, False])
def test_a_history_that_begins_where_a_page_does_keeps_its_first_candle(is_end_in):
    first = dt.date(2002, 5, 6)
    bars = [bar for bar in shape.HISTORY if bar.session_date >= first + 4000 * DAY]
    assert bars[0].session_date == first + 4000 * DAY
    wanted = request(first=first, until=bars[-1].session_date + DAY)
    payloads, _ = fetched(wanted, speak=shape.speak(bars, LATER, is_end_in=is_end_in))
    assert sessions(payloads) == [bar.session_date for bar in bars]


def test_before_the_history_begins_pages_are_empty_and_no_end():
    bars = made_up(dt.date(2016, 1, 4), 30, weekdays=True)
    payloads, asked = fetched(request(first=dt.date(1995, 1, 2), until=dt.date(2016, 6, 1)), bars=bars)
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len(payloads) == len(asked) == 2


def test_a_vendor_that_tells_the_same_page_for_ever_does_not_hold_us():
    told = answer_of([candle(WEEK[0], starts_at(WEEK[0]))])
    payloads, _ = fetched(request(first=dt.date(1980, 1, 1)), speak=lambda asked: as_json(told))
    assert len(payloads) <= 9


def test_nothing_later_than_the_as_of_is_asked_for():
    as_of = dt.datetime(2024, 1, 17, 14)
    ((_,), (asked,)) = fetched(request(as_of=as_of), now=as_of)
    assert (asked.params["from"], asked.params["to"]) == ("2024-01-14T22:00:00Z", "2024-01-17T14:00:00Z")
    assert fetched(request(as_of=dt.datetime(2024, 1, 14, 21))) == ([], [])


def test_an_empty_page_is_no_error():
    ((payload,), _) = fetched(request(), bars=[])
    assert (sessions([payload]), oanda.parse(payload).refused.num_rows) == ([], 0)


def test_newest_first_is_read_as_any_order():
    told = answer_of([candle(bar, starts_at(bar)) for bar in WEEK[::-1]])
    assert parsed(told).rows["session_date"].to_pylist() == [bar.session_date for bar in WEEK[::-1]]


def test_a_candle_that_stands_twice_is_left_to_the_landing_with_both_its_rows():
    told = candle(WEEK[0], starts_at(WEEK[0]))
    assert parsed(answer_of([told, told])).rows.num_rows == 2


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"mid": None}, "missing_value"),
        ({"mid": {"o": "1", "h": "1", "l": "1"}}, "missing_value"),
        ({"mid": {"o": "1", "h": "1", "l": "1", "c": None}}, "missing_value"),
        ({"mid": {"o": "1", "h": "1", "l": "1", "c": "1 000"}}, "malformed"),
        ({"time": "1476733500.000000000"}, "malformed"),
        ({"time": "2024-01-14T22:00:00"}, "malformed"),
        ({"time": "2024-02-30T22:00:00.000000000Z"}, "malformed"),
        ({"time": None}, "malformed"),
        ({"time": "0001-01-01T00:00:00Z"}, "malformed"),
    ],
)
def test_a_candle_that_is_none_is_refused_and_the_others_stay(edit, reason):
    candles = [candle(bar, starts_at(bar)) for bar in WEEK]
    candles[2] |= edit
    told = parsed(answer_of(candles))
    assert (told.rows.num_rows, told.refused["reason"].to_pylist()) == (4, [reason])


def test_bid_and_ask_beside_the_mid_do_not_matter():
    told = candle(WEEK[0], starts_at(WEEK[0]))
    beside = told | {side: dict.fromkeys("ohlc", "9") for side in ("bid", "ask")}
    assert parsed(answer_of([beside])).rows == parsed(answer_of([told])).rows


def test_candles_of_minutes_are_not_taken_for_days():
    told = answer_of([candle(WEEK[0], starts_at(WEEK[0]))]) | {"granularity": "M5"}
    assert parsed(told).refused["reason"].to_pylist() == ["unreadable"]


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (400, {"errorMessage": "Maximum value for 'count' exceeded"}, "'count' exceeded"),
        (
            400,
            {"errorMessage": "Invalid value specified for 'to'. Time is in the future"},
            "days that are past",
        ),
        (401, {"errorMessage": "Insufficient authorization to perform request."}, "PORTFOLIO_OANDA_KEY"),
        (403, {}, "may not see prices"),
        (404, "<html>", "expected candles"),
        (200, {"errorMessage": "odd"}, "expected candles"),
        (200, {"granularity": "D", "candles": None}, "expected candles"),
    ],
)
def test_an_error_of_oanda_is_told_in_its_words(status, said, told):
    with pytest.raises(VendorError, match=told) as error:
        fetched(request(), speak=lambda asked: as_json(said, status))
    assert "EUR-USD" in str(error.value)


def test_an_unknown_instrument_and_a_bad_token_are_told_apart():
    with pytest.raises(VendorError, match="such as EUR_USD"):
        fetched(request(symbol="EURUSD"))
    with pytest.raises(VendorError, match="expected a valid token"):
        fetched(request(), key="wrong")


def test_a_future_end_is_an_error_of_the_server_that_is_never_met_by_a_request_as_of_now():
    now = dt.datetime(2024, 1, 17, 14)
    assert fetched(request(as_of=now), now=now)[0]
    with pytest.raises(VendorError, match="in the future"):
        fetched(request(as_of=now + DAY), now=now)


def test_the_token_travels_in_a_header_and_stands_nowhere_else(caplog):
    with caplog.at_level(0):
        payloads, (asked,) = fetched(request())
        with pytest.raises(VendorError) as error:
            fetched(
                request(), speak=lambda asked: as_json({"errorMessage": asked.headers["authorization"]}, 401)
            )
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(asked.params)
    assert KEY not in f"{payloads}{payloads[0].content!r}{caplog.text}{error.value}"
    assert "***" in str(error.value)
