"""A change of the calendar is not expected before it was told: nor in fills, nor in lapses, nor in staleness.

In the small world New York has no session on 2017-02-20. Here it had been planned to have one.
"""

import datetime as dt
import json
from pathlib import Path

import pytest

from flows.guards.compare import differences
from flows.guards.identity import examine
from python_steps import study, warehouse
from tests.worlds.small import RUNS, World

HOLIDAY, AFTER = dt.date(2017, 2, 20), dt.date(2017, 2, 21)
FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (dt.datetime(2017, 2, day, 14) for day in (17, 20, 21, 22))
HOUR = dt.timedelta(hours=1)
TABLES = ["main.order_fills", "main.data_quality"]


def rebuilt(world: World, told_at: dt.datetime, until: dt.datetime = RUNS[-1]) -> Path:
    """The small world known by an instant, where the holiday was told at another."""
    path = world.rebuilt(f"holiday told {told_at:%d %H} until {until:%Y%m%d %H}", until)
    plan = {
        "venue": "XNYS",
        "session_date": str(HOLIDAY),
        "opened_at": f"{HOLIDAY} 14:30:00",
        "closed_at": f"{HOLIDAY} 21:00:00",
        "known_at": str(told_at),
    }
    con = warehouse.connect(path)
    try:
        con.execute(
            "update raw.study set rows_json = $1 where seed = 'calendar_changes'", [json.dumps([plan])]
        )
        con.execute(
            "update raw.runs set as_of = $1 where run_number = (select max(run_number) from raw.runs)",
            [until],
        )
    finally:
        con.close()
    world.dbt.on(path).run(select=["+order_fills", "+data_quality"])
    return path


@pytest.fixture(scope="module")
def told_before(small_world: World) -> Path:
    return rebuilt(small_world, FRIDAY - HOUR)


@pytest.fixture(scope="module")
def told_after(small_world: World) -> Path:
    return rebuilt(small_world, FRIDAY + HOUR)


@pytest.fixture(scope="module")
def told_too_late(small_world: World) -> Path:
    return rebuilt(small_world, TUESDAY + HOUR)


def query(path: Path, sql: str, *values: object) -> list[tuple]:
    con = warehouse.connect(path, read_only=True)
    try:
        return con.execute(sql, list(values)).fetchall()
    finally:
        con.close()


def order(path: Path, decision_at: dt.datetime) -> tuple:
    sql = "select fill_session, status, known_at from main.order_fills"
    [found] = query(path, f"{sql} where symbol = 'BBB' and decision_at = $1", decision_at)
    return found


def staleness(path: Path, decision_at: dt.datetime) -> float:
    sql = "select staleness_hours from main.data_quality where symbol = 'BBB' and decision_at = $1"
    [(found,)] = query(path, sql, decision_at)
    return found


def test_a_decision_after_the_announcement_is_for_the_session_after_the_holiday(told_before: Path):
    assert order(told_before, FRIDAY) == (AFTER, "superseded", MONDAY)


def test_a_decision_before_it_expects_the_session_and_lapses_when_the_next_one_closes(told_after: Path):
    assert order(told_after, FRIDAY) == (HOLIDAY, "lapsed", dt.datetime(2017, 2, 21, 21))
    assert order(told_after, MONDAY)[:2] == (AFTER, "filled")


def test_a_bar_is_missed_until_it_is_told_that_there_is_none(told_after: Path, told_too_late: Path):
    assert staleness(told_after, TUESDAY) == 0
    assert staleness(told_too_late, TUESDAY) == 16.5  # since 21:30 UTC of the holiday
    assert staleness(told_too_late, WEDNESDAY) == 0


@pytest.mark.parametrize("cut", [FRIDAY + HOUR / 2, TUESDAY + HOUR / 2, TUESDAY + 10 * HOUR])
def test_what_was_known_before_and_after_the_announcement_is_the_same_without_what_came_later(
    small_world: World, told_too_late: Path, cut: dt.datetime
):
    known = rebuilt(small_world, TUESDAY + HOUR, cut)
    assert [str(one) for one in differences(told_too_late, known, cut, TABLES)] == []
    assert query(known, "select count(*) from main.order_fills") > [(1000,)]


def test_the_identity_guard_knows_what_was_expected(told_after: Path, told_too_late: Path):
    for path in (told_after, told_too_late):
        assert [str(finding) for finding in examine(path, TABLES).findings] == []


def test_every_change_in_the_seed_differs_from_what_came_of_it():
    seeds = study.tables(study.read_study())
    sessions = {(row["venue"], row["session_date"]): row for row in seeds["sessions"].to_pylist()}
    changes = seeds["calendar_changes"].to_pylist()
    assert {(row["venue"], row["session_date"]) for row in changes} >= {
        ("XNYS", "2018-12-05"),
        ("XNYS", "2025-01-09"),
    }
    for row in changes:
        actual = sessions.get((row["venue"], row["session_date"]), {"opened_at": None, "closed_at": None})
        assert (row["opened_at"], row["closed_at"]) != (actual["opened_at"], actual["closed_at"])
        assert row["known_at"] < row["session_date"]
