"""The session calendar: what the script writes, and dates whose instants are known by other means."""

import csv
import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from exchange_calendars import get_calendar

from python_steps.study import SEEDS
from python_steps.write_sessions import EXCHANGES, FIRST, LAST, SESSIONS, Session, easter, sessions, to_csv

ROWS = sessions()
BY_DAY = {(row.venue, str(row.session_date)): row for row in ROWS}
VENUES = sorted({row.venue for row in ROWS})
SEEDED = list(csv.DictReader(SESSIONS.read_text("utf-8").splitlines()))


def venue(name: str) -> list[Session]:
    return [row for row in ROWS if row.venue == name]


def test_the_seed_is_what_the_script_writes():
    assert SESSIONS.read_text("utf-8") == to_csv(ROWS)


def test_rows_are_sorted_and_no_session_stands_twice():
    keys = [(row.venue, row.session_date) for row in ROWS]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("name", VENUES)
def test_sessions_follow_each_other_without_overlap(name: str):
    rows = venue(name)
    assert all(row.opened_at <= row.closed_at for row in rows)
    assert all(before.closed_at <= after.opened_at for before, after in pairwise(rows))


@pytest.mark.parametrize("name", VENUES)
def test_the_calendar_reaches_from_2013_to_2027(name: str):
    rows = venue(name)
    assert rows[0].session_date - FIRST < dt.timedelta(days=4)  # New Year in Tokyo is three days
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
        # London changed with Frankfurt: three weeks after New York in spring, a week before it in autumn.
        ("XLON", "2019-03-29", "2019-03-29 08:00", "2019-03-29 16:30"),
        ("XLON", "2019-04-01", "2019-04-01 07:00", "2019-04-01 15:30"),
        ("XLON", "2019-10-28", "2019-10-28 08:00", "2019-10-28 16:30"),
        ("XLON", "2019-12-24", "2019-12-24 08:00", "2019-12-24 12:30"),
        ("XETR", "2019-04-01", "2019-04-01 07:00", "2019-04-01 15:30"),
        ("XETR", "2019-10-28", "2019-10-28 08:00", "2019-10-28 16:30"),
        # Tokyo has no summer time, and closes half an hour later since 2024-11-05.
        ("XTKS", "2019-07-01", "2019-07-01 00:00", "2019-07-01 06:00"),
        ("XTKS", "2024-11-05", "2024-11-05 00:00", "2024-11-05 06:30"),
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
        ("XNYS", "2025-01-09"),  # mourning for J. Carter
        ("XLON", "2022-09-19"),  # funeral of Elizabeth II
        ("XLON", "2019-08-26"),
        ("XETR", "2019-05-01"),
        ("XTKS", "2019-05-01"),  # enthronement of Naruhito
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


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_seed_has_the_sessions_and_hours_of_exchange_calendars(name: str):
    calendar = get_calendar(name, start=str(FIRST), end=str(LAST))
    told = {
        str(day.date()): tuple(str(at.tz_localize(None)) for at in (opened, closed))
        for day, opened, closed in calendar.schedule[["open", "close"]].itertuples()
    }
    seeded = {
        row["session_date"]: (row["opened_at"], row["closed_at"]) for row in SEEDED if row["venue"] == name
    }
    assert seeded == told
    assert len(seeded) > 3600


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_days_that_close_early_are_those_of_exchange_calendars(name: str):
    calendar = get_calendar(name, start=str(FIRST), end=str(LAST))
    zone = ZoneInfo(str(calendar.tz))
    closes = {row.session_date: _local(row.closed_at, zone) for row in venue(name)}
    usual: dict[dt.date, dt.time] = {}
    for since, at in calendar.close_times:
        usual |= {day: at for day in closes if since is None or day >= since.date()}
    early = {day for day, at in closes.items() if at < usual[day]}
    assert early == {day.date() for day in calendar.early_closes}
    assert bool(early) == (name != "XTKS")


def test_a_nasdaq_session_is_one_of_new_york():
    ours, theirs = (get_calendar(name, start=str(FIRST), end=str(LAST)).schedule for name in ("XNYS", "XNAS"))
    assert ours.equals(theirs)


def test_currencies_go_from_five_to_five_in_new_york_all_year():
    assert {_local(row.opened_at, ZoneInfo("America/New_York")) for row in venue("FX")} == {dt.time(17)}
    assert {_local(row.closed_at, ZoneInfo("America/New_York")) for row in venue("FX")} == {dt.time(17)}
    lengths = {row.closed_at - row.opened_at for row in venue("FX")}
    assert lengths == {dt.timedelta(days=1)}  # clocks change in the weekend


def test_the_ecb_fixes_at_a_quarter_past_two_in_frankfurt_all_year():
    assert {_local(row.closed_at, ZoneInfo("Europe/Berlin")) for row in venue("ECB")} == {dt.time(14, 15)}


def test_every_venue_has_sessions_a_lag_and_the_zone_of_its_calendar():
    venues = {row["venue"]: row for row in csv.DictReader((SEEDS / "venues.csv").read_text().splitlines())}
    assert sorted(venues) == VENUES
    assert all(int(row["lag_minutes"]) > 0 for row in venues.values())
    assert all(venues[name]["time_zone"] == str(get_calendar(name).tz) for name in EXCHANGES)


def _local(instant: dt.datetime, zone: ZoneInfo) -> dt.time:
    return instant.replace(tzinfo=dt.UTC).astimezone(zone).time()
