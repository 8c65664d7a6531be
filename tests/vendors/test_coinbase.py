"""Coinbase Exchange's traps, each with a test; what every vendor promises stands in test_every_vendor.py."""

import datetime as dt
import json

import pytest

from python_steps.adapters import coinbase
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from tests.vendors import bad_days
from tests.vendors.history import DAY, made_up
from tests.vendors.server import Server, connect
from tests.vendors.shapes import coinbase as shape

FIRST = dt.date(2021, 1, 1)


def request(first=FIRST, days=10, symbol="BTC-USD", as_of=None):
    until = first + days * DAY
    as_of = as_of or dt.datetime.combine(until, dt.time(14))
    return VendorRequest("BTC-USD", symbol, "crypto", first, until, as_of)


def parsed(content):
    told = json.dumps(content).encode()
    return coinbase.parse(VendorPayload("coinbase", "BTC-USD", "s", told, dt.datetime(2026, 1, 1)))


def fetched(bars, asked, *days, now=dt.datetime(2030, 1, 1)):
    with Server(shape.speak(bars, now), *days) as server, connect("coinbase", server) as http:
        return list(coinbase.fetch(asked, http)), server.asked


def sessions(payloads):
    return sorted(
        {row["opened_at"].date() for payload in payloads for row in coinbase.parse(payload).rows.to_pylist()}
    )


def test_a_candle_is_time_low_high_open_close_volume():
    (row,) = parsed([[1710288000, 73241.5, 73402.47, 73243.33, 73370.65, 1.56794406]]).rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "row_number": 1,
        "symbol": "BTC-USD",
        "vendor": "coinbase",
        "opened_at": dt.datetime(2024, 3, 13),
        "closed_at": dt.datetime(2024, 3, 14),
        "open": 73243.33,
        "high": 73402.47,
        "low": 73241.5,
        "close": 73370.65,
        "volume": 1.56794406,
    }


@pytest.mark.parametrize("count", [1, 299, 300, 301, 600, 601])
def test_no_candle_is_lost_where_a_span_ends(count):
    bars = made_up(FIRST, count)
    payloads, asked = fetched(bars, request(days=count))
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len(asked) == -(-count // 300)


def test_every_request_has_both_ends_of_a_span_that_is_short_enough():
    _, asked = fetched(made_up(FIRST, 700), request(days=700))
    for told in asked:
        start, end = (dt.datetime.fromisoformat(told.params[name]) for name in ("start", "end"))
        assert end - start <= 299 * DAY
        assert told.params["granularity"] == "86400"


def test_empty_spans_before_the_listing_are_skipped_and_not_the_end():
    bars = made_up(FIRST, 20)
    payloads, asked = fetched(bars, request(first=dt.date(2019, 1, 1), days=751))
    assert [payload.content == b"[]" for payload in payloads] == [True, True, False]
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len(asked) == 3


def test_a_day_without_a_trade_has_no_row():
    bars = made_up(FIRST, 20)
    holey = [bar for bar in bars if bar.session_date.day not in {3, 4, 11}]
    payloads, _ = fetched(holey, request(days=20))
    assert sessions(payloads) == [bar.session_date for bar in holey]


def test_a_candle_before_the_start_is_told_as_it_is():
    bars = made_up(FIRST, 320)
    payloads, _ = fetched(bars, request(days=320))
    rows = [row for payload in payloads for row in coinbase.parse(payload).rows.to_pylist()]
    twice = [row for row in rows if row["opened_at"].date() == FIRST + 299 * DAY]
    assert len(twice) == 2  # the last of one span, and before the start of the next
    assert len({(row["open"], row["close"], row["volume"]) for row in twice}) == 1


def test_the_open_candle_is_not_asked_for():
    as_of = dt.datetime(2021, 1, 5, 14)
    payloads, _ = fetched(made_up(FIRST, 30), request(as_of=as_of), now=as_of)
    assert sessions(payloads)[-1] == dt.date(2021, 1, 4)


def test_an_open_candle_that_comes_all_the_same_says_that_it_is_not_closed():
    (row,) = parsed([[1609804800, 1, 2, 1, 2, 5]]).rows.to_pylist()
    assert row["closed_at"] == dt.datetime(2021, 1, 6)  # the landing refuses it as unclosed


def test_hours_are_not_taken_for_days():
    said = parsed([[1609804800 + 3600, 1, 2, 1, 2, 5]])
    assert (said.rows.num_rows, said.refused["reason"].to_pylist()) == (0, ["malformed"])


def test_milliseconds_are_not_taken_for_seconds():
    assert parsed([[1609804800000, 1, 2, 1, 2, 5]]).rows.num_rows == 0


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (bad_days.says(400, json.dumps({"message": shape.TOO_MANY})), "HTTP 400, .*exceeds 300"),
        (bad_days.says(403, "Forbidden"), "HTTP 403, 'Forbidden'; it does not serve"),
        (bad_days.says(200, '{"message": "maintenance"}'), "HTTP 200, .*expected an array"),
    ],
)
def test_an_answer_that_is_none_ends_at_once_in_an_error_that_says_why(day, said):
    with Server(shape.speak([], dt.datetime(2030, 1, 1)), day) as server, connect("coinbase", server) as http:
        with pytest.raises(VendorError, match=said):
            list(coinbase.fetch(request(), http))
        assert len(server.asked) == 1


def test_an_unknown_product_is_named_with_what_is_expected():
    with pytest.raises(VendorError, match=r"coinbase: BTC-USD \(as BTC/USD\): HTTP 404, .*such as BTC-USD"):
        fetched(made_up(FIRST, 3), request(symbol="BTC/USD"))


def test_too_many_requests_are_asked_again():
    day = bad_days.says(429, '{"message": "Public rate limit exceeded"}')
    payloads, asked = fetched(made_up(FIRST, 3), request(days=3), day)
    assert (len(sessions(payloads)), len(asked)) == (3, 2)


def test_what_is_repeated_or_null_is_told_and_not_dropped():
    good = [1609804800, 1, 2, 1, 2, 5]
    said = parsed([good, good, [1609804800, None, None, None, None, None]])
    assert said.rows["row_number"].to_pylist() == [1, 2]
    assert said.refused["row_number"].to_pylist() == [3]
