"""Nothing anticipates: what was known at a cut is the same, bit for bit, whether or not more came later."""

import datetime as dt
from pathlib import Path

import pytest

from python_steps import warehouse
from tests.leakage.compare import differences
from tests.worlds import small
from tests.worlds.small import CUTS, RUNS, World


@pytest.fixture(scope="module")
def whole(small_world: World) -> Path:
    """All decisions of the history made in one go, from everything that was told."""
    file = small_world.rebuilt("whole")
    small_world.compute(file)
    return file


@pytest.mark.parametrize("event", CUTS)
def test_what_is_known_at_a_cut_does_not_change_with_what_comes_later(
    small_world: World, whole: Path, event: str
) -> None:
    at = CUTS[event]
    cut = small_world.rebuilt(event.replace(" ", "_"), until=at)
    small_world.compute(cut)
    found = differences(whole, cut, at)
    assert not found, _said(event, at, found)


def test_four_runs_say_what_one_run_says(small_world: World, whole: Path) -> None:
    found = differences(whole, small_world.file, RUNS[-1])
    assert not found, _said("after four runs", RUNS[-1], found)


def test_one_more_day_adds_one_decision_and_changes_none(small_world: World) -> None:
    assert small_world.added[-1] == 1
    found = differences(small_world.file, small_world.before, RUNS[-2])
    assert not found, _said("before the last day", RUNS[-2], found)
    decisions = "select count(*) from steps.allocation_log"
    assert _one(small_world.file, decisions) == _one(small_world.before, decisions) + 1


@pytest.mark.parametrize(
    ("symbol", "at"),
    [
        (small.RESTATED[0], small.RESTATED[3]),
        (small.RESTATED[0], dt.datetime.combine(small.RESTATED[1], dt.time(23))),
        (small.RATE_RESTATED[0], small.RATE_RESTATED[3]),
        (small.LATE[0], small.LATE[2]),
        (small.LATE[0], dt.datetime.combine(small.LATE[1], dt.time(23))),
        (small.TWO_DAYS_LATE[0], small.TWO_DAYS_LATE[2]),
        (small.ENDED[0], small.ENDED[2]),
        ("AAA", CUTS["in the middle of a test span, at a decision"]),
    ],
)
def test_something_is_held_when_it_happens(whole: Path, symbol: str, at: dt.datetime) -> None:
    """A guard that cuts where nothing is held is worth nothing."""
    held = f"""
        select weight from steps.target_exposures
        where symbol = '{symbol}' and decision_at <= timestamp '{at}' order by decision_at desc limit 1
    """
    position = f"""
        select position from main.positions
        where strategy = 'always_long' and symbol = '{symbol}' and decision_at <= timestamp '{at}'
        order by decision_at desc limit 1
    """
    assert _one(whole, held) > 0.005
    assert _one(whole, position) == 1


def test_the_events_happened(whole: Path) -> None:
    assert _one(whole, "select count(*) from main.bars where version = 2") == 2
    assert _one(whole, "select count(*) from main.first_prints where is_late") == 2
    assert _one(whole, "select count(*) from main.order_fills where status = 'lapsed'") > 0
    assert _one(whole, "select count(*) from main.closing_sales") == 1
    assert _one(whole, "select count(*) from main.data_quality where is_excluded") > 0
    listed_at = _one(whole, f"select listed_at from main.assets where symbol = '{small.LISTED_LATE}'")
    assert listed_at == RUNS[1]


def _one(file: Path, query: str) -> object:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query).fetchall()[0][0]
    finally:
        con.close()


def _said(event: str, at: dt.datetime, found: list) -> str:
    lines = "\n".join(str(difference) for difference in found)
    return f"cut at {at} ({event}): {len(found)} tables know what came later\n{lines}"
