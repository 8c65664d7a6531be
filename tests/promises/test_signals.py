"""What every signal promises, whatever it is called: a new file in macros/signals is enough.

All signals are made at once on each history of the small world, and compared one by one. That a leaky file is
named, from the file to its positions, is shown by tests/leakage/test_leakcheck.py.
"""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from flows.dbt import PROJECT
from flows.guards.compare import Difference, differences
from flows.guards.counterfactual import told_by
from flows.signal_headers import read_header
from python_steps import warehouse
from tests.worlds.small import CUTS, RUNS, World

FILES = {file.stem: file for file in sorted((PROJECT / "macros" / "signals").glob("*.sql"))}
FAMILIES = {
    *("momentum", "cross_section", "trend", "breakout", "mean_reversion", "volatility", "volume"),
    *("seasonality", "factor", "cross_asset"),
}
CUT = ("a minute before the restatement", "a minute after a true fall is acquitted")
POISONED = "in the middle of a test span, at a decision"

SPAN = re.compile(r"(\d+) (bar|day|week|month|quarter|year)s?\b")
# Other spans that a class counts, in months; a bar or a day is one bar.
MONTHS = {3: "bars_per_quarter", 6: "bars_per_half", 12: "bars_per_year"}

# Rows of a file in another order, as if it had been written and read so.
SHUFFLED = """
    select * replace (
        row_number() over (partition by batch_id, payload_number order by hash(symbol, session_date, version))
        as row_number
    )
    from ({bars})
    order by hash(session_date, symbol)
"""
VALUES = """
    select signals.*, prints.known_at as print_known_at
    from main.signals
    left join main.first_prints as prints using (symbol, session_date)
"""
# Of each symbol and signal with a value: how many bars it had by its first one, and what its class counts.
FIRST_VALUES = """
    with
        firsts as (select signal, symbol, min(session_date) as session_date from main.signals group by all),
        numbered as (
            select symbol, session_date, row_number() over (partition by symbol order by session_date) as bars
            from main.first_prints
        )
    select firsts.signal, symbol, numbered.bars, classes.*
    from firsts
    inner join numbered using (symbol, session_date)
    inner join main.assets using (symbol)
    inner join main.asset_classes as classes using (asset_class)
"""


class Histories:
    """The signals of the small world, and of other histories of it, each made once and when asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.made: dict[str, Path] = {}
        self.are_same: dict[str, bool] = {}

    def told(self, name: str) -> Path:
        """All that was told, as it was or `shuffled`."""
        bars = told_by(RUNS[-1])["raw.bars"]
        told = SHUFFLED.format(bars=bars) if name == "shuffled" else bars
        tables = told_by(RUNS[-1]) | {"raw.bars": told}
        return self._of(name, lambda place: self.world.origin.retold(place, tables))

    def cut(self, event: str) -> Path:
        return self._of(event, lambda place: self.world.origin.known_by(CUTS[event], place))

    def poisoned(self, how: str) -> Path:
        return self._of(how, lambda place: self.world.origin.poisoned(CUTS[POISONED], how, place))

    def _of(self, name: str, tell: Callable[[str], Path]) -> Path:
        if name not in self.made:
            self.made[name] = tell(f"promises {name}")
            self.world.dbt.on(self.made[name]).run(select=["+signals"])
        return self.made[name]

    def differing(self, other: Path, until: dt.datetime, signal: str) -> list[Difference]:
        """What a signal said by an instant in the small world, and not in another history."""
        files, tables = (self.world.whole, other), ["main.signals"]
        if str(other) not in self.are_same:  # all signals at once: one by one only where any differs
            self.are_same[str(other)] = not differences(*files, until, tables=tables)
        if self.are_same[str(other)]:
            return []
        return differences(*files, until, tables=tables, conditions={tables[0]: f"signal = '{signal}'"})


@pytest.fixture(scope="module")
def histories(small_world: World) -> Histories:
    return Histories(small_world)


@pytest.fixture(params=FILES)
def signal(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def tables(small_world: World) -> dict[str, dict[str, pd.DataFrame]]:
    """Values and first values, by signal."""
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        found = {"values": con.execute(VALUES).df(), "firsts": con.execute(FIRST_VALUES).df()}
    finally:
        con.close()
    return {name: dict(iter(rows.groupby("signal"))) for name, rows in found.items()}


@pytest.fixture
def said(tables, signal) -> dict[str, pd.DataFrame]:
    """All that a signal says; the test is skipped where that is nothing, for want of peers."""
    if signal not in tables["values"]:
        pytest.skip(f"{signal} says nothing in the small world")
    return {name: rows[signal] for name, rows in tables.items()}


def test_what_is_said_comes_from_the_files_and_nearly_all_of_them_say_something(tables) -> None:
    assert set(tables["values"]) <= set(FILES)
    assert len(tables["values"]) > 0.9 * len(FILES) > 10, sorted(set(FILES) - set(tables["values"]))


def test_its_header_has_every_part_and_its_name(signal) -> None:
    header = read_header(FILES[signal])
    assert header.name == signal
    assert SPAN.search(header.horizon), (
        f"{signal}: Horizon: expected a number of bars, weeks, months or years"
    )


def test_it_stands_in_the_seed_with_a_family(signal) -> None:
    seed = pd.read_csv(PROJECT / "seeds" / "strategies.csv")
    mine = seed[(seed["kind"] == "signal") & (seed["source"] == signal)]
    assert len(mine)
    assert set(mine["family"]) <= FAMILIES
    if "seasonality" in set(mine["family"]):
        assert mine["caution"].notna().all(), f"{signal}: seasons are prone to overfit, and the seed says so"


def test_its_values_lie_between_minus_one_and_one(said) -> None:
    values = said["values"]["value"]
    assert values.between(-1, 1).all()
    assert values.min() < values.max()


def test_it_is_not_known_before_its_bar_is(said) -> None:
    values = said["values"]
    assert (values["known_at"] >= values["print_known_at"]).all()
    assert not values.duplicated(["symbol", "session_date"]).any()


def test_it_says_nothing_before_its_horizon_is_over(said, signal) -> None:
    firsts = said["firsts"]
    spans = [(int(number), unit) for number, unit in SPAN.findall(read_header(FILES[signal]).horizon)]
    horizon = pd.concat([bars_of(firsts, *span) for span in spans], axis=1).max(axis=1)
    early = firsts[firsts["bars"] < horizon]
    assert early.empty, early


def bars_of(classes: pd.DataFrame, number: int, unit: str) -> pd.Series:
    """How many bars of its class a span is."""
    if unit == "month" and number in MONTHS:
        return classes[MONTHS[number]]
    return pd.Series(number * classes.get(f"bars_per_{unit}", 1), classes.index)


def test_the_same_bars_give_the_same_bits(histories, signal) -> None:
    assert histories.differing(histories.told("again"), RUNS[-1], signal) == []


def test_the_order_in_which_bars_are_told_does_not_matter(histories, signal) -> None:
    assert histories.differing(histories.told("shuffled"), RUNS[-1], signal) == []


@pytest.mark.parametrize("event", CUT)
def test_what_it_said_does_not_change_with_what_comes_later(histories, signal, event) -> None:
    assert histories.differing(histories.cut(event), CUTS[event], signal) == []


def test_what_it_said_does_not_change_with_other_values_later(histories, signal) -> None:
    assert histories.differing(histories.poisoned("noise"), CUTS[POISONED], signal) == []


def test_something_is_said_at_every_cut_and_the_bars_were_shuffled(small_world, histories) -> None:
    """Or the comparisons above would be of nothing."""
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        for event in (*CUT, POISONED):
            (count,) = con.execute(
                "select count(*) from main.signals where known_at <= $at", {"at": CUTS[event]}
            ).fetchone()
            assert count > 1000, event
    finally:
        con.close()
    shuffled = warehouse.connect(histories.told("shuffled"), read_only=True)
    try:
        first = shuffled.execute("select row_number from raw.bars limit 50").fetchall()
    finally:
        shuffled.close()
    assert sorted(first) != first
