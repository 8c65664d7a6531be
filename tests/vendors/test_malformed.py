"""Two thousand malformed payloads for each vendor: none raises, and every row is told or refused."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from python_steps import scrub, vendor_http
from python_steps.payloads import ACTIONS, REFUSED, ROWS, VendorPayload
from tests.vendors.malformed import CANARY, payloads
from tests.vendors.server import shapes

SHAPES = shapes()
ADAPTERS = vendor_http.vendors()
PAYLOADS = 2000
scrub.hide(CANARY)


def parsed(vendor, content):
    """What the adapter makes of `content`, which passed the connection's scrubbing as every payload does."""
    fetched_at = dt.datetime(2026, 1, 1)
    return ADAPTERS[vendor].parse(
        VendorPayload(vendor, SHAPES[vendor].SYMBOL, f"{vendor}:/", scrub.scrub_bytes(content), fetched_at)
    )


def broken_promises(vendor, content, found):
    """Which promises `found` breaks, that the adapter made of `content`."""
    rows, refused = found.rows.to_pylist(), found.refused.to_pylist()
    told = [row["row_number"] for row in rows + refused]
    promises = {
        "schemas": (found.rows.schema, found.refused.schema, found.actions.schema)
        == (ROWS, REFUSED, ACTIONS),
        "rows in payload = rows + refused": len(told) == SHAPES[vendor].rows_in(scrub.scrub_bytes(content)),
        "each row once": sorted(told) == list(range(1, len(told) + 1)),
        "a reason": all(row["reason"] and row["detail"] for row in refused),
        "a session or both instants": all(
            row["session_date"] or (row["opened_at"] and row["closed_at"]) for row in rows
        ),
        "a close that is a number": all(isinstance(row["close"], float) for row in rows),
        "ours by name": all(
            (row["symbol"], row["vendor"]) == (SHAPES[vendor].SYMBOL, vendor) for row in rows
        ),
        "no secret": CANARY not in repr((rows, refused, found.actions.to_pylist())),
    }
    return [promise for promise, is_kept in promises.items() if not is_kept]


@pytest.mark.parametrize("vendor", sorted(SHAPES))
def test_malformed_payloads_never_raise_and_lose_no_row(vendor):
    seen = Counter()

    @settings(
        max_examples=PAYLOADS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(content=payloads(SHAPES[vendor]))
    def keeps_its_promises(content):
        seen["payloads"] += 1
        found = parsed(vendor, content)
        assert broken_promises(vendor, content, found) == []
        seen["rows"] += found.rows.num_rows
        seen.update(found.refused["reason"].to_pylist())

    keeps_its_promises()
    assert seen["payloads"] >= PAYLOADS
    # They are malformed in every way: neither all readable nor all not.
    assert min(seen["rows"], seen["malformed"], seen["unreadable"]) > PAYLOADS / 20


@pytest.mark.parametrize("vendor", sorted(SHAPES))
def test_good_payloads_are_read_whole(vendor):
    for content in SHAPES[vendor].GOOD:
        found = parsed(vendor, content)
        assert broken_promises(vendor, content, found) == []
        assert not {"malformed", "unreadable"} & set(found.refused["reason"].to_pylist())


@pytest.mark.parametrize("numbers", [range(7), [*range(8), 7]])
def test_the_harness_sees_a_row_that_is_dropped_or_told_twice(numbers):
    content = SHAPES["binance"].GOOD[0]
    found = parsed("binance", content)
    assert broken_promises("binance", content, found) == []
    damaged = replace(found, rows=found.rows.take(list(numbers)))
    assert "rows in payload = rows + refused" in broken_promises("binance", content, damaged)


def test_the_harness_sees_a_planted_secret():
    content = SHAPES["binance"].GOOD[0].replace(b"[[", b'[["' + CANARY.encode() + b'"],[', 1)
    assert broken_promises("binance", content, parsed("binance", content)) == []
    scrub._secrets.pop(CANARY)
    try:
        assert broken_promises("binance", content, parsed("binance", content)) == ["no secret"]
    finally:
        scrub.hide(CANARY)
