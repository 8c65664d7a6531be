"""What ensembles earned, recomputed from exposures and orders outside the models."""

import numpy as np
import pandas as pd
import pytest

from flows import outputs
from flows.validation import validation_document
from python_steps import warehouse
from python_steps.belief_ensembles import methods
from tests.worlds.small import PORTFOLIO, World

ALLOCATORS = ("allocator", "without_views")


@pytest.fixture(scope="module")
def told(small_world: World) -> dict[str, pd.DataFrame]:
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        tables = ("ensemble_exposures", "ensemble_orders", "ensemble_returns", "order_returns", "order_fills")
        found = {table: warehouse.read(con, table) for table in tables}
        found["metric_intervals"] = warehouse.read(
            con, "metric_intervals", where=lambda t: t.kind == "ensemble"
        )
        return found
    finally:
        con.close()


def test_every_method_has_a_return_for_the_same_decisions(told):
    wide = told["ensemble_returns"].pivot_table("net_return", "decision_at", "method", dropna=False)
    assert sorted(wide.columns) == sorted([*methods(), *ALLOCATORS])
    assert wide[methods()].notna().all().all()
    assert (wide != 0).sum().min() > 50  # otherwise what follows compares zeros
    assert wide.T.drop_duplicates().shape[0] == len(wide.columns)


def test_returns_are_exposures_over_assets_times_what_orders_earned_less_the_cost_of_changes(told):
    exposures = told["ensemble_exposures"]
    assets = exposures.groupby(["method", "decision_at"])["symbol"].transform("count")
    held = exposures.assign(weight=exposures["exposure"] / assets)
    filled = held.merge(told["order_returns"], on=["symbol", "decision_at"]).sort_values("decision_at")
    before = filled.groupby(["method", "symbol"])["weight"].shift(fill_value=0.0)
    turned = (filled["weight"] - before).abs() + filled["weight"].abs() * filled["is_closing"]
    filled["by_hand"] = filled["weight"] * filled["unit_return"] - turned * filled["cost_rate"]
    expected = filled.groupby(["method", "decision_at"])["by_hand"].sum()
    rows = told["ensemble_returns"]
    found = rows[rows["method"].isin(methods())].set_index(["method", "decision_at"])["net_return"]
    # An order that was settled after its decision had been given up is left out.
    same = np.isclose(found, expected.reindex(found.index, fill_value=0.0), rtol=0, atol=1e-11)
    assert same.mean() > 0.98


def test_a_choice_is_judged_after_its_decision_only(told):
    rows = told["ensemble_returns"]
    assert (rows["known_at"] > rows["decision_at"]).all()
    rows = rows[rows["method"].isin(methods())]
    assert rows.groupby("decision_at")["known_at"].nunique().eq(1).all()


def test_the_difference_to_the_one_in_force_is_drawn_from_what_was_known_then(told):
    returns, drawn = told["ensemble_returns"], told["metric_intervals"]
    others = [f"{method} - softmax" for method in methods() if method != "softmax"]
    pairs = [*others, "without_views - allocator"]
    assert set(drawn["subject"]) == {f"{PORTFOLIO}: {pair}" for pair in pairs}
    drawn = drawn[(drawn["metric"] == "expected_return") & drawn["subject"].str.contains("stacking")]
    row, method = drawn.sort_values("window_id").iloc[-1], "stacking"
    net = returns.pivot_table("net_return", "decision_at", "method").sort_index()
    known = returns.groupby("decision_at")["known_at"].max()
    less = (net[method] - net["softmax"])[(net.index >= row["from_at"]) & (known <= row["known_at"])]
    assert row["observations"] == len(less)
    assert row["estimate"] == pytest.approx(less.mean(), abs=1e-15)
    assert row["lower"] <= row["estimate"] <= row["upper"]


def test_the_report_says_the_same_of_all_of_them(small_world, told):
    con = outputs.open_published(small_world.whole.parent)
    try:
        evidence = outputs.gather(con, PORTFOLIO)
    finally:
        con.close()
    said = validation_document(evidence)["validation_report"]["weightings"]
    assert sorted(said["methods"]) == sorted([*methods(), *ALLOCATORS])
    assert said["methods"]["without_views"]["compared_with"] == "allocator"
    assert said["regrets"]["hedge"]["regret"] <= said["regrets"]["hedge"]["bound"]
    rows = told["ensemble_returns"]
    rows = rows[(rows["known_at"] <= evidence.decision_at) & (rows["method"] == "hedge")]
    rows = rows[rows["decision_at"] >= said["span"]["from"].rstrip("Z")].sort_values("decision_at")
    annual = outputs.annual_sharpe(rows["net_return"].to_numpy(), evidence.decisions_per_year)
    assert said["methods"]["hedge"]["sharpe_ratio"] == pytest.approx(annual, rel=1e-3)
