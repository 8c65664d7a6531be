"""Nothing anticipates: what was known at a cut is the same, bit for bit, whatever came after it."""

import datetime as dt
from pathlib import Path

import pytest

from flows.dbt import Dbt
from flows.guards.compare import count_compared, differences
from flows.guards.counterfactual import POISONS, cut_off, left_cut, poison
from flows.guards.findings import Finding
from python_steps import warehouse
from tests.worlds import small
from tests.worlds.small import CUTS, RUNS, World

# Here every table is made; elsewhere those that a decision reads, with the decision.
SHOWN = (
    *("inside warm-up", "in the middle of a test span, at a decision", "while vendors disagree"),
    *("a minute after a bad tick is condemned", "at the first decision after a test span"),
    *(
        "a minute after the split is told",
        "a minute before the restatement",
        "a minute after the restatement",
    ),
    *("just after the late bar", "a minute after a dividend is told late", "just before the last bar"),
    *("a minute after a split is told late", "a minute after a true fall is acquitted"),
)
POISONED = (
    "in the middle of a test span, at a decision",
    "a minute before the restatement",
    "while a dividend is not told",
    "just before the last bar",
)


@pytest.mark.parametrize("event", CUTS)
def test_what_is_known_at_a_cut_does_not_change_with_what_comes_later(small_world: World, event: str) -> None:
    origin, whole = small_world.origin, small_world.whole
    compared = cut_off(origin, whole, event, CUTS[event], is_shown=event in SHOWN)
    assert not compared.findings, _said(compared.findings)
    assert compared.rows > 0


@pytest.mark.parametrize("event", POISONED)
@pytest.mark.parametrize("how", POISONS)
def test_what_is_known_at_a_cut_does_not_change_with_other_values_after_it(
    small_world: World, event: str, how: str
) -> None:
    origin, whole = small_world.origin, small_world.whole
    compared = poison(origin, whole, event, CUTS[event], how, is_shown=event == POISONED[-1])
    assert not compared.findings, _said(compared.findings)


def test_what_is_past_its_warm_up_does_not_change_when_the_oldest_fifth_is_gone(small_world: World) -> None:
    found = left_cut(small_world.origin, small_world.whole)
    assert not found, _said(found)


def test_four_runs_say_what_one_run_says(small_world: World) -> None:
    found = differences(small_world.whole, small_world.grown.file, RUNS[-1])
    assert not found, found


def test_one_more_day_adds_one_decision_and_changes_none(small_world: World) -> None:
    grown = small_world.grown
    assert grown.added[-1] == 1
    found = differences(grown.file, grown.before, RUNS[-2])
    assert not found, found
    decisions = "select count(*) from steps.allocation_log"
    assert _one(grown.file, decisions) == _one(grown.before, decisions) + 1


def test_dbt_itself_makes_the_same_tables(small_world: World) -> None:
    """The guards run what dbt compiled; this shows that dbt runs the same."""
    file = small_world.rebuilt("made by dbt")
    Dbt(file).run(exclude=["source:steps+"])
    tables = ["main.signals", "main.examples", "main.data_quality", "main.labels"]
    assert differences(small_world.whole, file, RUNS[-1], tables=tables) == []


def test_a_cut_compares_every_table_and_many_rows(small_world: World) -> None:
    tables, rows = count_compared(small_world.whole, CUTS["just before the last bar"])
    assert tables > 40
    assert rows > 300_000


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
        (small.SPLIT[0], dt.datetime.combine(small.SPLIT[1], dt.time(0))),
        (small.DIVIDEND[0], small.DIVIDEND[3]),
        *((one[0], dt.datetime.combine(one[1], dt.time(0))) for one in small.ACTIONS),
        *((one[0], one[4]) for one in small.ACTIONS if one[4]),
        ("USD-JPY", CUTS["before a split of the weekend is told"]),
        ("BBB", CUTS["in the middle of a test span, at a decision"]),
        (small.TICK[0], small.TICK_KNOWN),
        (small.FALL[0], small.FALL_KNOWN),
        (small.SECOND[0], CUTS["while vendors disagree"]),
        ("AAA", CUTS["in the middle of a test span, at a decision"]),
    ],
)
def test_something_is_held_when_it_happens(small_world: World, symbol: str, at: dt.datetime) -> None:
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
    assert _one(small_world.whole, held) > 0.005
    assert _one(small_world.whole, position) == 1


def test_the_events_happened(small_world: World) -> None:
    def told(query: str) -> object:
        return _one(small_world.whole, query)

    single = "symbol not in ('BBB', 'CCC')"
    assert told(f"select count(*) from main.bars where version = 2 and {single}") == 2
    late = "select list(symbol || ' ' || session_date order by symbol) from main.first_prints where is_late"
    happened = (small.TWO_DAYS_LATE, small.LATE, small.FALL, small.TICK)
    assert told(late) == sorted(f"{symbol} {date}" for symbol, date, *_ in happened)
    assert told("select count(*) from main.order_fills where status = 'lapsed'") > 0
    assert told("select count(*) from main.closing_sales") == 1
    assert told("select count(*) from main.data_quality where is_excluded") > 0
    for symbol, ex_date, factor, known_at in (small.SPLIT, small.DIVIDEND):
        adjusted = f"""
            select count(*) from main.bars inner join main.bars as first using (symbol, session_date)
            where bars.symbol = '{symbol}' and bars.version = 2 and first.version = 1
                and bars.known_at = timestamp '{known_at}' and bars.session_date < date '{ex_date}'
                and abs(bars.close / first.close - {factor}) < 1e-12
        """
        assert told(adjusted) == told(
            f"select count(*) from main.bars where symbol = '{symbol}' and version = 2"
        )
        assert told(adjusted) > 300
        assert told(f"select max(version) from main.bars where symbol = '{symbol}'") == 2
    late = [one for one in small.ACTIONS if one[4] and one[4].date() > one[1]]
    assert told("select count(*) from main.late_actions") == len(late) == 4
    assert told("select count(distinct told_at) from main.late_bookings") == 4
    on_a_saturday = "select count(*) from main.late_bookings where symbol = 'KKK-USD'"
    assert told(on_a_saturday) == 2  # at the mark when it is told, and at the fill that is known a day later
    assert told("select count(*) from main.return_corrections") == 3
    corrected = "select count(*) from main.strategy_pnl where status = 'corrected' and gross_return <> 0"
    assert told(corrected) >= 3
    rates = "select string_agg(distinct currency, ' ' order by currency) from main.fx_rates"
    assert told(rates) == "EUR JPY KKK MMM NOK"
    verdict = "select verdict || ' ' || known_at from main.bar_verdicts where symbol = '{}'"
    assert told(verdict.format(small.TICK[0])) == f"condemned {small.TICK_KNOWN + small.DAY}"
    assert told(verdict.format(small.FALL[0])) == f"acquitted {small.FALL_KNOWN + small.DAY}"
    assert told(verdict.format("AAA")) == "acquitted 2017-04-18 20:30:00"  # the split is told
    assert told("select count(*) from main.suspect_bars") == 3
    assert told("select count(*) from main.vendor_differences where is_beyond") == 1
    reasons = """
        select list(reason order by decision_at) from main.data_quality
        where is_excluded and not reason like '%late' and not reason like '%no bar%'
    """
    assert told(reasons) == [
        "vendors disagree on the bar of 2017-03-22",
        "bar of 2017-03-28 is suspect: spike",
        "bar of 2017-08-22 is suspect: spike",
    ]
    listed_at = told(f"select listed_at from main.assets where symbol = '{small.LISTED_LATE}'")
    assert listed_at == RUNS[1]


def _said(found: list[Finding]) -> str:
    return "\n".join(str(one) for one in found)


def _one(file: Path, query: str) -> object:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query).fetchall()[0][0]
    finally:
        con.close()
