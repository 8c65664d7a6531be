"""What every vendor's adapter promises, shown over a real socket against a server that speaks its shape."""

import datetime as dt

import pytest

from python_steps import vendor_http
from python_steps.payloads import ACTIONS, REFUSED, ROWS, VendorRequest
from tests.vendors.server import Server, connect, shapes

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


def fetched(vendor, server, request):
    with connect(vendor, server, key=KEY) as http:
        return list(ADAPTERS[vendor].fetch(request, http))


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
