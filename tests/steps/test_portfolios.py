"""Two policies in one warehouse: each has the rows it has alone, to the bit, in one run or one after another.

The second one has money: its orders move prices and its cash earns, in the walk as in SQL as in the guard
that values portfolios from raw bars.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from flows import pipeline
from flows.guards import identity
from flows.guards.compare import differences
from flows.guards.compiled import CompiledDbt
from python_steps import policy as policies
from python_steps import warehouse
from tests.worlds import small

OTHER = "moneyed"
POLICY = """
extends: small
assets_under_management: 2.0e+7
cash_yield: 0.03
limits: {asset: 0.15, change: 0.03}
"""
STEPS = [f"steps.{table}" for table in (*pipeline.DECIDED, "metric_intervals")]


class Worlds(NamedTuple):
    """Files with everything made: the second policy alone, both in one run, the second after the first."""

    alone: Path
    together: Path
    after: Path


@pytest.fixture(scope="module")
def worlds(small_world: small.World) -> Worlds:
    origin, file = small_world.origin, small_world.folder / f"{OTHER}.yml"
    file.write_text(POLICY, "utf-8")
    _, policy = policies.load(file)
    runs, firsts = [], []
    for name in ("alone", "together", "after"):
        made = small_world.rebuilt(f"two policies, {name}")
        if name == "after":
            made.write_bytes(small_world.whole.read_bytes())
        firsts.append(origin.run_of(made))
        runs.append(small.begun(made, OTHER, policy, is_alone=name == "alone"))
    alone, together, after = runs
    for of in ([alone], [firsts[1], together], [after]):
        pipeline.compute_all(of, origin.dbt.on(of[-1].file), _silent, is_tested=False)
    return Worlds(alone.file, together.file, after.file)


@pytest.mark.parametrize("how", ["together", "after"])
def test_each_portfolio_has_the_rows_it_has_alone(small_world: small.World, worlds: Worlds, how: str) -> None:
    made = getattr(worlds, how)
    for portfolio, alone in ((small.PORTFOLIO, small_world.whole), (OTHER, worlds.alone)):
        tables = _of_portfolios(alone)
        assert {"main.benchmark_returns", "main.portfolio_risk", "main.capacity"} <= set(tables)
        conditions = dict.fromkeys(tables, f"portfolio = '{portfolio}'")
        found = differences(made, alone, small.RUNS[-1], tables=tables, conditions=conditions)
        assert not found, found
        counts = f"select count(*) from main.target_exposures where portfolio = '{portfolio}'"
        assert _one(made, counts) == _one(alone, counts) > 3000


def test_what_belongs_to_no_portfolio_is_the_same_beside_another(
    small_world: small.World, worlds: Worlds
) -> None:
    con = warehouse.connect(small_world.whole, read_only=True)
    shared = ["main.window_metrics", "main.strategy_pnl", "steps.forecasts", "steps.regimes"]
    con.close()
    assert not differences(worlds.together, small_world.whole, small.RUNS[-1], tables=shared)


@pytest.mark.parametrize("how", ["together", "alone"])
def test_the_walk_sql_and_the_guard_value_impact_and_interest_alike(worlds: Worlds, how: str) -> None:
    file = getattr(worlds, how)
    costs = _read(
        file, "select kind, sum(cost) as cost from main.portfolio_costs where portfolio = $1 group by 1"
    )
    assert (costs.set_index("kind")["cost"] > 1e-5).all()
    judged = _dbt(file).failures(select=["portfolio_returns", "portfolio_costs", "closing_sales"])
    assert not judged, judged
    assert not identity.check(file, ["portfolio_returns", "allocation_log", "target_exposures"])


def test_gross_less_net_is_the_cost_of_each_kind_to_the_last_digit(worlds: Worlds) -> None:
    rows = _read(worlds.together, "from main.portfolio_returns where portfolio = $1 order by decision_at")
    costs = _read(worlds.together, "from main.portfolio_costs where portfolio = $1")
    wide = costs.pivot_table("cost", "decision_at", "kind").loc[rows["decision_at"]]
    gone = rows["gross_return"] - rows["net_return"]
    np.testing.assert_allclose(gone, wide.sum(axis=1), rtol=0, atol=1e-12)
    assert (wide >= 0).all().all()


def test_interest_is_what_cash_earned_since_the_decision_before(worlds: Worlds) -> None:
    """While nothing was ever bought all is cash, so gross is the yield for the days that passed."""
    rows = _read(
        worlds.together,
        """
        select r.* from main.portfolio_returns as r
        where portfolio = $1 and decision_at < (select min(booked_at) from main.order_bookings as o
            where o.portfolio = $1 and traded > 0)
        order by decision_at
        """,
    )
    days = rows["decision_at"].diff().dt.days.to_numpy()[1:]
    np.testing.assert_allclose(rows["gross_return"].to_numpy()[1:], 0.03 * days / 365, rtol=1e-9)
    assert len(days) > 20
    assert set(days) >= {1, 3}


def test_impact_recomputed_from_bars(worlds: Worlds) -> None:
    """Square-root law by hand: deviation and median money of the last 63 bars, of the vintage known then."""
    bars = _read(worlds.together, "from main.vintage_returns where symbol in ('AAA', 'USD-JPY')", None)
    found = _read(worlds.together, "from main.market_impacts where symbol in ('AAA', 'USD-JPY')", None)
    looked = 0
    for symbol, rows in found.groupby("symbol"):
        mine = bars[bars["symbol"] == symbol].sort_values(["vintage", "bar_number"])
        for row in rows.iloc[::40].itertuples():
            is_own = mine["is_own"] & ~mine["is_late"] & (mine["known_at"] <= row.decision_at)
            own = mine[is_own].sort_values("session_date").iloc[-1]
            past = mine[(mine["vintage"] == own["vintage"]) & (mine["bar_number"] <= own["bar_number"])]
            past = past.iloc[-63:]
            money = past["close_base"] * past["volume"]
            if len(past) < 63 or money.isna().any():
                continue
            deviation = past["log_total_return"].std(ddof=1)
            assert row.median_money == pytest.approx(money.median(), rel=1e-9)
            assert row.impact_rate == pytest.approx(deviation / np.sqrt(money.median()), rel=1e-6)
            looked += 1
    assert looked >= 10


def test_bookings_pay_the_law_and_no_volume_pays_nothing(worlds: Worlds) -> None:
    rows = _read(worlds.together, "from main.order_bookings where portfolio = $1 and traded > 0")
    law = rows["impact_rate"] * np.sqrt(2e7 * rows["traded"]) * rows["traded"]
    np.testing.assert_allclose(rows["impact"], law.fillna(0), rtol=1e-12)
    untold = set(rows.loc[rows["impact_rate"].isna(), "symbol"])
    assert {"EUR-USD", "BBB", "CCC"} <= untold
    assert {"AAA", "KKK-USD", "USD-JPY"} <= set(rows.loc[rows["impact"] > 0, "symbol"])


def _dbt(file: Path) -> CompiledDbt:
    return CompiledDbt(file)


def _of_portfolios(file: Path) -> list[str]:
    """Tables with a portfolio and a known_at, but where a run ended."""
    rows = _read(
        file,
        """
        select distinct schema_name || '.' || table_name as name from duckdb_columns()
        inner join duckdb_tables() using (database_name, schema_name, table_name)
        where column_name = 'portfolio' and schema_name in ('main', 'steps')
            and table_name in (select table_name from duckdb_columns() where column_name = 'known_at')
        order by 1
        """,
        None,
    )
    return rows["name"].tolist()


def _one(file: Path, query: str) -> int:
    return int(_read(file, query, None).iloc[0, 0])


def _read(file: Path, query: str, portfolio: str | None = OTHER) -> pd.DataFrame:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query, [portfolio] if portfolio else []).df()
    finally:
        con.close()


def _silent(*_: object, **__: object) -> None:
    pass
