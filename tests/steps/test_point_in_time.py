"""A published point-in-time table, told to our own SQL: a return on equity, published over and restated.

What a public database answers about Kweichow Moutai's quarters, `bars` and `vintage_bars` answer too: the
newest period known on a day, in the version known on that day.
"""

import datetime as dt
import json
import shutil
from itertools import pairwise
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from flows.publish import PUBLISHED
from python_steps import warehouse
from tests.worlds.small import World

PUBLIC = json.loads(Path(__file__).with_name("roe_sh600519.json").read_text("utf-8"))
TOLD = pd.DataFrame(PUBLIC["told"], columns=["published", "period", "value"])
RESTATED = ["2008-03-13", "2012-04-11", "2019-07-18"]
MODELS = ["+vintage_bars"]

# As prices, which are above 0.
LANDED = """
    insert into raw.bars by name
    select
        1 as batch_id, 1 as payload_number, row_number() over () as row_number, 'SH600519' as symbol,
        make_date(period // 100, 3 * (period % 100), 1) as session_date,
        row_number() over (partition by period order by published) as version,
        session_date as opened_at, session_date as closed_at,
        published as available_at, published as recorded_at, published as known_at,
        1 + value as close, 'public' as vendor
    from (select published::timestamp as published, period, value from told)
"""
REGISTERED = """
    insert into raw.assets by name
    select 1 as batch_id, 'SH600519' as symbol, 'equity' as asset_class, 'XNYS' as venue, 'USD' as currency,
        'none' as adjustment
"""
AS_OF = """
    select round(close - 1, 9) from main.bars
    where known_at <= $at and coalesce(superseded_at, 'infinity') > $at
    order by session_date desc limit $periods
"""


@pytest.fixture(scope="module")
def file(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(small_world, tmp_path_factory.mktemp("roe"), dt.datetime(2020, 1, 1))


def made(world: World, folder: Path, as_of: dt.datetime) -> Path:
    """The table as it stood at a run's as_of, from raw rows to vintages."""
    file = Path(shutil.copy(world.origin.file, folder / PUBLISHED))
    con = warehouse.connect(file)
    try:
        con.register("told", TOLD)
        con.execute("truncate raw.bars")
        con.execute(LANDED)
        con.execute("insert into raw.asset_vendors values (1, 'SH600519', 'public')")
        con.execute(REGISTERED)
        con.execute(
            "update raw.runs set as_of = ? where run_number = (select max(run_number) from raw.runs)", [as_of]
        )
    finally:
        con.close()
    world.dbt.on(file).run(select=MODELS)
    return file


def asked(file: Path, query: str, **parameters: object) -> list[tuple]:
    con = duckdb.connect(str(file), read_only=True)
    try:
        return con.execute(query, parameters or None).fetchall()
    finally:
        con.close()


def newest(file: Path, day: str, periods: int = 1) -> list[float]:
    """The newest periods known on a day, newest first."""
    return [value for (value,) in asked(file, AS_OF, at=dt.datetime.fromisoformat(day), periods=periods)]


@pytest.mark.parametrize(("day", "value"), PUBLIC["said"])
def test_the_newest_period_known_on_a_day_has_the_published_value(file: Path, day: str, value: float) -> None:
    assert newest(file, day) == [pytest.approx(value, abs=6e-7)]


@pytest.mark.parametrize(("day", "value", "mean"), PUBLIC["means"])
def test_the_mean_of_two_periods_takes_both_as_they_were_known(
    file: Path, day: str, value: float, mean: float
) -> None:
    found = newest(file, day, periods=2)
    assert found[0] == pytest.approx(value, abs=6e-7)
    assert sum(found) / 2 == pytest.approx(mean, abs=6e-7)


def test_a_value_stands_until_the_moment_the_next_is_published(file: Path) -> None:
    second = dt.timedelta(seconds=1)
    days = sorted({dt.datetime.fromisoformat(day) for day in TOLD["published"]})
    for before, day in pairwise(days):
        just_before = asked(file, AS_OF, at=day - second, periods=1)
        assert (
            just_before == asked(file, AS_OF, at=before, periods=1) != asked(file, AS_OF, at=day, periods=1)
        )
    assert asked(file, AS_OF, at=days[0] - second, periods=1) == []


def test_an_as_of_join_on_vintages_gives_the_same(file: Path) -> None:
    """The way of our models: each vintage shows the bars visible in it, and a day takes the newest of them.

    A restatement of what was known already is no row of a vintage's own, so its day is left out here.
    """
    query = """
        with days as (select unnest($days::timestamp[]) as day),
        newest as (
            select known_at, round(arg_max(close, session_date) - 1, 9) as close
            from main.vintage_bars where is_own and not is_late group by known_at
        )
        select days.day::date::varchar, newest.close
        from days asof join newest on days.day >= newest.known_at order by days.day
    """
    published = [(day, value) for day, value in PUBLIC["said"] if day not in RESTATED]
    found = asked(file, query, days=[day for day, _ in published])
    assert found == [(day, pytest.approx(value, abs=6e-7)) for day, value in published]


def test_each_restatement_ends_a_vintage(file: Path) -> None:
    ends = asked(file, "select until_at::date::varchar from main.vintages order by vintage")
    assert [end for (end,) in ends] == [*RESTATED, None]


def test_a_restatement_after_as_of_is_not_there(small_world: World, tmp_path: Path) -> None:
    file = made(small_world, tmp_path, dt.datetime(2019, 7, 17))
    assert newest(file, "2019-12-31") == [0.0]
    assert asked(file, "select max(known_at)::date::varchar from main.bars") == [("2019-07-13",)]


def test_the_latest_version_alone_would_have_said_otherwise(file: Path) -> None:
    """What the table guards against: the corrected value under the first publication's date."""
    leaky = """
        select round(close - 1, 9) from main.bars
        where superseded_at is null and session_date = date '2019-06-01'
    """
    assert asked(file, leaky) == [(0.175322,)] != [tuple(newest(file, "2019-07-15"))]
