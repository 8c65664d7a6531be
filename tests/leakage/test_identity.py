"""What is published is what raw bars say; and whatever is edited so that it is not, is found and named."""

import shutil
from pathlib import Path

import pytest

from flows.guards.identity import check, examine
from flows.publish import PUBLISHED
from python_steps import warehouse
from tests.leakage.edited import edited
from tests.worlds.small import ENDED, LATE, LISTED_LATE, World

RECOMPUTED = {
    *(
        "raw.bars",
        "raw.actions",
        "late_actions",
        "return_corrections",
        "sessions",
        "suspect_bars",
        "bar_verdicts",
        "vendor_differences",
        "bars",
        "vintage_prices",
        "first_prints",
        "daily_returns",
        "price_index",
        "bar_statistics",
        "trend_statistics",
        "shape_statistics",
        "range_statistics",
        "signals",
    ),
    *("fx_rates", "last_bars", "assets", "marks", "decision_bars", "decision_returns", "readings"),
    *("exposure_lineage", "data_quality", "order_fills", "order_returns", "positions", "strategy_pnl"),
    *("decisions", "target_exposures", "weight_waterfall", "closing_sales", "allocation_log"),
    "portfolio_returns",
}

# Three sessions of USD-JPY told at once, before the next one closes; and the end of CCC told days after it,
# while its bars go on.
AT_ONCE = """
    update raw.bars set
        batch_id = 2, recorded_at = timestamp '2017-05-01 10:00', known_at = timestamp '2017-05-01 10:00'
    where symbol = 'USD-JPY' and session_date between date '2017-04-26' and date '2017-04-28'
"""

TOLD_TOO_LATE = """
    update raw.assets set member_until = date '2017-08-08', known_at = timestamp '2017-08-14 18:00'
    where symbol = 'CCC' and member_until is not null
"""


@pytest.fixture(scope="module")
def published(small_world: World) -> Path:
    """The small world, with all its decisions."""
    return small_world.whole


@pytest.fixture(scope="module")
def retold(small_world: World) -> Path:
    """The small world told otherwise; what follows from it stands up to the profit."""
    file = small_world.rebuilt("identity_retold")
    _edit(file, AT_ONCE, TOLD_TOO_LATE)
    small_world.dbt.on(file).run(select=["+strategy_pnl", "+decision_returns", "+signals"])
    return file


def test_everything_published_is_what_raw_bars_say(published: Path) -> None:
    examined = examine(published)
    assert [str(finding) for finding in examined.findings] == []
    assert examined.rows.keys() == RECOMPUTED
    assert min(examined.rows.values()) > 0
    strategies = _one(published, "select count(*) from main.strategies")
    assert strategies == _one(published, "select count(distinct strategy) from main.strategy_pnl") > 12


def test_bars_told_at_once_and_an_end_told_late_are_what_raw_bars_say(retold: Path) -> None:
    examined = examine(retold)
    assert [str(finding) for finding in examined.findings] == []
    # Two of those told at once; and a fall acquitted by the bar after it, known as that bar is.
    assert _one(retold, "select count(*) from main.first_prints where is_late and not is_cut") == 3
    assert _one(retold, "select count(*) from main.order_returns where exit_at < fill_at") == 0
    closing = "select known_at::varchar from main.order_returns where is_closing"
    assert _one(retold, closing) == "2017-08-16 20:00:00"  # the last order given before the notice lapses


EDITS = [
    pytest.param(
        "bar_verdicts",
        "looks_ahead",
        "update main.bar_verdicts as verdicts set known_at = suspects.known_at"
        " from main.suspect_bars as suspects where suspects.symbol = verdicts.symbol"
        " and suspects.session_date = verdicts.session_date",
        id="a verdict known with the suspicion, before the next bar",
    ),
    pytest.param(
        "bar_verdicts",
        "looks_ahead",
        "update main.bar_verdicts set verdict = 'acquitted'",
        id="a bad tick acquitted",
    ),
    pytest.param(
        "suspect_bars",
        "survivorship",
        "delete from main.suspect_bars as suspects using main.bar_verdicts as verdicts"
        " where verdicts.symbol = suspects.symbol and verdicts.verdict = 'acquitted'",
        id="only those condemned in the end are suspects",
    ),
    pytest.param(
        "bars",
        "loader_clock",
        "update main.bars set known_at = available_at from main.bar_verdicts as verdicts"
        " where bars.symbol = verdicts.symbol and bars.session_date = verdicts.session_date"
        " and verdicts.verdict = 'acquitted'",
        id="an acquitted bar known since it was told",
    ),
    pytest.param(
        "vendor_differences",
        "looks_ahead",
        "update main.vendor_differences set known_at = session_date",
        id="vendors compared before their bars were known",
    ),
    pytest.param(
        "order_fills",
        "early_fill",
        "update main.order_fills as fills set fill_price = bars.close"
        " from main.decision_bars as stood join main.bars as bars using (symbol, session_date)"
        " where bars.version = 1 and fills.status = 'filled' and stood.clock = fills.clock"
        " and stood.symbol = fills.symbol and stood.decision_at = fills.decision_at",
        id="a fill at the close before the decision",
    ),
    pytest.param(
        "order_fills",
        "early_fill",
        "update main.order_fills as fills set fill_at = bars.closed_at, fill_session = stood.session_date"
        " from main.decision_bars as stood join main.bars as bars using (symbol, session_date)"
        " where bars.version = 1 and fills.status = 'filled' and stood.clock = fills.clock"
        " and stood.symbol = fills.symbol and stood.decision_at = fills.decision_at",
        id="a fill before the decision",
    ),
    pytest.param(
        "order_fills",
        "optimistic_fill",
        "update main.order_fills as fills set fill_price = (bars.open + bars.low) / 2"
        " from main.bars as bars where bars.version = 1 and bars.open is not null"
        " and fills.status = 'filled' and bars.symbol = fills.symbol"
        " and bars.session_date = fills.fill_session",
        id="the better half of the day as the price of a fill",
    ),
    pytest.param(
        "order_fills",
        "optimistic_fill",
        "delete from main.order_fills where status = 'lapsed'",
        id="orders that lapsed dropped",
    ),
    pytest.param(
        "order_fills",
        "early_profit",
        "update main.order_fills set known_at = fill_at where status = 'filled'",
        id="a fill known as it happens, before its bar is",
    ),
    pytest.param(
        "strategy_pnl",
        "early_fill",
        "update main.strategy_pnl as profit set gross_return = position * before"
        " from (select clock, symbol, decision_at, lag(unit_return) over (partition by clock, symbol"
        " order by decision_at) as before from main.order_returns) as returns"
        " where profit.clock = returns.clock and profit.symbol = returns.symbol"
        " and profit.decision_at = returns.decision_at and before is not null",
        id="a position times the return that came before it",
    ),
    pytest.param(
        "strategy_pnl",
        "early_fill",
        "update main.strategy_pnl as profit set position = following from (select clock, strategy, symbol,"
        " decision_at, lead(position) over (partition by clock, strategy, symbol order by decision_at) as"
        " following from main.strategy_pnl where status = 'filled') as held"
        " where profit.clock = held.clock and profit.symbol = held.symbol"
        " and profit.strategy = held.strategy and profit.decision_at = held.decision_at"
        " and following is not null",
        id="the next position times this return",
    ),
    pytest.param(
        "strategy_pnl",
        "untrue_profit",
        "update main.strategy_pnl as profit set exit_at = later.exit_at, exit_price = later.exit_price"
        " from main.order_returns as later where profit.clock = later.clock"
        " and profit.symbol = later.symbol and later.fill_at = profit.exit_at",
        id="an exit one fill too late",
    ),
    pytest.param(
        "strategy_pnl",
        "untrue_profit",
        "update main.strategy_pnl set cost = 0, net_return = gross_return",
        id="costs forgotten",
    ),
    pytest.param(
        "strategy_pnl",
        "optimistic_fill",
        "delete from main.strategy_pnl where net_return < -0.01",
        id="bad days dropped",
    ),
    pytest.param(
        "strategy_pnl",
        "early_profit",
        "update main.strategy_pnl set known_at = known_at - interval 1 day",
        id="a profit known a day early",
    ),
    pytest.param(
        "positions",
        "survivorship",
        f"delete from main.positions where symbol = '{ENDED[0]}'",
        id="no position in an asset that will end",
    ),
    pytest.param(
        "data_quality",
        "survivorship",
        f"delete from main.data_quality where symbol = '{ENDED[0]}' and decision_at >= '2017-06-01'",
        id="an asset out of the universe before its end is announced",
    ),
    pytest.param(
        "assets",
        "survivorship",
        f"update main.assets set listed_at = '1900-01-01' where symbol = '{LISTED_LATE}'",
        id="an asset listed before anybody knew it",
    ),
    pytest.param(
        "decision_bars",
        "filled_forward",
        f"update main.decision_bars set session_date = '{LATE[1]}', bar_known_at = '{LATE[2]}'"
        f" where symbol = '{LATE[0]}' and decision_at = '2017-06-29 14:00'",
        id="a late bar picked",
    ),
    pytest.param(
        "decision_bars",
        "event_time",
        "update main.decision_bars as stood set session_date = bars.session_date"
        " from main.bars as bars where bars.symbol = stood.symbol"
        " and bars.session_date = stood.decision_at::date",
        id="the bar of the day of the decision",
    ),
    pytest.param(
        "bars",
        "event_time",
        "update main.bars set known_at = session_date where version = 1",
        id="the date of a bar for the moment it was known",
    ),
    pytest.param(
        "bars",
        "unfinished_bar",
        "update main.bars set known_at = opened_at where version = 1 and open is not null",
        id="a bar known as it opens",
    ),
    pytest.param(
        "bars",
        "time_zone",
        "update main.bars set known_at = known_at - interval 5 hour where version = 1",
        id="a shift of hours",
    ),
    pytest.param(
        "bars",
        "restated_value",
        "delete from main.bars where superseded_at is not null",
        id="only the latest version kept",
    ),
    pytest.param(
        "raw.bars",
        "restated_value",
        "delete from raw.bars using (select symbol, session_date from raw.bars where version = 2) as restated"
        " where raw.bars.symbol = restated.symbol and raw.bars.session_date = restated.session_date"
        " and version = 1",
        id="only the latest version landed",
    ),
    pytest.param(
        "bars",
        "loader_clock",
        "update main.bars set known_at = recorded_at",
        id="the time of loading for the moment a bar was known",
    ),
    pytest.param(
        "raw.bars",
        "restated_value",
        "update raw.bars set known_at = available_at where version > 1",
        id="a restatement landed under the time of the first print",
    ),
    pytest.param(
        "raw.bars",
        "loader_clock",
        "update raw.bars set known_at = available_at where version = 1",
        id="a late bar landed under the time of its event",
    ),
    pytest.param(
        "raw.bars",
        "time_zone",
        "update raw.bars set closed_at = closed_at - interval 4 hour where symbol = 'AAA'",
        id="closing times landed in local time",
    ),
    pytest.param(
        "raw.bars",
        "unfinished_bar",
        "update raw.bars set recorded_at = opened_at where symbol = 'KKK-USD'",
        id="a bar landed before it closed",
    ),
    pytest.param(
        "sessions",
        "time_zone",
        "update main.sessions set closed_at = closed_at - interval 1 hour",
        id="sessions that close an hour early",
    ),
    pytest.param(
        "vintage_prices",
        "adjusted_price",
        "update main.vintage_prices as bars set simple_return = across.simple_return from (select symbol,"
        " session_date, close / lag(close) over (partition by symbol order by session_date) - 1"
        " as simple_return from main.vintage_prices where is_own) as across where bars.symbol = across.symbol"
        " and bars.session_date = across.session_date and bars.is_own",
        id="returns across vintages",
    ),
    pytest.param(
        "daily_returns",
        "filled_forward",
        "insert into main.daily_returns by name select * replace ('2017-03-04'::date as session_date)"
        " from main.daily_returns where symbol = 'AAA' and session_date = '2017-03-03'",
        id="a bar invented for a Saturday",
    ),
    pytest.param(
        "signals",
        "event_time",
        "update main.signals set known_at = session_date",
        id="a signal known on the day of its bar",
    ),
    pytest.param(
        "data_quality",
        "filled_forward",
        "update main.data_quality set is_excluded = false",
        id="staleness ignored",
    ),
    pytest.param(
        "data_quality",
        "filled_forward",
        "update main.data_quality set staleness_hours = 0",
        id="staleness not measured",
    ),
    pytest.param(
        "weight_waterfall",
        "step_cache",
        "update steps.target_exposures set weight = weight * 0.9 where decision_at = '2017-06-29 14:00'",
        id="a weight changed after its decision",
    ),
    pytest.param(
        "allocation_log",
        "untrue_profit",
        "update steps.allocation_log set cost = 0, net_return = gross_return",
        id="a portfolio without costs",
    ),
    pytest.param(
        "portfolio_returns",
        "optimistic_fill",
        "delete from main.portfolio_returns where net_return < -0.005",
        id="bad days of a portfolio dropped",
    ),
]


@pytest.mark.parametrize(("place", "leak", "edit"), EDITS)
def test_an_edit_of_what_was_published_is_named(
    published: Path, tmp_path: Path, place: str, leak: str, edit: str
) -> None:
    file = Path(shutil.copy(published, tmp_path / PUBLISHED))
    _edit(file, edit)
    found = check(file, [place])
    assert found
    assert (found[0].place, found[0].leak) == (place, leak)
    assert found[0].rows
    assert found[0].rows[0] != found[0].rows[1]


@pytest.mark.parametrize(
    ("path", "old", "new", "place", "leak"),
    [
        pytest.param(
            "models/windows/order_fills.sql",
            "and orders.rebalance_date <= sessions.session_date",
            "and orders.decision_at::date <= sessions.session_date",
            "order_fills",
            "early_fill",
            id="filled in the session of the decision",
        ),
        pytest.param(
            "models/windows/marks.sql",
            "and instants.decision_at >= index.known_at",
            "and instants.decision_at >= index.session_date",
            "marks",
            "event_time",
            id="bars joined by date",
        ),
        pytest.param(
            "models/windows/order_returns.sql",
            "    and entry.vintage = exits.exit_vintage\n",
            "    and entry.is_own\n",
            "order_returns",
            "adjusted_price",
            id="levels of two vintages compared",
        ),
        pytest.param(
            "models/windows/decision_bars.sql",
            "and memberships.known_at <= marks.decision_at\n"
            "    and coalesce(memberships.until_at, '9999-01-01'::timestamp) > marks.decision_at\n"
            "where\n",
            "where memberships.member_until is null and\n",
            "decision_bars",
            "survivorship",
            id="the universe of the last day",
        ),
        pytest.param(
            "models/prices/vintage_prices.sql",
            "and quoted.printed_at >= rates.known_at",
            "and quoted.printed_at + interval 20 hour >= rates.known_at",
            "price_index",
            "not_simultaneous",
            id="an allowance of hours between a close and its rate",
        ),
        pytest.param(
            "models/prices/price_index.sql",
            "not prints.is_cut",
            "not bars.is_late",
            "price_index",
            "adjusted_price",
            id="bars told at once left out of the chain",
        ),
    ],
)
def test_an_edit_of_a_model_is_named(
    retold: Path, tmp_path: Path, path: str, old: str, new: str, place: str, leak: str
) -> None:
    leaky = edited(tmp_path, {path: (old, new)})
    file = Path(shutil.copy(retold, leaky.file))
    leaky.on(file).run(select=[f"+{place}"])
    found = check(file, [place])
    assert found
    assert (found[0].place, found[0].leak) == (place, leak)


def test_another_limit_of_staleness_is_no_leak(published: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(published, tmp_path / PUBLISHED))
    _edit(
        file,
        """
        update main.data_quality set is_excluded = staleness_hours > 3 or missing_rate > 0.2
            or reason like '%suspect%' or reason like '%disagree%'
    """,
    )
    assert check(file, ["data_quality"]) == []


def test_a_table_that_cannot_be_recomputed_is_refused(published: Path) -> None:
    with pytest.raises(ValueError, match="window_metrics"):
        check(published, ["strategy_pnl", "window_metrics"])


def _edit(file: Path, *statements: str) -> None:
    con = warehouse.connect(file)
    try:
        for statement in statements:
            con.execute(statement)
    finally:
        con.close()


def _one(file: Path, query: str) -> float | str:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query).fetchall()[0][0]
    finally:
        con.close()
