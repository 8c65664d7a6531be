"""The session calendar: what the script writes, and dates whose instants are known by other means."""

import datetime as dt
from itertools import pairwise

import pytest

from python_steps.write_sessions import FIRST, LAST, SESSIONS, Session, easter, sessions, to_csv

ROWS = sessions()
BY_DAY = {(row.venue, str(row.session_date)): row for row in ROWS}


def venue(name: str) -> list[Session]:
    return [row for row in ROWS if row.venue == name]


def test_the_seed_is_what_the_script_writes():
    assert SESSIONS.read_text("utf-8") == to_csv(ROWS)


def test_rows_are_sorted_and_no_session_stands_twice():
    keys = [(row.venue, row.session_date) for row in ROWS]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("name", ["CRYPTO", "ECB", "FX", "XNYS"])
def test_sessions_follow_each_other_without_overlap(name: str):
    rows = venue(name)
    assert all(row.opened_at <= row.closed_at for row in rows)
    assert all(before.closed_at <= after.opened_at for before, after in pairwise(rows))


@pytest.mark.parametrize("name", ["CRYPTO", "ECB", "FX", "XNYS"])
def test_the_calendar_reaches_from_2013_to_2027(name: str):
    rows = venue(name)
    assert rows[0].session_date - FIRST < dt.timedelta(days=2)
    assert LAST - rows[-1].session_date < dt.timedelta(days=2)
    assert f"{FIRST} {LAST}" == "2013-01-01 2027-12-31"


@pytest.mark.parametrize(
    ("name", "day", "opened", "closed"),
    [
        # New York changed on Sunday 2019-03-10 and 2019-11-03.
        ("XNYS", "2019-03-08", "2019-03-08 14:30", "2019-03-08 21:00"),
        ("XNYS", "2019-03-11", "2019-03-11 13:30", "2019-03-11 20:00"),
        ("XNYS", "2019-11-01", "2019-11-01 13:30", "2019-11-01 20:00"),
        ("XNYS", "2019-11-04", "2019-11-04 14:30", "2019-11-04 21:00"),
        ("FX", "2019-03-08", "2019-03-07 22:00", "2019-03-08 22:00"),
        ("FX", "2019-03-11", "2019-03-10 21:00", "2019-03-11 21:00"),
        ("FX", "2019-11-04", "2019-11-03 22:00", "2019-11-04 22:00"),
        # Frankfurt changed on Sunday 2019-03-31 and 2019-10-27.
        ("ECB", "2019-03-29", "2019-03-29 13:15", "2019-03-29 13:15"),
        ("ECB", "2019-04-01", "2019-04-01 12:15", "2019-04-01 12:15"),
        ("ECB", "2019-10-25", "2019-10-25 12:15", "2019-10-25 12:15"),
        ("ECB", "2019-10-28", "2019-10-28 13:15", "2019-10-28 13:15"),
        # The day after Thanksgiving closes at 13:00 New York time.
        ("XNYS", "2019-11-29", "2019-11-29 14:30", "2019-11-29 18:00"),
        ("CRYPTO", "2019-12-25", "2019-12-25 00:00", "2019-12-26 00:00"),
    ],
)
def test_a_session_opens_and_closes_when_it_did(name: str, day: str, opened: str, closed: str):
    row = BY_DAY[name, day]
    assert (row.opened_at, row.closed_at) == tuple(map(dt.datetime.fromisoformat, (opened, closed)))


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("ECB", "2019-04-19"),  # Good Friday
        ("ECB", "2019-04-22"),  # Easter Monday
        ("ECB", "2019-05-01"),
        ("ECB", "2018-12-26"),
        ("XNYS", "2018-12-05"),  # mourning for G. H. W. Bush
        ("XNYS", "2019-11-28"),
        ("FX", "2019-03-09"),
    ],
)
def test_a_closed_day_has_no_session(name: str, day: str):
    assert (name, day) not in BY_DAY


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2013, 3, 31), (2019, 4, 21), (2025, 4, 20), (2027, 3, 28)]
)
def test_easter_falls_where_the_church_says(year: int, month: int, day: int):
    assert easter(year) == dt.date(year, month, day)
