"""What every vendor's adapter promises, shown over a real socket against a server that speaks its shape."""

import datetime as dt
from dataclasses import replace

import pytest

from python_steps import vendor_http
from python_steps.payloads import ACTIONS, REFUSED, ROWS, VendorError, VendorRequest
from tests.vendors import bad_days
from tests.vendors.server import QUICK, Server, connect, shapes

SHAPES = shapes()
ADAPTERS = vendor_http.vendors()
DAY = dt.timedelta(days=1)
KEY = "canary-3f9d1c77e2"


@pytest.fixture(params=sorted(SHAPES))
def vendor(request):
    return request.param


def request_for(shape, first, until, **changes):
    told = {"symbol": shape.SYMBOL, "vendor_symbol": shape.VENDOR_SYMBOL, "asset_class": shape.ASSET_CLASS}
    as_of = dt.datetime.combine(until, dt.time(14))
    return VendorRequest(**{**told, "from_date": first, "until_date": until, "as_of": as_of, **changes})


def rows_of(vendor, payloads):
    """Rows of all payloads by session, as (open, high, low, close, volume); a later payload wins."""
    found = {}
    for payload in payloads:
        parsed = ADAPTERS[vendor].parse(payload)
        assert parsed.rows.schema == ROWS
        assert parsed.refused.schema == REFUSED
        assert parsed.actions.schema == ACTIONS
        for row in parsed.rows.to_pylist():
            session = SHAPES[vendor].session(row)
            found[session] = tuple(row[name] for name in ("open", "high", "low", "close", "volume"))
    return found


def fetched(vendor, server, request, patience=QUICK):
    with connect(vendor, server, key=KEY, patience=patience) as http:
        return list(ADAPTERS[vendor].fetch(request, http))


def last_days(shape, count):
    """A request for the last `count` sessions, and the vendor the day after."""
    until = shape.HISTORY[-1].session_date + DAY
    now = dt.datetime.combine(until, dt.time(14))
    return request_for(shape, shape.HISTORY[-count].session_date, until), shape.speak(shape.HISTORY, now)


def test_there_are_vendors_to_test():
    assert {"binance"} <= set(SHAPES)


def test_a_full_history_comes_whole_page_by_page(vendor):
    shape = SHAPES[vendor]
    first, until = shape.HISTORY[0].session_date, shape.HISTORY[-1].session_date + DAY
    now = dt.datetime.combine(until, dt.time(14))
    with Server(shape.speak(shape.HISTORY, now)) as server:
        payloads = fetched(vendor, server, request_for(shape, first, until))
    assert rows_of(vendor, payloads) == {bar.session_date: shape.values(bar) for bar in shape.HISTORY}
    assert len(payloads) == shape.PAGES


def test_a_daily_increment_asks_once_and_holds_the_days_asked_for(vendor):
    shape = SHAPES[vendor]
    wanted = shape.HISTORY[-4:-1]
    first, until = wanted[0].session_date, wanted[-1].session_date + DAY
    now = dt.datetime.combine(until, dt.time(14))
    with Server(shape.speak(shape.HISTORY, now)) as server:
        found = rows_of(vendor, fetched(vendor, server, request_for(shape, first, until)))
        assert len(server.asked) == getattr(shape, "INCREMENT", 1)
    assert {day: found[day] for day in found if first <= day < until} == {
        bar.session_date: shape.values(bar) for bar in wanted
    }


def test_a_long_load_says_how_far_it_is(vendor):
    shape, steps = SHAPES[vendor], []
    request, speak = last_days(shape, len(shape.HISTORY))
    with Server(speak) as server, connect(vendor, server, key=KEY) as http:
        http.progress = lambda what, number, of: steps.append((what, number, of))
        list(ADAPTERS[vendor].fetch(request, http))
    if shape.PAGES > 1:
        assert len(steps) >= shape.PAGES
        assert {what for what, _, _ in steps} == {shape.SYMBOL}
        assert [number for _, number, _ in steps] == sorted(number for _, number, _ in steps)
        assert steps[-1][1] == steps[-1][2]


PASSING = {
    "429 with seconds": bad_days.too_many(after=0.2),
    "429 with a date": bad_days.too_many_until(1),
    "429 without": bad_days.too_many(),
    "429 that is no JSON": bad_days.too_many(body="<html>slow down</html>"),
    "418": bad_days.too_many(418, after=0.2),
    "500": bad_days.says(500, "oops"),
    "503": bad_days.says(503, "<html>maintenance</html>"),
    "200 that is no JSON": bad_days.says(200, "<html>welcome</html>"),
    "nothing": bad_days.empty,
    "reset in mid-body": bad_days.is_reset,
    "cut short": bad_days.is_cut,
    "cut short honestly": bad_days.is_cut_honestly,
    "cut gzip": bad_days.is_cut_gzip,
    "slow drip": bad_days.drips,
}


@pytest.mark.parametrize("day", PASSING)
def test_a_bad_day_that_passes_changes_nothing(vendor, day):
    shape = SHAPES[vendor]
    request, speak = last_days(shape, 5)
    with Server(speak, PASSING[day]) as server:
        found = rows_of(vendor, fetched(vendor, server, request, replace(QUICK, answer=0.5)))
    wanted = {bar.session_date: shape.values(bar) for bar in shape.HISTORY[-5:]}
    assert wanted.items() <= found.items()


LASTING = {
    "a redirect": bad_days.redirects("http://127.0.0.2/"),
    "a bomb": bad_days.bomb(64),
    "an error with 200": bad_days.says(200, '{"Error Message": "no", "code": -1, "message": "no"}'),
    "a refusal": bad_days.says(403, "<html>no</html>"),
}


@pytest.mark.parametrize("day", LASTING)
def test_a_bad_day_that_lasts_ends_in_one_line_that_names_the_vendor(vendor, day):
    request, speak = last_days(SHAPES[vendor], 5)
    with Server(speak, *[LASTING[day]] * 9) as server, pytest.raises(VendorError) as error:
        fetched(vendor, server, request)
    assert str(error.value).startswith(f"{vendor}:")
    assert str(error.value).isprintable()


def test_an_unknown_symbol_is_an_error_that_names_it(vendor):
    request, speak = last_days(SHAPES[vendor], 5)
    with Server(speak) as server, pytest.raises(VendorError, match=SHAPES[vendor].SYMBOL) as error:
        fetched(vendor, server, replace(request, vendor_symbol="NOTHING"))
    assert "NOTHING" in str(error.value)


def test_no_bar_counts_as_closed_before_it_is(vendor):
    """Asked for today as well, at 14:00 UTC: today's bar is not there, or says that it closes later."""
    shape = SHAPES[vendor]
    request, _ = last_days(shape, 5)
    today = shape.HISTORY[-1].session_date
    as_of = dt.datetime.combine(today, dt.time(14))
    with Server(shape.speak(shape.HISTORY, as_of)) as server:
        payloads = fetched(vendor, server, replace(request, as_of=as_of))
    for payload in payloads:
        for row in ADAPTERS[vendor].parse(payload).rows.to_pylist():
            is_today = shape.session(row) == today
            assert not is_today or row["closed_at"] is None or row["closed_at"] > as_of


def test_what_was_asked_is_told_without_host_or_key(vendor):
    request, speak = last_days(SHAPES[vendor], 5)
    with Server(speak) as server:
        payloads = fetched(vendor, server, request)
    for payload in payloads:
        assert payload.source.startswith(f"{vendor}:/")
        assert KEY not in payload.source
        assert (payload.vendor, payload.symbol) == (vendor, request.symbol)
