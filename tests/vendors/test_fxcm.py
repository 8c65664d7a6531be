"""FXCM's traps, each with a test; what every vendor promises stands in test_every_vendor.py."""

import datetime as dt

import pytest

from python_steps.adapters import fxcm
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from tests.vendors import bad_days
from tests.vendors.history import DAY, made_up
from tests.vendors.server import Reply, Server, connect
from tests.vendors.shapes import fxcm as shape
from tests.vendors.shapes.fxcm import HEADER, HOUR, NEW_YORK, UTC, lines_of, packed, text, values

MONDAY = dt.date(2024, 1, 15)
WEEK = made_up(MONDAY, 5, weekdays=True)
LATER = dt.datetime(2030, 1, 1)
LINES = lines_of(WEEK)


def request(first=MONDAY, until=MONDAY + 5 * DAY, symbol="EURUSD", as_of=LATER):
    return VendorRequest("EUR-USD", symbol, "fx", first, until, as_of)


def parsed(content):
    return fxcm.parse(VendorPayload("fxcm", "EUR-USD", "s", content, LATER))


def fetched(asked, *days, bars=WEEK, now=LATER, speak=None, **said):
    server = Server(speak or shape.speak(bars, now, **said), *days)
    with server, connect("fxcm", server) as http:
        return list(fxcm.fetch(asked, http)), server.asked


def bars_in(content):
    rows = parsed(content).rows.to_pylist()
    return {
        row["session_date"]: tuple(row[name] for name in ("open", "high", "low", "close", "volume"))
        for row in rows
    }


def sessions(payloads):
    return [day for each in payloads for day in fxcm.parse(each).rows["session_date"].to_pylist()]


def refusals(content):
    return [(row["session_date"], row["reason"]) for row in parsed(content).refused.to_pylist()]


def edited(number, **changes):
    """The week with line `number` (from 0) changed in these columns."""
    names, cells = HEADER.split(","), LINES[number].split(",")
    found = dict(zip(names, cells, strict=True)) | changes
    return text([*LINES[:number], ",".join(found.values()), *LINES[number + 1 :]])


def test_a_session_is_the_hours_from_17_to_17_new_york_of_mid_prices():
    assert bars_in(packed(text(LINES))) == {bar.session_date: values(bar) for bar in WEEK}


def test_a_session_by_hand():
    """Two hours count: the open of the first, the close of the last, the extremes of both."""
    monday = [
        "01/14/2024 22:00:00.000,1.10,1.12,1.09,1.11,1.12,1.14,1.11,1.13",
        "01/15/2024 21:00:00.000,1.11,1.20,1.05,1.07,1.13,1.22,1.07,1.09",
    ]
    (row,) = parsed(text(monday)).rows.to_pylist()
    found = tuple(row[name] for name in ("open", "high", "low", "close"))
    assert found == pytest.approx((1.11, 1.21, 1.06, 1.08))
    assert (row["session_date"], row["volume"]) == (MONDAY, None)


@pytest.mark.parametrize("first", [dt.date(2024, 3, 4), dt.date(2024, 10, 28)])
@pytest.mark.parametrize("zone", [UTC, NEW_YORK])
def test_sessions_are_right_on_both_sides_of_a_clock_change_in_either_zone_of_the_file(first, zone):
    """FXCM says UTC; some who measured found New York. The week tells."""
    bars = made_up(first, 10, weekdays=True)
    found = bars_in(text(lines_of(bars[:5], zone))) | bars_in(text(lines_of(bars[5:], zone)))
    assert found == {bar.session_date: values(bar) for bar in bars}


def test_a_week_that_is_not_over_tells_its_zone_by_how_it_begins():
    for zone in (UTC, NEW_YORK):
        assert list(bars_in(text(lines_of(WEEK[:3], zone)))) == [bar.session_date for bar in WEEK[:3]]


def test_a_file_whose_zone_cannot_be_told_is_refused_whole():
    assert refusals(text(LINES[30:40])) == [(None, "unreadable")]


def test_hours_of_the_weekend_are_refused_and_leave_the_week():
    saturday = LINES[0].replace("01/14/2024", "01/13/2024")
    assert refusals(text([saturday, *LINES])) == [(dt.date(2024, 1, 14), "weekend")]
    assert len(bars_in(text([saturday, *LINES]))) == 5


def test_a_tenth_column_is_parsed_by_the_header():
    names, rest = "TickQty," + HEADER, [f"7,{line}" for line in LINES]
    assert bars_in(text(rest, names)) == bars_in(text(LINES))
    last = bars_in(text([f"{line},7" for line in LINES], HEADER + ",TickQty"))
    assert last == bars_in(text(LINES))  # and what it counts is no volume


def test_columns_in_another_order_are_read_by_name():
    names = HEADER.split(",")
    rows = [",".join(reversed(line.split(","))) for line in LINES]
    assert bars_in(text(rows, ",".join(reversed(names)))) == bars_in(text(LINES))


def test_a_file_without_a_column_is_unreadable():
    assert refusals(text(LINES, HEADER.replace("AskLow", "AskLo"))) == [(None, "unreadable")]


def test_an_empty_week_is_no_error():
    assert (bars_in(packed(b"")), refusals(packed(b""))) == ({}, [])
    payloads, _ = fetched(request(), speak=lambda asked: Reply(200, packed(b"")))
    assert len(payloads) == 3


def test_a_missing_hour_within_a_session_is_a_quiet_one():
    content = text([*LINES[:30], *LINES[31:]])
    assert len(bars_in(content)) == 5
    assert refusals(content) == []


def test_a_file_that_is_cut_at_its_end_leaves_the_last_session_unclosed():
    content = text(LINES[:-1])
    assert list(bars_in(content)) == [bar.session_date for bar in WEEK[:4]]
    assert refusals(content) == [(WEEK[4].session_date, "unclosed")]


def test_a_file_that_begins_within_a_session_lacks_its_open():
    """As the file of a New Year may: its zone is told by how it ends."""
    content = text(LINES[7:])
    assert list(bars_in(content)) == [bar.session_date for bar in WEEK[1:]]
    assert refusals(content) == [(MONDAY, "incomplete")]


def test_an_early_close_within_the_week_is_a_close():
    content = text([*LINES[:45], *LINES[48:]])  # Tuesday ends three hours early
    assert len(bars_in(content)) == 5


@pytest.mark.parametrize(("bid", "is_kept"), [("1.10001", True), ("1.09", True), ("1.25", False)])
def test_quotes_crossed_for_a_moment_are_kept_and_crossed_far_are_refused(bid, is_kept):
    content = edited(30, BidOpen=bid, AskOpen="1.10")
    assert (refusals(content) == []) == is_kept
    if not is_kept:
        day = WEEK[1].session_date
        assert refusals(content) == [(day, "crossed"), (day, "incomplete")]


@pytest.mark.parametrize(
    "changes", [{"BidLow": ""}, {"AskHigh": "x"}, {"AskClose": "1,1"}, {"BidOpen": "nan"}]
)
def test_an_hour_that_is_none_is_refused_and_takes_its_session_with_it(changes):
    content = edited(30, **changes)
    day = WEEK[1].session_date
    assert refusals(content) == [(day, "malformed"), (day, "incomplete")]
    assert len(bars_in(content)) == 4


def test_a_line_that_is_cut_short_is_refused_and_takes_its_session_with_it():
    content = text([*LINES[:30], LINES[30].rsplit(",", 3)[0], *LINES[31:]])
    day = WEEK[1].session_date
    assert refusals(content) == [(day, "malformed"), (day, "incomplete")]


@pytest.mark.parametrize(
    "stamp",
    ["", "2024-01-16 04:00:00", "13/16/2024 04:00:00.000", "02/30/2024 04:00:00.000", "01/16/2024 04:30:00"],
)
def test_an_hour_of_no_known_session_may_lack_in_any_so_none_is_made(stamp):
    content = edited(30, DateTime=stamp)
    assert bars_in(content) == {}
    assert [reason for _, reason in refusals(content)] == ["malformed", *["incomplete"] * 5]


def test_an_hour_that_stands_twice_is_refused_and_changes_nothing():
    content = text([*LINES, LINES[30]])
    assert refusals(content) == [(WEEK[1].session_date, "repeated")]
    assert bars_in(content) == bars_in(text(LINES))


def test_two_hours_that_contradict_each_other_take_their_session_with_them():
    other = LINES[30].rsplit(",", 1)[0] + ",170.0"
    day = WEEK[1].session_date
    assert refusals(text([*LINES, other])) == [(day, "conflicting_repeat"), (day, "incomplete")]


def test_the_order_of_lines_does_not_matter():
    assert bars_in(text(LINES[::-1])) == bars_in(text(LINES))


@pytest.mark.parametrize(
    "content", [packed(text(LINES))[:-30], b"\x1f\x8b\x00", b"\xff\xfe", b"<html>", b"a,b"]
)
def test_what_is_no_file_is_unreadable(content):
    assert refusals(content) == [(None, "unreadable")]


def test_a_file_that_inflates_beyond_any_week_is_not_inflated():
    """Its lines are good, and then come empty ones: inflated, it would be read."""
    told = parsed(packed(text(LINES) + b"\r\n" * 2**22)).refused.to_pylist()
    assert [(row["reason"], "inflates to more than" in row["detail"]) for row in told] == [
        ("unreadable", True)
    ]


@pytest.mark.parametrize("content", [packed(text(LINES)), packed(b"")])
def test_zeros_that_pad_a_gzip_are_no_second_one_cut_short(content):
    assert parsed(content + b"\0").rows == parsed(content).rows
    assert refusals(content + b"\0\0") == refusals(content) == []
    assert refusals(content + b"\0x") == [(None, "unreadable")]


def test_a_file_that_its_server_calls_a_transfer_encoding_is_read_too():
    """Then HTTP inflates it, and what comes is the text."""
    plain = Reply(200, packed(text(LINES)), {"Content-Encoding": "gzip"})
    payloads, _ = fetched(request(), speak=lambda asked: plain)
    assert payloads[0].content == text(LINES)
    assert sessions(payloads[:1]) == [bar.session_date for bar in WEEK]


def test_the_payload_is_the_file_as_it_came():
    payloads, _ = fetched(request())
    assert [each.content for each in payloads] == [packed(text(LINES))]
    assert payloads[0].source == "fxcm:/H1/EURUSD/2024/3.csv.gz"


NUMBERINGS = {
    "that of ISO": shape.iso_week,
    "one less": lambda monday: (monday.isocalendar()[0], max(1, monday.isocalendar()[1] - 1)),
    "of the calendar year": lambda monday: (monday.year, (monday.timetuple().tm_yday - 1) // 7 + 1),
    "from the Sunday before New Year": lambda monday: (monday.year, int(f"{monday:%U}") + 1),
}


@pytest.mark.parametrize("numbering", NUMBERINGS)
@pytest.mark.parametrize("year", range(2019, 2027))
def test_every_week_is_found_however_weeks_are_numbered(numbering, year):
    """Asked for alone: the numbers next to its own are asked for too, and the instants inside decide."""
    number = NUMBERINGS[numbering]
    mondays = [dt.date(year, 1, 1) + n * DAY for n in range(365)]
    for monday in (day for day in mondays if day.weekday() == 0):
        weeks = fxcm._weeks(monday, monday + 4 * DAY)
        # Two weeks with one number would be one file.
        assert number(monday) in weeks or (numbering == "one less" and number(monday)[0] != monday.year)
        assert len(weeks) <= 4


@pytest.mark.parametrize("numbering", ["that of ISO", "of the calendar year"])
def test_a_history_over_the_end_of_years_is_whole(numbering):
    bars = made_up(dt.date(2023, 11, 6), 300, weekdays=True)
    wanted = request(first=bars[0].session_date, until=bars[-1].session_date + DAY)
    payloads, asked = fetched(wanted, bars=bars, number=NUMBERINGS[numbering])
    assert sessions(payloads) == [bar.session_date for bar in bars]
    assert len({told.path for told in asked}) == len(asked)


def test_a_week_that_is_not_there_was_not_published():
    """As 1, 35, 51 and 52 of 2024 are not."""
    bars = made_up(dt.date(2024, 8, 19), 20, weekdays=True)
    wanted = request(first=bars[0].session_date, until=bars[-1].session_date + DAY)
    payloads, _ = fetched(wanted, bars=bars, missing=[(2024, 35)])
    assert sessions(payloads) == [bar.session_date for bar in bars[:5] + bars[10:]]


def test_a_week_that_is_not_out_yet_is_no_error():
    as_of = dt.datetime(2024, 1, 19, 14)
    assert fetched(request(as_of=as_of), bars=[])[0] == []


@pytest.mark.parametrize("symbol", ["EURUSD", "NOTHING"])
def test_where_nothing_is_published_for_weeks_or_of_such_a_pair_that_is_an_error(symbol):
    as_of = LATER if symbol == "EURUSD" else dt.datetime(2024, 1, 19, 14)
    with pytest.raises(VendorError, match=r"none of 3 files .* one of AUDCAD"):
        fetched(request(symbol=symbol, as_of=as_of), bars=[])


def test_an_increment_asks_for_its_week_and_the_numbers_next_to_it():
    _, asked = fetched(request())
    assert [told.path for told in asked] == [f"/H1/EURUSD/2024/{week}.csv.gz" for week in (2, 3, 4)]


def test_nothing_later_than_the_as_of_is_asked_for():
    as_of = dt.datetime(2024, 1, 17, 14)
    assert fetched(request(first=MONDAY + 7 * DAY, until=MONDAY + 9 * DAY, as_of=as_of)) == ([], [])
    payloads, _ = fetched(request(as_of=as_of), now=as_of)
    assert sessions(payloads) == [MONDAY, MONDAY + DAY]
    (refused,) = fxcm.parse(payloads[0]).refused.to_pylist()
    assert (refused["session_date"], refused["reason"]) == (MONDAY + 2 * DAY, "unclosed")


@pytest.mark.parametrize(
    "day",
    [
        bad_days.says(200, b""),
        bad_days.says(200, packed(text(LINES))[:-9]),
        bad_days.says(200, "<html>be right back</html>"),
    ],
    ids=["nothing", "a cut file", "a page"],
)
def test_an_answer_that_is_no_file_is_asked_for_again(day):
    payloads, asked = fetched(request(), None, day)
    assert len(asked) == 4
    assert sessions(payloads) == [bar.session_date for bar in WEEK]


def test_a_refusal_ends_the_load_and_leaves_what_was_given():
    bars = made_up(MONDAY, 10, weekdays=True)
    days = (None, None, bad_days.says(403, "no"))
    with Server(shape.speak(bars, LATER), *days) as server, connect("fxcm", server) as http:
        payloads = fxcm.fetch(request(until=MONDAY + 12 * DAY), http)
        assert sessions([next(payloads)]) == [bar.session_date for bar in WEEK]
        with pytest.raises(VendorError, match="refuses for a while"):
            next(payloads)


def test_the_daily_files_are_not_asked_for():
    """They come once a year, and where their day begins is stated nowhere."""
    _, asked = fetched(request(first=dt.date(2022, 1, 3)))
    assert all(told.path.startswith("/H1/") for told in asked)


def test_the_first_hour_of_a_session_is_its_first_in_new_york():
    (start, _), *_, (last, _) = shape.hours(WEEK[0])
    assert (start, last + HOUR) == (dt.datetime(2024, 1, 14, 22), dt.datetime(2024, 1, 15, 22))
