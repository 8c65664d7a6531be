"""What is said of signals, made again from published readings and orders with pandas, scipy and numpy."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from flows.publish import PUBLISHED
from python_steps import warehouse
from tests.worlds.small import World

HORIZONS = (1, 5, 21, 63)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
JUDGED = ["information_coefficients+", "signal_turnover", "signal_correlations"]
READINGS = """
    select readings.signal, readings.symbol, instants.decision_number, readings.value
    from main.readings as readings
    inner join main.clock_instants as instants using (clock, decision_at)
    inner join main.assets as assets using (symbol)
    where assets.listed_at <= readings.decision_at
"""
ORDERS = """
    select fills.symbol, fills.decision_number, fills.status, returns.unit_return,
        greatest(fills.known_at, returns.known_at) as known_at
    from main.order_fills as fills
    left join main.order_returns as returns using (clock, symbol, decision_at)
    order by fills.symbol, fills.decision_number
"""


def tables(file: Path, **queries: str) -> dict[str, pd.DataFrame]:
    con = warehouse.connect(file, read_only=True)
    try:
        return {name: con.execute(query).df() for name, query in queries.items()}
    finally:
        con.close()


@pytest.fixture(scope="module")
def said(small_world: World) -> dict[str, pd.DataFrame]:
    """The tables under test, and what they are made from."""
    return tables(
        small_world.whole,
        readings=READINGS,
        orders=ORDERS,
        closed="select decision_number, known_at from main.group_decisions where asset_group = 'all'",
        windows="select * from main.walk_forward_windows where plan = 'short' order by window_id",
        forward="""
            select returns.*, instants.decision_number from main.forward_returns as returns
            inner join main.clock_instants as instants using (clock, decision_at)
        """,
        coefficients="from main.information_coefficients",
        quality="from main.signal_quality",
        turnover="from main.signal_turnover",
        correlations="from main.signal_correlations",
    )


@pytest.fixture(scope="module")
def forward(said: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Forward returns by symbol, decision_number and horizon, from orders, one start at a time."""
    rows = []
    for symbol, orders in said["orders"].groupby("symbol"):
        by_number = orders.set_index("decision_number")
        for start, horizon in ((n, h) for n in by_number.index for h in HORIZONS):
            steps = by_number[(by_number.index >= start) & (by_number.index < start + horizon)]
            filled = steps[steps["status"] == "filled"]
            if len(steps) < horizon or start not in filled.index or filled["unit_return"].isna().any():
                continue
            gained = float(np.prod(1 + filled["unit_return"].to_numpy())) - 1
            rows.append((symbol, start, horizon, gained, steps["known_at"].max()))
    return pd.DataFrame(rows, columns=["symbol", "decision_number", "horizon", "gained", "known_at"])


@pytest.fixture(scope="module")
def pairs(said: dict[str, pd.DataFrame], forward: pd.DataFrame) -> pd.DataFrame:
    """Readings beside forward returns that were known when the cross-section was closed."""
    closed = pd.concat(
        said["closed"].assign(horizon=h, decision_number=said["closed"]["decision_number"] - h + 1)
        for h in HORIZONS
    ).rename(columns={"known_at": "closed_at"})
    rows = said["readings"].merge(forward, on=["symbol", "decision_number"])
    rows = rows.merge(closed, on=["decision_number", "horizon"])
    return rows[rows["known_at"] <= rows["closed_at"]]


def test_forward_returns_are_those_of_the_orders(said, forward) -> None:
    merged = said["forward"].merge(
        forward, how="outer", on=["symbol", "decision_number", "horizon"], suffixes=("", "_again")
    )
    assert len(merged) == len(forward) == len(said["forward"]) > 1000
    np.testing.assert_allclose(merged["forward_return"], merged["gained"], **CLOSE)
    assert (merged["known_at"] == merged["known_at_again"]).all()


def test_those_of_five_decisions_are_the_labels(small_world: World) -> None:
    """Bit for bit; a label is left out only where its bar has no statistics."""
    found = tables(
        small_world.whole,
        differing="""
            select labels.symbol from main.labels as labels
            full join (from main.forward_returns where horizon = 5) as returns
                using (clock, symbol, decision_at)
            left join main.decision_bars as bars using (clock, symbol, decision_at)
            left join main.bar_statistics as statistics using (symbol, session_date)
            where (labels.label, labels.known_at) is distinct from (returns.forward_return, returns.known_at)
                and (labels.label is not null or statistics.symbol is not null)
        """,
    )
    assert found["differing"].empty


def test_each_coefficient_is_that_of_scipy(said, pairs) -> None:
    keys = ["signal", "decision_number", "horizon"]
    looked_at = said["coefficients"][said["coefficients"]["decision_number"] % 5 == 0]
    coefficients = looked_at.set_index(keys).to_dict("index")
    checked = 0
    for key, rows in pairs[pairs["decision_number"] % 5 == 0].groupby(keys):
        values, returns = rows["value"].to_numpy(), rows["gained"].to_numpy()
        if len(rows) < 3 or np.ptp(values) <= 1e-12 or np.ptp(returns) <= 1e-12:
            assert key not in coefficients
            continue
        row = coefficients[key]
        np.testing.assert_allclose(row["ic"], np.corrcoef(values, returns)[0, 1], **CLOSE)
        np.testing.assert_allclose(row["rank_ic"], stats.spearmanr(values, returns).statistic, **CLOSE)
        assert row["names"] == len(rows)
        assert row["hits"] == np.count_nonzero(values * returns > 0)
        assert row["known_at"] == rows["closed_at"].max()
        checked += 1
    assert checked == len(coefficients) > 2000


def newey_west_t(values: np.ndarray, horizon: int) -> float:
    """Mean over its error, with Bartlett weights up to lag horizon - 1; Newey and West 1987."""
    centred = values - values.mean()
    count = len(values)
    variance = sum(
        (1 - abs(lag) / horizon) * np.sum(centred[abs(lag) :] * centred[: count - abs(lag)]) / count
        for lag in range(-horizon + 1, horizon)
    )
    return float(values.mean() / math.sqrt(variance / count))


def test_quality_is_made_of_the_coefficients_of_its_spans(said) -> None:
    windows = said["windows"].set_index("window_id")
    coefficients = dict(iter(said["coefficients"].groupby(["signal", "horizon"])))
    ended = set()
    for row in said["quality"].itertuples():
        rows = coefficients[row.signal, row.horizon]
        tiles = windows[windows["is_disjoint"] & (windows.index <= row.window_id)]
        spans = tiles if row.span == "record" else windows.loc[[row.window_id]]
        numbers = np.concatenate(
            [np.arange(s.test_from_number, s.test_until_number) for s in spans.itertuples()]
        )
        mine = rows[rows["decision_number"].isin(numbers)].sort_values("decision_number")
        ics, ranks = mine["ic"].to_numpy(), mine["rank_ic"].to_numpy()
        assert row.decisions == len(ics)
        expected = {"ic": ics.mean(), "rank_ic": ranks.mean()}
        expected["hit_ratio"] = mine["hits"].sum() / mine["signed_pairs"].sum()
        up, rise = (mine[name].sum() / mine["signed_pairs"].sum() for name in ("positives", "rises"))
        expected["hit_ratio_by_chance"] = up * rise + (1 - up) * (1 - rise)
        if len(ics) > 1:
            expected["ic_deviation"] = ics.std(ddof=1)
            for name, values in (("ic", ics), ("rank_ic", ranks)):
                spread = values.std(ddof=1)
                expected[f"{name}_ratio"] = values.mean() / spread if spread > 1e-15 else np.nan
        if len(ics) >= 2 * row.horizon and len(ics) > 1:
            expected["ic_t"] = newey_west_t(ics, row.horizon)
            expected["rank_ic_t"] = newey_west_t(ranks, row.horizon)
            ended.add((row.span, row.horizon))
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(row, name), value, err_msg=f"{row} {name}", **CLOSE)
        last = mine["decision_number"].max() + row.horizon - 1
        closed = said["closed"].set_index("decision_number")["known_at"]
        assert row.known_at >= closed[last]
        half = stats.norm.ppf(0.975) * row.ic_error
        if row.windows >= 3 and not math.isnan(half):
            np.testing.assert_allclose([row.ic_lower, row.ic_upper], [row.ic - half, row.ic + half], **CLOSE)
        else:
            assert math.isnan(row.ic_lower)
            assert row.undefined
    assert {("test", 1), ("test", 5), ("record", 1), ("record", 21)} <= ended


def test_a_window_counts_once_all_its_forward_returns_are_known(said) -> None:
    closed = set(said["closed"]["decision_number"])
    there = {(row.window_id, row.horizon) for row in said["quality"].itertuples() if row.span == "test"}
    for window in said["windows"].itertuples():
        for horizon in HORIZONS:
            numbers = range(window.test_from_number + horizon - 1, window.test_until_number + horizon - 1)
            assert ((window.window_id, horizon) in there) <= closed.issuperset(numbers)
    assert max(w for w, h in there if h == 1) > max(w for w, h in there if h == 63)


def test_turnover_and_correlations_are_those_of_the_readings(said) -> None:
    grid = said["readings"].pivot_table(index=["symbol", "decision_number"], columns="signal", values="value")
    numbers = grid.index.get_level_values("decision_number")
    before = grid.rename(index=lambda n: n + 1, level="decision_number").reindex(grid.index)
    turnover = said["turnover"].set_index(["signal", "window_id"])
    correlations = said["correlations"].set_index(["window_id", "signal", "other_signal"])
    for window in said["windows"].itertuples():
        within = (numbers >= window.test_from_number) & (numbers < window.test_until_number)
        if not within.any() or window.window_id not in turnover.index.get_level_values(1):
            continue
        span, past = grid[within], before[within]
        for signal in span.columns:
            both = pd.DataFrame({"now": span[signal], "before": past[signal]}).dropna()
            if both.empty:
                assert (signal, window.window_id) not in turnover.index
                continue
            row = turnover.loc[(signal, window.window_id)]
            assert row["pairs"] == len(both)
            np.testing.assert_allclose(
                row["mean_change"], (both["now"] - both["before"]).abs().mean(), **CLOSE
            )
            np.testing.assert_allclose(row["autocorrelation"], both.corr().iloc[0, 1], **CLOSE)
        alike = span.corr(min_periods=2)
        for one, other in ((a, b) for a in span.columns for b in span.columns if a < b):
            count = int(span[[one, other]].dropna().shape[0])
            if not count:
                assert (window.window_id, one, other) not in correlations.index
                continue
            row = correlations.loc[(window.window_id, one, other)]
            assert row["readings"] == count
            np.testing.assert_allclose(row["correlation"], alike.loc[one, other], **CLOSE)
    assert len(correlations) > 500


@pytest.fixture(scope="module")
def edited(small_world: World, tmp_path_factory: pytest.TempPathFactory):
    """The tables after an edit of the readings, by statement."""

    def made(*statements: str) -> dict[str, pd.DataFrame]:
        file = Path(shutil.copy(small_world.whole, tmp_path_factory.mktemp("edited") / PUBLISHED))
        con = warehouse.connect(file)
        for statement in statements:
            con.execute(statement)
        con.close()
        small_world.dbt.on(file).run(select=JUDGED)
        return tables(
            file,
            coefficients="from main.information_coefficients",
            quality="from main.signal_quality",
            turnover="from main.signal_turnover",
            correlations="from main.signal_correlations",
        )

    return made


def of(rows: pd.DataFrame, signal: str) -> pd.DataFrame:
    return rows[rows["signal"] == signal]


def test_what_cannot_be_correlated_has_no_coefficient(edited) -> None:
    """A constant, and a signal of two assets; never a zero, never infinite."""
    made: Mapping[str, pd.DataFrame] = edited(
        "update main.readings set value = 0.3 where signal = 'rsi_14d'",
        "delete from main.readings where signal = 'zscore_1m' and symbol not in ('AAA', 'EUR-USD')",
        "update main.readings set value = 0 where signal = 'donchian_1m' and symbol = 'AAA'",
    )
    for signal in ("rsi_14d", "zscore_1m"):
        assert of(made["coefficients"], signal).empty
        assert of(made["quality"], signal).empty
    still = of(made["turnover"], "rsi_14d")
    assert (still["mean_change"] == 0).all()
    assert still["autocorrelation"].isna().all()
    correlations = made["correlations"]
    is_constant = (correlations["signal"] == "rsi_14d") | (correlations["other_signal"] == "rsi_14d")
    assert correlations.loc[is_constant, "correlation"].isna().all()
    assert correlations.loc[~is_constant, "correlation"].notna().any()
    assert (
        of(made["coefficients"], "donchian_1m")["signed_pairs"]
        < of(made["coefficients"], "donchian_1m")["names"]
    ).any()
    for rows in made.values():
        numbers = rows.select_dtypes(float)
        assert not np.isinf(numbers).any().any()


def test_a_move_over_a_gap_is_none(said, edited) -> None:
    """Without the readings of one decision, neither the move to it nor the one from it is there."""
    window = said["windows"][said["windows"]["window_id"] == 30].iloc[0]
    at = window["test_from"] + pd.Timedelta(days=7)
    made = edited(
        f"delete from main.readings where signal = 'momentum_1m' and decision_at = timestamp '{at}'"
    )
    before, after = (
        of(rows, "momentum_1m").set_index("window_id")["pairs"]
        for rows in (said["turnover"], made["turnover"])
    )
    gone = said["readings"].query("signal == 'momentum_1m'").groupby("decision_number").size()
    assert before[30] - after[30] == 2 * gone[window["test_from_number"] + 5] > 0
    assert (before.drop(30) == after.drop(30)).all()


def test_a_value_that_is_missing_is_explained(said) -> None:
    reasons = {
        "ic_deviation": "deviation: ",
        "ic_ratio": "ratio: |deviation: ",
        "ic_error": "error: ",
        "ic_t": "error: |t: ",
        "ic_lower": "interval: |error: ",
        "hit_ratio": "hit_ratio: ",
    }
    for name, pattern in reasons.items():
        missing = said["quality"][said["quality"][name].isna()]
        assert missing["undefined"].str.contains(pattern).all(), name
    assert said["quality"]["undefined"].isna().any()
    assert (said["quality"]["undefined"].isna() <= said["quality"]["ic_lower"].notna()).all()
