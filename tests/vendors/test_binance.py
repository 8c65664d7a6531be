"""Binance's traps, each with a test; what every vendor promises stands in test_every_vendor.py."""

import datetime as dt
import itertools
import json

import pytest

from python_steps.adapters import binance
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from tests.vendors import bad_days
from tests.vendors.history import DAY, made_up
from tests.vendors.server import Asked, Server, connect
from tests.vendors.shapes import binance as shape

FIRST = dt.date(2021, 1, 1)
# As its documentation shows one.
DOCUMENTED = (
    '[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499126399999,'
    '"2434.19055334",308,"1756.87402397","28.46694368","0"]]'
)


def request(first=FIRST, days=10, symbol="BTCUSDT", as_of=None):
    until = first + days * DAY
    as_of = as_of or dt.datetime.combine(until, dt.time(14))
    return VendorRequest("BTC-USDT", symbol, "crypto", first, until, as_of)


def parsed(content):
    text = content if isinstance(content, str) else json.dumps(content)
    return binance.parse(VendorPayload("binance", "BTC-USDT", "s", text.encode(), dt.datetime(2026, 1, 1)))


def fetched(bars, asked, *days, now=dt.datetime(2030, 1, 1)):
    with Server(shape.speak(bars, now), *days) as server, connect("binance", server) as http:
        return list(binance.fetch(asked, http)), server.asked


def sessions(payloads):
    return [
        row["opened_at"].date() for payload in payloads for row in binance.parse(payload).rows.to_pylist()
    ]


def test_a_documented_candle_is_read_to_its_last_decimal():
    (row,) = parsed(DOCUMENTED).rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "row_number": 1,
        "symbol": "BTC-USDT",
        "vendor": "binance",
        "opened_at": dt.datetime(2017, 7, 3),
        "closed_at": dt.datetime(2017, 7, 4),
        "open": 0.0163479,
        "high": 0.8,
        "low": 0.015758,
        "close": 0.015771,
        "volume": 148976.11427815,  # of the base, not of the quote
    }


@pytest.mark.parametrize("count", [999, 1000, 1001, 1999, 2000, 2001])
def test_no_candle_is_lost_or_doubled_where_a_page_ends(count):
    bars = made_up(FIRST, count)
    payloads, asked = fetched(bars, request(days=count))
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len(asked) == -(-count // 1000)


def test_a_page_asks_for_no_more_than_the_limit():
    _, asked = fetched(made_up(FIRST, 1500), request(days=1500))
    assert {told.params["limit"] for told in asked} == {"1000"}


def test_a_limit_that_binance_lowers_loses_nothing(monkeypatch):
    bars = made_up(FIRST, 1000)

    def lower(asked):
        return shape.speak(bars, dt.datetime(2030, 1, 1))(
            Asked(asked.path, {**asked.params, "limit": "400"}, {})
        )

    with Server(lower) as server, connect("binance", server) as http:
        payloads = list(binance.fetch(request(days=1000), http))
    assert sessions(payloads) == [bar.session_date for bar in bars]


def test_the_candles_of_what_was_delisted_end_with_an_empty_page():
    bars = made_up(FIRST, 30)
    payloads, asked = fetched(bars, request(days=90))
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert (payloads[-1].content, len(asked)) == (b"[]", 2)


def test_the_open_candle_is_not_asked_for():
    as_of = dt.datetime(2021, 1, 5, 14)
    payloads, _ = fetched(made_up(FIRST, 30), request(as_of=as_of), now=as_of)
    assert sessions(payloads)[-1] == dt.date(2021, 1, 4)


def test_an_open_candle_that_comes_all_the_same_says_that_it_is_not_closed():
    opened = 1609804800000  # 2021-01-05
    (row,) = parsed([[opened, "1", "2", "1", "2", "5", opened + 86399999]]).rows.to_pylist()
    assert row["closed_at"] == dt.datetime(2021, 1, 6)  # the landing refuses it as unclosed


def test_nothing_is_asked_for_where_no_day_has_closed():
    payloads, asked = fetched(made_up(FIRST, 30), request(as_of=dt.datetime(2021, 1, 1, 14)))
    assert (payloads, asked) == ([], [])


def test_the_zone_of_days_is_never_asked_for():
    _, asked = fetched(made_up(FIRST, 10), request())
    assert all("timeZone" not in told.params for told in asked)


def test_days_of_another_zone_are_refused():
    said = parsed(
        DOCUMENTED.replace("1499040000000", "1499011200000").replace("1499126399999", "1499097599999")
    )
    assert said.rows.num_rows == 0
    (refused,) = said.refused.to_pylist()
    assert refused["reason"] == "malformed"
    assert "expected a day of UTC" in refused["detail"]


def test_an_hour_is_not_taken_for_a_day_nor_a_week():
    opened = 1609804800000
    for closed in (opened - 1, opened + 7 * 86400000 - 1):
        assert parsed([[opened, "1", "2", "1", "2", "5", closed]]).rows.num_rows == 0


def test_microseconds_are_not_taken_for_milliseconds():
    said = parsed(DOCUMENTED.replace("1499040000000", "1499040000000000"))
    assert (said.rows.num_rows, said.refused["reason"].to_pylist()) == (0, ["malformed"])


def test_before_the_listing_the_first_page_starts_later():
    bars = made_up(FIRST, 20)
    payloads, asked = fetched(bars, request(first=dt.date(2010, 1, 1), days=4038))
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len(asked) == 1


def test_an_empty_page_is_an_answer():
    payloads, _ = fetched([], request())
    assert [payload.content for payload in payloads] == [b"[]"]


def test_a_page_that_does_not_go_on_ends_in_an_error_and_not_in_a_loop():
    told = {"symbol": "BTCUSDT", "interval": "1d", "limit": "1000"}
    speak = shape.speak(made_up(FIRST, 1000), dt.datetime(2030, 1, 1))
    stuck = speak(Asked("/api/v3/klines", told, {}))
    with Server(lambda asked: stuck) as server, connect("binance", server) as http:
        pages = binance.fetch(request(days=3000), http)
        assert next(pages).content == stuck.body  # what came by then is kept
        with pytest.raises(VendorError, match="expected candles from"):
            list(itertools.islice(pages, 3))
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (bad_days.says(400, '{"code":-1120,"msg":"Invalid interval."}'), 'HTTP 400, \'{"code":-1120'),
        (bad_days.says(403, "<html>WAF</html>"), "HTTP 403, '<html>WAF</html>'; its firewall"),
        (bad_days.says(451, '{"code":0,"msg":"restricted location"}'), "does not serve this place"),
        (bad_days.says(200, '{"code":-1121,"msg":"Invalid symbol."}'), "HTTP 200, .*expected an array"),
        (bad_days.too_many(418, after=600), "HTTP 418.*gave up"),
    ],
)
def test_an_answer_that_is_none_ends_at_once_in_an_error_that_says_why(day, said):
    with Server(shape.speak([], dt.datetime(2030, 1, 1)), day) as server, connect("binance", server) as http:
        with pytest.raises(VendorError, match=said):
            list(binance.fetch(request(), http))
        assert len(server.asked) == 1


def test_an_unknown_symbol_is_named_with_what_is_expected():
    with pytest.raises(VendorError, match=r"binance: BTC-USDT \(as BTC-USDT\): HTTP 400.*such as BTCUSDT"):
        fetched(made_up(FIRST, 3), request(symbol="BTC-USDT"))


def test_what_is_repeated_or_null_is_told_and_not_dropped():
    opened = 1609804800000
    good = [opened, "1", "2", "1", "2", "5", opened + 86399999]
    said = parsed([good, good, [opened, None, None, None, None, None, opened + 86399999]])
    assert said.rows["row_number"].to_pylist() == [1, 2]
    assert said.refused["row_number"].to_pylist() == [3]
    assert said.refused["detail"].to_pylist() == ["null; expected a number"]
