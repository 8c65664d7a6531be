"""A portfolio that is short of some of what it studies, through all that happens in the small world."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import outputs, pipeline
from flows.guards.compare import differences
from flows.guards.counterfactual import cut_off
from flows.guards.identity import examine
from flows.publish import PUBLISHED
from flows.replay import replay
from python_steps import policy as policies
from python_steps import warehouse
from tests.worlds import small

CAREFUL = """
extends: small
allow_shorts: false
limits: {short: null, gross: null, net: null}
"""
IN_BOTH = "a minute after a split is told late"


@pytest.fixture(scope="module")
def short_world(tmp_path_factory: pytest.TempPathFactory) -> small.World:
    """The small world with a policy that allows shorts."""
    return small.build(tmp_path_factory.mktemp("short_world"), wants=small.SHORTS)


@pytest.fixture(scope="module")
def file(short_world: small.World) -> Path:
    """All its decisions; never written into."""
    return short_world.whole


@pytest.fixture(scope="module")
def ask(file: Path) -> Callable[[str], list[tuple]]:
    """Rows of a query on it."""

    def asked(query: str) -> list[tuple]:
        con = warehouse.connect(file, read_only=True)
        try:
            return con.execute(query).fetchall()
        finally:
            con.close()

    return asked


def test_it_is_long_and_short_and_what_it_is_worth_is_what_raw_bars_say(file: Path, ask) -> None:
    ((longs, shorts, flips),) = ask(
        """
        select
            count(*) filter (weight > 0),
            count(*) filter (weight < 0),
            count(*) filter (weight * previous_weight < 0)
        from target_exposures
        where symbol <> 'CASH'
        """
    )
    assert min(longs, shorts) > 500
    assert flips > 10
    assert [str(finding) for finding in examine(file).findings] == []


def test_every_generic_test_of_a_world_with_shorts_passes(short_world: small.World, file: Path) -> None:
    assert short_world.dbt.on(file).failures() == []


def test_limits_of_shorts_hold_and_bind(ask) -> None:
    assert ask("select min(weight) >= -0.15 - 1e-9 from target_exposures") == [(True,)]
    bound = "select count(*) > 0 from allocation_log where contains(binding, '{}')"
    assert [ask(bound.format(name)) for name in ("short ", '"net"')] == [[(True,)]] * 2


def test_each_signal_and_learner_has_a_twin_which_is_what_is_weighed(ask) -> None:
    ((twins, others, constants),) = ask(
        """
        select
            count(*) filter (direction = 'both' and strategy like '%\\_\\_both' escape '\\'),
            count(*) filter (direction = 'long' and kind <> 'constant'),
            count(*) filter (kind = 'constant')
        from strategies
        """
    )
    assert twins == others > 12
    assert ask("select distinct strategy not like '%__both' from strategy_weights order by 1") == [
        (False,),
        (True,),
    ]
    assert ask("select distinct strategy from strategy_weights where strategy not like '%__both'") == [
        ("always_long",)
    ]
    assert ask("select count(distinct config_hash) from trials") == [(twins + others + constants,)]
    # A twin holds what the other does where that is long, and the opposite of nothing else.
    assert ask(
        """
        select count(*) filter (twin.position < 0) > 1000, bool_and(greatest(twin.position, 0) = one.position)
        from positions as one
        inner join
            positions as twin
            on twin.clock = one.clock
            and twin.symbol = one.symbol
            and twin.decision_at = one.decision_at
            and twin.strategy = one.strategy || '__both'
        """
    ) == [(True, True)]


def test_shorts_pay_to_borrow_from_fill_to_exit_and_from_decision_to_decision(ask) -> None:
    assert ask(
        """
        select
            count(*) > 1000,
            max(abs(gross_return - cost - net_return)) < 1e-12,
            max(
                abs(
                    cost
                    - turnover * order_returns.cost_rate
                    + position * costs.borrow_rate * epoch(pnl.exit_at - pnl.fill_at) / (365 * 86400)
                )
            )
            < 1e-12,
            min(costs.borrow_rate) > 0
        from strategy_pnl as pnl
        inner join order_returns using (clock, symbol, decision_at)
        inner join assets using (symbol)
        inner join costs on costs.cost_schedule = 'default' and costs.asset_class = assets.asset_class
        where position < 0 and status = 'filled'
        """
    ) == [(True, True, True, True)]
    ((borrowed, gap),) = ask(
        """
        select
            (select sum(cost) from portfolio_costs where kind = 'borrow'),
            (select max(abs(gross_return - net_return - cost)) from portfolio_returns)
        """
    )
    assert borrowed > 0.0005
    assert gap < 1e-12


def test_costs_twice_and_three_times_as_high_are_those_of_borrowing_too(ask) -> None:
    assert ask(
        """
        select max(abs(dear.cost - multiples.times * returns.cost)) < 1e-15
        from portfolio_scenarios as dear
        inner join (values ('costs_2x', 2), ('costs_3x', 3)) as multiples(scenario, times) using (scenario)
        inner join portfolio_returns as returns using (portfolio, decision_at)
        """
    ) == [(True,)]


def test_cash_earns_without_the_proceeds_of_shorts(ask) -> None:
    """Where nothing is traded and no mark moves, gross is the yield of value less longs."""
    ((at, cash, short),) = ask(
        """
        select decision_at, sum(held_units) filter (symbol = 'CASH'), sum(least(held_units * mark_index, 0))
        from target_exposures
        group by decision_at
        order by sum(least(held_units * mark_index, 0))
        limit 1
        """
    )
    assert short < -0.1
    ((value,),) = ask(f"select nav from allocation_log where decision_at = '{at}'")
    longs = (
        f"select sum(greatest(held_units * mark_index, 0)) from target_exposures where decision_at = '{at}'"
    )
    ((held,),) = ask(f"{longs} and symbol <> 'CASH'")
    assert cash + short == pytest.approx(value - held)


def test_what_is_known_at_a_cut_does_not_change_with_what_comes_later(
    short_world: small.World, file: Path
) -> None:
    compared = cut_off(short_world.origin, file, IN_BOTH, small.CUTS[IN_BOTH], is_shown=True)
    assert not compared.findings, [str(finding) for finding in compared.findings]
    assert compared.rows > 0


def test_a_decision_with_shorts_replays_to_the_byte(short_world: small.World, file: Path) -> None:
    again = replay(portfolio=small.PORTFOLIO, decision_at=small.HELD_AT, warehouse=file.parent)
    assert again.differences == []
    assert again.is_same
    assert again.rows_compared > 100


def test_a_portfolio_beside_it_that_may_not_sells_nothing_short(short_world: small.World, file: Path) -> None:
    written = short_world.folder / "careful.yml"
    written.write_text(CAREFUL, "utf-8")
    made = short_world.rebuilt("beside one that may not")
    first = short_world.origin.run_of(made)
    second = small.begun(made, *policies.load(written))
    dbt = short_world.dbt.on(made)
    pipeline.compute_all([first, second], dbt, lambda *_, **__: None, is_tested=False)
    assert dbt.failures() == []
    assert [str(finding) for finding in examine(made).findings] == []
    con = warehouse.connect(made, read_only=True)
    rows = con.execute(
        """
        select min(exposures.weight), count(*) filter (exposures.weight > 0 and exposures.symbol <> 'CASH')
        from main.target_exposures as exposures
        where portfolio = 'careful'
        """
    ).fetchall()
    weighed = con.execute(
        "select bool_or(strategy like '%__both') from main.strategy_weights where portfolio = 'careful'"
    ).fetchall()
    con.close()
    ((least, held),) = rows
    assert least >= 0
    assert held > 500
    assert weighed == [(False,)]
    tables = [f"steps.{table}" for table in pipeline.DECIDED]
    mine = dict.fromkeys(tables, f"portfolio = '{small.PORTFOLIO}'")
    assert not differences(made, file, small.RUNS[-1], tables=tables, conditions=mine)


def test_all_that_is_written_of_a_decision_with_shorts_can_be_made(file: Path) -> None:
    con = outputs.open_published(file.parent)
    try:
        rendered = outputs.render(outputs.gather(con, small.PORTFOLIO))
    finally:
        con.close()
    assert set(rendered) >= {"exposures.json", "validation_report.yaml", "report.html"}
    exposures = json.loads(rendered["exposures.json"])["exposures"]
    assert min(exposures.values()) < 0
    assert sum(exposures.values()) == pytest.approx(1)


EDITS = [
    pytest.param(
        "update main.order_returns set borrow_cost = 0", "order_returns", id="borrowing costs nothing"
    ),
    pytest.param(
        "update main.strategy_pnl set cost = cost / 2, net_return = gross_return - cost / 2"
        " where position < 0 and status = 'filled'",
        "strategy_pnl",
        id="half of what shorts pay is forgotten",
    ),
    pytest.param(
        "update steps.target_exposures set held_units = abs(held_units) where symbol <> 'CASH'",
        "target_exposures",
        id="shorts are taken for longs",
    ),
]


@pytest.mark.parametrize(("edit", "table"), EDITS)
def test_what_is_edited_is_found(file: Path, tmp_path: Path, edit: str, table: str) -> None:
    shutil.copy(file, tmp_path / PUBLISHED)
    con = warehouse.connect(tmp_path / PUBLISHED)
    con.execute(edit)
    con.close()
    assert table in {finding.place for finding in examine(tmp_path / PUBLISHED, [table]).findings}


BROKEN = [
    pytest.param(
        "update steps.target_exposures set weight = -0.1501 where weight < -0.149999 and symbol <> 'CASH'",
        ("target_exposures", "limits_obeyed"),
        id="a short above its limit",
    ),
    pytest.param(
        "update steps.target_exposures set weight = abs(weight) where symbol = 'USD-JPY'",
        ("target_exposures", "limits_obeyed"),
        id="more net than may be",
    ),
    pytest.param(
        "update steps.target_exposures set weight = -2 * abs(weight) from main.stop_conditions as stops"
        " where stops.decision_at = target_exposures.decision_at and stops.action = 'halve' and weight < 0",
        ("target_exposures", "levels_obeyed"),
        id="a short that grows by a stop",
    ),
    pytest.param(
        "update steps.holdings_taken set told_weight = -1.2 where told_weight < 0",
        ("holdings_taken", "share_of_value"),
        id="a holding that is short of more than all",
    ),
    pytest.param(
        "delete from main.portfolio_costs where kind = 'borrow'",
        ("portfolio_costs", "costs_add_up"),
        id="borrowing left out of the kinds of cost",
    ),
    pytest.param(
        "update main.portfolio_returns set nav = nav + (select sum(cost) from main.borrow_charges)",
        ("portfolio_returns", "value_agrees"),
        id="borrowing left out of the value",
    ),
]


@pytest.mark.parametrize(("edit", "found"), BROKEN)
def test_what_breaks_a_rule_of_shorts_fails_the_test_of_it(
    short_world: small.World, file: Path, tmp_path: Path, edit: str, found: tuple[str, str]
) -> None:
    model, name = found
    shutil.copy(file, tmp_path / PUBLISHED)
    con = warehouse.connect(tmp_path / PUBLISHED)
    con.execute(edit)
    con.close()
    failures = short_world.dbt.on(tmp_path / PUBLISHED).failures(select=[model])
    assert name in {failure.kind for failure in failures}
