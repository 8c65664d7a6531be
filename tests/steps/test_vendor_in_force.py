"""Each vendor's bars are a chain of their own, and those of one vendor are used: the first one, for good."""

import datetime as dt
from pathlib import Path

import pytest

from flows.guards.identity import examine
from python_steps import study, warehouse
from python_steps.adapters import file
from python_steps.land_bars import land_bars, next_batch_id
from python_steps.register_assets import Delivery
from tests.steps.landing_world import STUDY, WALL_CLOCK, World
from tests.worlds.small import RUNS
from tests.worlds.small import World as SmallWorld

HEADER = "symbol, date, close, vendor"
CHAINS = "select vendor, version, close from raw.bars order by vendor, version"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def in_force(world: World) -> dict[str, str]:
    return dict(world.rows("select symbol, vendor from raw.asset_vendors"))


# Chains


def test_another_vendor_restates_nothing(world: World):
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 100, yahoo", as_of="2019-01-03")
    report = world.land(f"{HEADER}\nAAPL, 2019-01-02, 101, alpha_vantage", as_of="2019-01-04")
    assert report.restated == 0
    assert world.rows(CHAINS) == [("alpha_vantage", 1, 101.0), ("yahoo", 1, 100.0)]


def test_a_vendor_restates_its_own_bar_and_no_other(world: World):
    both = f"{HEADER}\nAAPL, 2019-01-02, 100, yahoo\nAAPL, 2019-01-02, 101, alpha_vantage"
    world.land(both, as_of="2019-01-03")
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 102, alpha_vantage", as_of="2019-01-04")
    assert world.rows(CHAINS) == [
        ("alpha_vantage", 1, 101.0),
        ("alpha_vantage", 2, 102.0),
        ("yahoo", 1, 100.0),
    ]


def test_two_vendors_may_tell_of_one_bar_in_one_file(world: World):
    report = world.land(f"{HEADER}\nAAPL, 2019-01-02, 100, yahoo\nAAPL, 2019-01-02, 101, alpha_vantage")
    assert (report.rows_landed, report.rows_quarantined) == (2, 0)


def test_a_bad_first_print_of_one_vendor_makes_no_other_late(world: World):
    world.land(
        f"{HEADER}\nAAPL, 2019-01-02, 0, alpha_vantage\nAAPL, 2019-01-02, 100, yahoo", as_of="2019-01-05"
    )
    assert world.rows("select known_at = available_at from raw.bars") == [(True,)]


def test_what_a_new_vendor_tells_of_the_past_is_known_when_it_was_told(world: World):
    """Runs in between were made without it, and what was decided then is not to be seen otherwise."""
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 100, yahoo", as_of="2019-01-03")
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 101, alpha_vantage", as_of="2019-01-09")
    [(known_at,)] = world.rows("select known_at from raw.bars where vendor = 'alpha_vantage'")
    assert known_at == dt.datetime(2019, 1, 9)


# The vendor in force


def test_a_row_without_a_vendor_speaks_for_the_vendor_in_force(world: World):
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 100, yahoo", as_of="2019-01-03")
    report = world.land("symbol, date, close\nAAPL, 2019-01-02, 99", as_of="2019-01-04")
    assert report.restated == 1
    assert world.rows(CHAINS) == [("yahoo", 1, 100.0), ("yahoo", 2, 99.0)]


def test_a_row_without_a_vendor_restates_the_sample(tmp_path: Path):
    world = World(tmp_path, seeds=STUDY)
    payload = file.fetch(study.SEEDS / "sample" / "bars.parquet")
    world.land(Delivery(file.parse(payload).rows, payload.payload_hash, payload.name))
    report = world.land(
        "symbol, date, close\nAAPL, 2019-09-30, 200\nEUR-USD, 2019-09-30, 1.1", as_of="2019-10-02"
    )
    assert (report.rows_landed, report.restated) == (2, 2)
    assert len(in_force(world)) == 40


def test_of_the_first_vendors_the_one_whose_feed_goes_first_is_in_force(world: World):
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 101, alpha_vantage\nAAPL, 2019-01-02, 100, yahoo")
    assert in_force(world) == {"AAPL": "yahoo"}


def test_a_vendor_without_a_feed_comes_after_those_with_one_and_then_by_name(world: World):
    world.land(
        f"{HEADER}\nAAPL, 2019-01-02, 1, a\nAAPL, 2019-01-02, 2, alpha_vantage\n"
        "KO, 2019-01-02, 3, z\nKO, 2019-01-02, 4, b"
    )
    assert in_force(world) == {"AAPL": "alpha_vantage", "KO": "b"}


def test_a_later_vendor_is_never_in_force_even_where_it_would_have_gone_first(world: World):
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 101, alpha_vantage", as_of="2019-01-03")
    world.land(f"{HEADER}\nAAPL, 2019-01-02, 100, yahoo", as_of="2019-01-04")
    assert in_force(world) == {"AAPL": "alpha_vantage"}


def test_a_feed_with_sessions_of_its_own_is_dated_by_them(world: World):
    header = "symbol, opened_at, closed_at, close, vendor"
    world.land(f"{header}\nEUR-USD, 2019-01-02 22:00, 2019-01-03 22:00, 1.14, oanda", as_of="2019-01-04")
    assert world.rows("select session_date::varchar, available_at from raw.bars") == [
        ("2019-01-03", dt.datetime(2019, 1, 3, 22, 5))
    ]


# What follows from bars


USED = ("bars", "assets", "vintage_returns", "signals", "order_returns", "strategy_pnl")


def used(path: Path) -> dict[str, str]:
    con = warehouse.connect(path, read_only=True)
    try:
        return {table: warehouse.rows_digest(con, f"select * from main.{table}") for table in USED}
    finally:
        con.close()


def test_what_a_second_vendor_tells_changes_no_bar_in_use_and_nothing_after_it(small_world: SmallWorld):
    alone, beside = (small_world.rebuilt(name) for name in ("one_vendor", "two_vendors"))
    con = warehouse.connect(beside)
    try:
        rows = file.parse(_twice_the_price(con, small_world.folder)).rows
        batch = {"batch_id": next_batch_id(con), "run_id": "second", "loaded_at": WALL_CLOCK}
        as_of = RUNS[-1] + dt.timedelta(minutes=1)
        report = land_bars(con, [Delivery(rows, "hash", "second", "second")], STUDY, as_of=as_of, **batch)
        con.execute("update raw.runs set as_of = ?, batch_until = ?", [as_of, batch["batch_id"]])
    finally:
        con.close()
    assert report.rows_landed > 3000
    for path in (alone, beside):
        small_world.dbt.on(path).run(select=["+strategy_pnl", "+signals"])
    assert used(beside) == used(alone)
    assert [str(finding) for finding in examine(beside, ["raw.bars", "bars"]).findings] == []


def _twice_the_price(con, folder: Path) -> file.Payload:
    path = folder / "second.parquet"
    con.execute(
        "copy (select symbol, opened_at, closed_at, 2 * open as open, 2 * high as high, 2 * low as low,"
        f" 2 * close as close, volume from raw.bars where version = 1) to '{path}'"
    )
    return file.fetch(path)
