"""Groups, scenarios, records and compared plans of the small world, recomputed from the tables below them."""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from python_steps import warehouse
from tests.worlds.small import LISTED_LATE, World

PATIENCE = pd.Timedelta(days=14)
GROUP = ["clock", "strategy", "asset_group", "decision_at"]


@pytest.fixture(scope="module")
def file(small_world: World) -> Path:
    return small_world.whole


def rows(file: Path, query: str) -> pd.DataFrame:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query).df()
    finally:
        con.close()


def profits(file: Path, table: str) -> pd.DataFrame:
    """Filled profits of a table with the groups they count in, and when each group's decision is known."""
    return rows(
        file,
        f"""
        select pnl.*, groups.asset_group, decisions.known_at as group_known_at
        from {table} as pnl
        inner join asset_groups as groups using (symbol)
        inner join group_decisions as decisions using (clock, asset_group, decision_at)
        where groups.listed_at <= pnl.decision_at and pnl.known_at <= decisions.known_at
        """,
    )


@pytest.mark.parametrize(
    ("scenario", "table", "times"),
    [
        ("plain", "booked_pnl", 1),
        ("costs_2x", "booked_pnl", 2),
        ("costs_3x", "booked_pnl", 3),
        ("delayed_bar", "(select * from delayed_pnl where delay = 'bar')", 1),
        ("delayed_day", "(select * from delayed_pnl where delay = 'day')", 1),
    ],
)
def test_a_group_earns_the_mean_of_its_assets_less_its_costs(
    file: Path, scenario: str, table: str, times: int
) -> None:
    found = rows(file, f"from group_returns where scenario = '{scenario}'").set_index(GROUP).sort_index()
    means = profits(file, table).groupby(GROUP)[["gross_return", "cost", "turnover"]].mean().sort_index()
    assert len(found) > 10_000
    assert found.index.equals(means.index)
    assert np.allclose(found["gross_return"], means["gross_return"], atol=1e-12, rtol=0)
    assert np.allclose(found["cost"], times * means["cost"], atol=3e-12, rtol=0)
    assert np.abs(found["gross_return"] - found["cost"] - found["net_return"]).max() <= 1e-12
    assert found["cost"].max() > 0


def test_a_group_waits_for_all_its_assets_but_not_for_ever(file: Path) -> None:
    """Its decision is known when the last order of an asset in it is settled, or fourteen days later."""
    settled = rows(
        file,
        """
        select bars.clock, groups.asset_group, bars.decision_at, max(coalesce(
            returns.known_at, fills.known_at, timestamp '9999-01-01')) as known_at
        from decision_bars as bars
        inner join asset_groups as groups
            on groups.symbol = bars.symbol and groups.listed_at <= bars.decision_at
        left join order_returns as returns
            on returns.clock = bars.clock and returns.symbol = bars.symbol
            and returns.decision_at = bars.decision_at
        left join order_fills as fills
            on fills.clock = bars.clock and fills.symbol = bars.symbol
            and fills.decision_at = bars.decision_at and fills.status <> 'filled'
        group by all
        """,
    ).set_index(["clock", "asset_group", "decision_at"])["known_at"]
    found = rows(file, "from group_decisions").set_index(["clock", "asset_group", "decision_at"])["known_at"]
    latest = pd.Series(settled.index.get_level_values("decision_at") + PATIENCE, index=settled.index)
    expected = settled.where(settled <= latest, latest)
    as_of = rows(file, "select as_of from run_bounds")["as_of"][0]
    expected = expected[expected <= as_of].astype("datetime64[us]").sort_index()
    pd.testing.assert_series_equal(found.sort_index(), expected, check_names=False)
    assert (settled > latest).any() or settled.max() > pd.Timestamp("2017-11-01")


def test_an_asset_listed_late_counts_from_then_on(file: Path) -> None:
    counted = rows(
        file,
        f"""
        select count(*) filter (where bars.decision_at < assets.listed_at) as before,
            max(decisions.assets) filter (where decisions.decision_at >= assets.listed_at)
            - max(decisions.assets) filter (where decisions.decision_at < assets.listed_at) as more
        from group_decisions as decisions
        cross join (select * from assets where symbol = '{LISTED_LATE}') as assets
        left join decision_bars as bars
            on bars.symbol = assets.symbol and bars.decision_at = decisions.decision_at
        where decisions.asset_group = assets.asset_class
        """,
    )
    assert counted["before"][0] > 0, "it has a history before it was listed"
    assert counted["more"][0] == 1


def test_a_record_is_all_disjoint_test_spans_up_to_its_window(file: Path) -> None:
    """Returns, wins, worst fall and mean of each record, from the returns of its decisions."""
    records = rows(file, "from test_record where asset_group = 'all' order by random()").head(40)
    windows = rows(file, "from walk_forward_windows where is_disjoint")
    returns = rows(file, "from group_returns where asset_group = 'all' order by decision_at")
    for record in records.itertuples():
        parts = windows[(windows["plan"] == record.plan) & (windows["window_id"] <= record.window_id)]
        mine = returns[(returns["scenario"] == record.scenario) & (returns["strategy"] == record.strategy)]
        number = mine["decision_number"].to_numpy()
        is_in = np.zeros(len(mine), dtype=bool)
        for part in parts.itertuples():
            is_in |= (number >= part.test_from_number) & (number < part.test_until_number)
        net = mine["net_return"].to_numpy()[is_in]
        wealth = np.concatenate([[1.0], np.cumprod(1 + net)])
        assert record.observations == len(net)
        assert record.expected_return == pytest.approx(net.mean(), abs=1e-14)
        assert record.max_drawdown == pytest.approx(
            (wealth / np.maximum.accumulate(wealth) - 1).min(), abs=1e-10
        )
        assert record.until_at == parts["test_until"].max()
        assert record.known_at >= mine["known_at"][is_in].max()


def test_costs_take_away_and_never_give(file: Path) -> None:
    found = rows(file, "from test_record").pivot_table(
        index=["plan", "strategy", "asset_group", "window_id"], columns="scenario", values="expected_return"
    )
    assert (found["costs_2x"] <= found["plain"]).all()
    assert (found["costs_3x"] <= found["costs_2x"]).all()
    assert (found["costs_3x"] < found["plain"]).mean() > 0.5


def test_a_signal_a_day_late_is_the_one_read_a_day_earlier(file: Path) -> None:
    """As-of among rows stamped a day later, none older than five days, recomputed with pandas."""
    bars = rows(file, "select symbol, session_date, known_at from price_index order by known_at")
    signals = rows(
        file,
        "select symbol, session_date, value, known_at as signal_at from signals where signal = 'momentum_1m'",
    )
    found = rows(
        file,
        "select symbol, decision_at, position from delayed_positions"
        " where strategy = 'momentum_1m' and delay = 'day' order by decision_at",
    )
    bars["known_at"] += pd.Timedelta(days=1)
    joined = pd.merge_asof(
        found, bars, left_on="decision_at", right_on="known_at", by="symbol", tolerance=pd.Timedelta(days=5)
    ).merge(signals, how="left", on=["symbol", "session_date"])
    is_known = joined["signal_at"] + pd.Timedelta(days=1) <= joined["decision_at"]
    expected = joined["value"].where(is_known).fillna(0).clip(lower=0)
    assert np.array_equal(joined["position"].to_numpy(), expected.to_numpy())
    assert (expected > 0).sum() > 300


def test_a_signal_a_bar_late_is_that_of_the_bar_before(file: Path) -> None:
    found = rows(
        file,
        """
        with numbered as (
            select *, row_number() over (partition by symbol order by session_date) as n from price_index
        )
        select late.position, coalesce(greatest(signals.value, 0), 0) as expected
        from delayed_positions as late
        inner join decision_bars as bars using (clock, symbol, decision_at)
        inner join numbered as stood on stood.symbol = bars.symbol and stood.session_date = bars.session_date
        left join numbered as earlier on earlier.symbol = bars.symbol and earlier.n = stood.n - 1
        left join signals on signals.symbol = bars.symbol and signals.signal = 'momentum_1m'
            and signals.session_date = earlier.session_date
            and bars.bar_known_at >= bars.decision_at - interval 5 day
        where late.strategy = 'momentum_1m' and late.delay = 'bar'
        """,
    )
    assert (found["position"] == found["expected"]).all()
    assert (found["expected"] > 0).sum() > 300


@pytest.mark.parametrize("delay", ["bar", "day"])
def test_a_late_forecast_is_one_made_before_in_its_own_plan(file: Path, delay: str) -> None:
    found = rows(
        file,
        f"""
        select bars.decision_at, bars.forecast_at, positions.position, earlier.position as said
        from delayed_bars as bars
        inner join delayed_positions as positions using (clock, delay, symbol, decision_at)
        left join positions as earlier on earlier.clock = bars.clock and earlier.symbol = bars.symbol
            and earlier.decision_at = bars.forecast_at and earlier.strategy = positions.strategy
        where positions.strategy = 'ridge_short' and bars.delay = '{delay}'
        """,
    )
    assert (found["position"] == found["said"].fillna(0)).all()
    assert (found["position"] > 0).sum() > 50
    assert (found["forecast_at"] <= found["decision_at"] - pd.Timedelta(days=1)).sum() == found[
        "forecast_at"
    ].notna().sum()


def test_compared_plans_decide_nothing(file: Path) -> None:
    plans = set(rows(file, "select distinct plan from window_metrics")["plan"])
    assert plans == {"short", "expanding"}
    for table in ("strategy_gates", "strategy_weights", "exposure_lineage", "overfit_metrics"):
        judged = set(rows(file, f"select distinct strategy from {table}")["strategy"])
        assert "ridge_expanding" not in judged, table
    assert "ridge_short" in set(rows(file, "select distinct strategy from strategy_gates")["strategy"])
    used = rows(file, "select distinct plan from window_metrics where strategy = 'ridge_expanding'")
    assert list(used["plan"]) == ["expanding"]


def test_expanding_train_spans_begin_with_the_clock_and_grow(file: Path) -> None:
    found = rows(file, "from walk_forward_windows where plan = 'expanding' order by window_id")
    assert (found["train_from_number"] == 1).all()
    lengths = (found["test_from_number"] - found["train_from_number"]).to_numpy()
    assert lengths[0] == 252
    assert (np.diff(lengths) == 63).all()


@pytest.mark.parametrize(
    ("edit", "is_fine"),
    [
        ("select * from told", True),
        ("select * replace (null as sortino, null::varchar as undefined) from told", False),
        ("select * replace (0.0 as sortino, 'sortino: no losing decision' as undefined) from told", False),
        ("select * replace (null as sortino, 'sortino: who knows' as undefined) from told", False),
        ("select * replace ('infinity'::double as calmar) from told", False),
        ("select * replace ('nan'::double as sharpe) from told", False),
    ],
)
def test_a_null_without_a_reason_and_a_reason_without_a_null_are_refused(
    small_world: World, edit: str, is_fine: bool
) -> None:
    edited = small_world.rebuilt(f"explained_{zlib.crc32(edit.encode())}")
    con = warehouse.connect(edited)
    con.execute(f"attach '{small_world.whole}' as grown (read_only)")
    con.execute("create table main.run_bounds as from grown.main.run_bounds")
    con.execute(f"create table main.test_record as with told as (from grown.main.test_record) {edit}")
    con.close()
    kinds = {failure.kind for failure in small_world.dbt.on(edited).failures(select=["test_record"])}
    assert ("explained" in kinds) is not is_fine
