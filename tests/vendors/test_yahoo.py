"""Yahoo's traps, each with a test; what every vendor promises stands in test_every_vendor.py."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pytest

from python_steps.adapters import yahoo
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from tests.vendors import bad_days
from tests.vendors.history import DAY, made_up
from tests.vendors.server import Server, as_json, connect
from tests.vendors.shapes import yahoo as shape
from tests.vendors.shapes.yahoo import chart, of, stamp

MONDAY = dt.date(2024, 9, 9)
WEEK = made_up(MONDAY, 5, weekdays=True)
PRICES = (10.0, 12.0, 9.0, 11.0, 100)


def request(first=MONDAY, until=MONDAY + 7 * DAY, as_of=None, symbol="BRK-B"):
    as_of = as_of or dt.datetime.combine(until, dt.time(14))
    return VendorRequest("BRK.B", symbol, "equity", first, until, as_of)


def parsed(answer):
    content = json.dumps(answer).encode()
    return yahoo.parse(VendorPayload("yahoo", "BRK.B", "s", content, dt.datetime(2026, 1, 1)))


def fetched(asked, *days, bars=WEEK, now=dt.datetime(2030, 1, 1), speak=None):
    server = Server(speak or shape.speak(bars, now), *days)
    with server, connect("yahoo", server) as http:
        return list(yahoo.fetch(asked, http)), server.asked


def dates(answer):
    return parsed(answer).rows["session_date"].to_pylist()


def reasons(answer):
    refused = parsed(answer).refused.to_pylist()
    return [(row["row_number"], row["session_date"], row["reason"]) for row in refused]


def test_a_recorded_answer_of_one_live_bar_is_refused_as_unclosed():
    """As recorded on a Friday, two seconds after 16:00 in New York."""
    meta = {"regularMarketPrice": 126.62, "validRanges": ["1d", "5d", "max"]}
    answer = chart([(1646427602, (124.4, 127.35, 124.21, 126.62, 4301826))], **meta)
    assert parsed(answer).rows.num_rows == 0
    assert reasons(answer) == [(1, dt.date(2022, 3, 4), "unclosed")]


def test_the_live_element_that_was_recorded_behind_a_bar_is_refused_and_the_bar_is_not():
    """1726459200 is midnight in New York, as Yahoo stamps some days; the other is mid-session."""
    answer = chart([(1726459200, PRICES), (1726689602, PRICES)])
    assert dates(answer) == [dt.date(2024, 9, 16)]
    assert reasons(answer) == [(2, dt.date(2024, 9, 18), "unclosed")]


@pytest.mark.parametrize(
    "meta",
    [
        {"regularMarketTime": stamp(MONDAY + DAY, dt.time(11))},
        {"currentTradingPeriod": {"regular": {"start": stamp(MONDAY + DAY)}}},
    ],
)
def test_a_live_element_on_a_whole_minute_is_known_by_the_time_of_the_last_trade_or_by_the_session(meta):
    answer = chart([(stamp(MONDAY), PRICES), (stamp(MONDAY + DAY, dt.time(11)), PRICES)], **meta)
    assert dates(answer) == [MONDAY]
    assert reasons(answer) == [(2, MONDAY + DAY, "unclosed")]


def test_the_last_bar_of_a_closed_session_is_kept():
    meta = {
        "regularMarketTime": stamp(MONDAY, dt.time(16)),
        "currentTradingPeriod": {"regular": {"start": stamp(MONDAY)}},
    }
    assert dates(chart([(stamp(MONDAY), PRICES)], **meta)) == [MONDAY]


def test_a_last_bar_that_is_stamped_with_midnight_is_no_live_one():
    meta = {"currentTradingPeriod": {"regular": {"start": stamp(MONDAY + DAY)}}}
    assert dates(chart([(stamp(MONDAY, dt.time()), PRICES)], **meta)) == [MONDAY]


def test_the_live_element_past_the_end_that_was_asked_for_leaves_the_days_as_they_are():
    until = MONDAY + 3 * DAY
    now = dt.datetime.combine(MONDAY + 4 * DAY, dt.time(15))
    ((payload,), _) = fetched(request(until=until), now=now)
    last = json.loads(payload.content)["chart"]["result"][0]["timestamp"][-1]
    assert last > int(dt.datetime.combine(until, dt.time(), dt.UTC).timestamp())
    assert yahoo.parse(payload).rows["session_date"].to_pylist() == [MONDAY + n * DAY for n in range(3)]


@pytest.mark.parametrize(
    ("zone", "opens"),
    [
        ("America/New_York", dt.time(9, 30)),
        ("Australia/Sydney", dt.time(10)),  # on the day before, in UTC, when it is summer there
        ("Pacific/Auckland", dt.time(10)),
        ("Asia/Tokyo", dt.time(9)),
        ("Europe/London", dt.time(8)),
    ],
)
def test_a_session_has_the_date_of_its_opening_where_the_exchange_is_on_both_sides_of_a_clock_change(
    zone, opens
):
    """`gmtoffset` stays that of winter in New York all the while."""
    days = [day for month in (3, 4, 10, 11) for day in (dt.date(2024, month, n) for n in range(1, 29))]
    answer = chart([(stamp(day, opens, ZoneInfo(zone)), PRICES) for day in days], zone=zone)
    assert dates(answer) == days


@pytest.mark.parametrize(
    ("zone", "opens"), [("Pacific/Auckland", dt.time(10)), ("Europe/London", dt.time(8))]
)
def test_the_span_that_is_asked_for_holds_the_sessions_of_any_exchange(zone, opens):
    ((_,), (asked,)) = fetched(request())
    since, until = int(asked.params["period1"]), int(asked.params["period2"])
    for day in (MONDAY - DAY, MONDAY, MONDAY + 6 * DAY, MONDAY + 7 * DAY):
        is_wanted = MONDAY <= day < MONDAY + 7 * DAY
        assert (since <= stamp(day, opens, ZoneInfo(zone)) < until) == is_wanted
        assert (since <= stamp(day) < until) == is_wanted


def test_nothing_later_than_the_as_of_is_asked_for():
    as_of = dt.datetime.combine(MONDAY + 2 * DAY, dt.time(11))
    ((_,), (asked,)) = fetched(request(as_of=as_of))
    assert int(asked.params["period2"]) == int(as_of.replace(tzinfo=dt.UTC).timestamp())
    assert fetched(request(first=MONDAY + 4 * DAY, as_of=as_of)) == ([], [])


def test_a_null_entry_is_refused_with_its_day_and_the_others_stay():
    bars = [of(bar) for bar in WEEK]
    bars[2] = (bars[2][0], (None,) * 5)
    bars[3] = (bars[3][0], (*bars[3][1][:3], None, 5))
    assert dates(chart(bars)) == [MONDAY, MONDAY + DAY, MONDAY + 4 * DAY]
    assert reasons(chart(bars)) == [
        (3, MONDAY + 2 * DAY, "missing_value"),
        (4, MONDAY + 3 * DAY, "missing_value"),
    ]


def test_a_volume_that_is_not_told_is_null_and_not_zero():
    (row,) = parsed(chart([(stamp(MONDAY), (*PRICES[:4], None))])).rows.to_pylist()
    assert (row["close"], row["volume"]) == (11.0, None)


def test_the_close_is_the_one_adjusted_for_splits_only():
    answer = chart([of(bar) for bar in WEEK])
    adjusted = answer["chart"]["result"][0]["indicators"]["adjclose"][0]["adjclose"]
    closes = parsed(answer).rows["close"].to_pylist()
    assert closes == [bar.close for bar in WEEK]
    assert not set(closes) & set(adjusted)


def test_dividends_and_splits_are_actions_by_the_date_at_the_exchange():
    events = {
        "dividends": {"x": {"amount": 0.24, "date": stamp(MONDAY, dt.time(9, 30))}},
        "splits": {
            "y": {"date": stamp(MONDAY + DAY), "numerator": 4, "denominator": 1, "splitRatio": "4:1"},
            "z": {"date": stamp(MONDAY + 2 * DAY), "numerator": 1.0, "denominator": 8.0},
        },
    }
    told = parsed(chart([of(bar) for bar in WEEK], events=events))
    found = [
        (row["row_number"], row["symbol"], row["kind"], row["ex_date"], row["value"], row["known_at"])
        for row in told.actions.to_pylist()
    ]
    assert found == [
        (1, "BRK.B", "dividend", MONDAY, 0.24, None),
        (2, "BRK.B", "split", MONDAY + DAY, 4.0, None),
        (3, "BRK.B", "split", MONDAY + 2 * DAY, 0.125, None),
    ]
    assert (told.rows.num_rows, told.refused.num_rows) == (5, 0)


def test_a_split_is_not_applied_to_prices_that_are_adjusted_already():
    """Prices come through a split as they are told; the history before it was told anew (RESTATED_BY)."""
    events = {"splits": {"y": {"date": stamp(MONDAY + DAY), "numerator": 4, "denominator": 1}}}
    bars = [(stamp(MONDAY), PRICES), (stamp(MONDAY + DAY), PRICES)]
    assert parsed(chart(bars, events=events)).rows["close"].to_pylist() == [11.0, 11.0]
    assert yahoo.RESTATED_BY == ("split",)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("dividends", {"amount": None, "date": stamp(MONDAY)}),
        ("dividends", {"amount": -1, "date": stamp(MONDAY)}),
        ("dividends", {"amount": 0.24}),
        ("splits", {"date": stamp(MONDAY), "numerator": 4, "denominator": 0}),
        ("splits", {"date": stamp(MONDAY), "splitRatio": "4:1"}),
        ("splits", 4),
    ],
)
def test_an_event_that_is_none_is_refused(kind, event):
    told = parsed(chart([of(WEEK[0])], events={kind: {"x": event}}))
    assert told.actions.num_rows == 0
    assert told.refused["reason"].to_pylist() == [f"malformed_{kind[:-1]}"]
    assert told.rows.num_rows == 1


def test_events_are_asked_for():
    ((_,), (asked,)) = fetched(request())
    assert asked.params["events"] == "div,splits"
    assert (asked.params["interval"], asked.params["includePrePost"]) == ("1d", "false")


@pytest.mark.parametrize("edit", ["none", "absent", "no quotes", "no quote"])
def test_an_empty_series_has_no_rows_and_is_no_error(edit):
    answer = chart([])
    (result,) = answer["chart"]["result"]
    if edit != "none":
        del result["timestamp"]
    if edit.startswith("no "):
        result["indicators"]["quote"] = [{}] if edit == "no quote" else []
    told = parsed(answer)
    assert (told.rows.num_rows, told.refused.num_rows) == (0, 0)
    ((payload,), _) = fetched(request(), speak=lambda asked: as_json(answer))
    assert yahoo.parse(payload).rows.num_rows == 0


@pytest.mark.parametrize("name", ["timestamp", "open", "close"])
def test_an_array_that_is_too_short_loses_no_entry(name):
    answer = chart([of(bar) for bar in WEEK])
    (result,) = answer["chart"]["result"]
    (result if name == "timestamp" else result["indicators"]["quote"][0])[name].pop()
    told = parsed(answer)
    assert (told.rows.num_rows, told.refused.num_rows) == (4, 1)
    assert told.refused["row_number"].to_pylist() == [5]


def test_the_order_of_keys_and_of_entries_does_not_matter():
    bars = [of(bar) for bar in WEEK]
    answer = chart(bars[::-1])
    (result,) = answer["chart"]["result"]
    quote = result["indicators"]["quote"][0]
    result["indicators"]["quote"] = [dict(sorted(quote.items()))]
    assert parsed(answer).rows.sort_by("session_date").drop_columns("row_number") == parsed(
        chart(bars)
    ).rows.drop_columns("row_number")


def test_a_bar_that_stands_twice_is_left_to_the_landing_with_both_its_rows():
    assert dates(chart([of(WEEK[0]), of(WEEK[0])])) == [MONDAY, MONDAY]


def test_a_text_for_a_price_is_read_and_what_is_no_number_is_refused():
    answer = chart(
        [(stamp(MONDAY), ("10.5", 12.0, 9.0, 11.0, 1)), (stamp(MONDAY + DAY), ("ten", 12.0, 9.0, 11.0, 1))]
    )
    assert parsed(answer).rows["open"].to_pylist() == [10.5]
    assert reasons(answer)[0][2] == "malformed"


@pytest.mark.parametrize("zone", [None, "", "Nowhere/Town", "../../etc/passwd", "America", 5])
def test_a_chart_without_a_time_zone_is_unreadable(zone):
    told = parsed(chart([of(bar) for bar in WEEK], zone=zone))
    assert (told.rows.num_rows, told.refused["reason"].to_pylist()) == (0, ["unreadable"])


def test_milliseconds_are_not_taken_for_seconds():
    assert parsed(chart([(stamp(MONDAY) * 1000, PRICES)])).rows.num_rows == 0


def test_an_unknown_symbol_is_an_error_with_what_yahoo_says():
    with pytest.raises(VendorError, match="No data found, symbol may be delisted"):
        fetched(request(symbol="NOTHING"))


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (
            200,
            {"chart": {"result": None, "error": {"code": "x", "description": "No such period"}}},
            "such period",
        ),
        (401, {"finance": {"result": None, "error": {"code": "y", "description": "Invalid Crumb"}}}, "Crumb"),
        (400, {"chart": {"result": None, "error": {"code": "z", "description": "Bad interval"}}}, "interval"),
        (403, [], "it refuses us"),
        (200, {"chart": {"result": [], "error": None}}, "expected a list of one chart"),
        (200, {"chart": {"result": [{}], "error": None}}, "expected the currency"),
        (200, {"other": 1}, "expected a chart"),
    ],
)
def test_an_error_of_yahoo_is_told_in_its_words(status, said, told):
    with pytest.raises(VendorError, match=told):
        fetched(request(), speak=lambda asked: as_json(said, status))


def test_its_plain_429_is_waited_out():
    edge = bad_days.too_many(body="Edge: Too Many Requests")
    ((payload,), asked) = fetched(request(), edge, edge)
    assert len(asked) == 3
    assert yahoo.parse(payload).rows.num_rows == 5


def test_it_is_asked_as_a_browser_asks_or_it_answers_429():
    ((_,), (asked,)) = fetched(request())
    assert asked.headers["user-agent"].startswith("Mozilla/5.0")


def test_a_symbol_stays_one_part_of_the_path():
    with pytest.raises(VendorError):
        fetched(request(symbol="../quote?x=1"))
    with Server(shape.speak(WEEK, dt.datetime(2030, 1, 1))) as server, connect("yahoo", server) as http:
        with pytest.raises(VendorError):
            list(yahoo.fetch(request(symbol="^GSPC"), http))
        assert server.asked[0].path == "/v8/finance/chart/%5EGSPC"


def test_currencies_and_coins_are_not_served():
    """Its close of a currency's day is about the open, a day stale; its coins have days of UTC."""
    assert yahoo.ASSET_CLASSES == ("equity",)
