"""What SQL says of gates and of agreement between strategies, beside the same by hand, in the small world."""

import numpy as np
import pandas as pd
import pytest

from python_steps import warehouse
from tests.worlds.small import World

CANDIDATE = ["portfolio", "symbol", "strategy"]
DECISION = ["portfolio", "decision_at"]


def table(world: World, name: str) -> pd.DataFrame:
    con = warehouse.connect(world.whole, read_only=True)
    try:
        return con.execute(f"select * from main.{name}").df()
    finally:
        con.close()


@pytest.fixture(scope="module")
def gates(small_world: World) -> pd.DataFrame:
    """Each verdict with the one before of the same strategy on the same asset."""
    found = table(small_world, "strategy_gates").sort_values([*CANDIDATE, "decision_at"], ignore_index=True)
    before = found.groupby(CANDIDATE)[["is_adopted", "reason", "decision_at"]].shift()
    return found.join(before.rename(columns=lambda name: f"{name}_before"))


def test_every_verdict_that_is_another_than_before_has_a_row(small_world: World, gates: pd.DataFrame) -> None:
    changed = gates[gates["reason"] != gates["reason_before"]].reset_index(drop=True)
    found = table(small_world, "gate_changes").sort_values([*CANDIDATE, "decision_at"], ignore_index=True)
    assert 0 < len(found) < len(gates)
    for column in (*CANDIDATE, "decision_at", "is_adopted", "reason"):
        assert (found[column] == changed[column]).all(), column
    was = changed["is_adopted_before"]
    kinds = np.select(
        [was.isna(), was.eq(changed["is_adopted"]), changed["is_adopted"]],
        ["first", "reason", "let_in"],
        "dropped",
    )
    assert found["change"].tolist() == kinds.tolist()
    assert {"first", "reason", "let_in", "dropped"} == set(kinds)
    later = found["change"] != "first"
    for column in ("decision_at", "reason"):
        name = "previous_decision_at" if column == "decision_at" else "reason_before"
        assert (found.loc[later, name] == changed.loc[later, f"{column}_before"]).all()
    assert (found["known_at"] == found["decision_at"]).all()


def test_the_counts_of_a_decision_are_those_before_and_what_changed(
    small_world: World, gates: pd.DataFrame
) -> None:
    found = table(small_world, "gate_counts").set_index(DECISION).sort_index()
    by_hand = gates.groupby(DECISION)
    assert (found["judged"] == by_hand.size()).all()
    assert (found["adopted"] == by_hand["is_adopted"].sum()).all()
    adopted = gates[gates["is_adopted"]].groupby(DECISION)
    for column, name in (("symbol", "assets"), ("strategy", "strategies")):
        assert (found[name] == adopted[column].nunique().reindex(found.index, fill_value=0)).all()
    was = gates["is_adopted_before"].eq(True)
    let_in = (gates["is_adopted"] & ~was).groupby([gates[name] for name in DECISION]).sum()
    dropped = (~gates["is_adopted"] & was).groupby([gates[name] for name in DECISION]).sum()
    assert (found["let_in"] == let_in).all()
    assert (found["dropped"] == dropped).all()
    assert found[["let_in", "dropped", "other_reasons"]].sum().gt(0).all()


def test_agreement_is_that_of_the_strategies_with_weight(small_world: World) -> None:
    weights = table(small_world, "strategy_weights").query("weight > 0")
    found = table(small_world, "strategy_agreement").set_index(DECISION).sort_index()
    assert set(found.index) == set(weights.set_index(DECISION).index)
    for key, rows in weights.groupby(DECISION):
        agreed, pairs, weight_agreed = 0, 0, 0.0
        for _, mine in rows.groupby("symbol"):
            side = np.sign(mine["position"].to_numpy())
            whole = np.sign(round(float((mine["weight"] * mine["position"]).sum()), 9))
            weight_agreed += mine["weight"].to_numpy()[side == whole].sum()
            pairs += len(side) * (len(side) - 1) // 2
            agreed += (np.triu(side[:, None] == side, 1)).sum()
        row = found.loc[key]
        assert row["strategies"] == rows["strategy"].nunique()
        assert row["assets"] == rows["symbol"].nunique()
        assert row["pairs"] == pairs
        assert row["with_ensemble"] == pytest.approx(weight_agreed / rows["weight"].sum())
        if pairs:
            assert row["pairwise"] == pytest.approx(agreed / pairs)
        else:
            assert np.isnan(row["pairwise"])
    assert found["pairwise"].nunique() > 3
    assert found["with_ensemble"].nunique() > 3
    assert (found["known_at"] == found.index.get_level_values("decision_at")).all()


def test_beliefs_are_written_for_every_decision_of_the_small_world(small_world: World) -> None:
    decisions = set(table(small_world, "confidences")["decision_at"])
    checks = table(small_world, "reality_checks")
    assert set(checks["benchmark"]) == {"cash", "always_long"}
    assert set(checks["decision_at"]) == decisions
    assert checks["spa_consistent"].nunique() > 3  # again whenever a span is known, and carried in between
    assert checks["spa_consistent"].nunique() < len(decisions) / 5
    reliability = table(small_world, "forecast_reliability")
    assert set(reliability["sort"]) == {"raw", "calibrated"}
    resolved = table(small_world, "confidences").set_index("decision_at")["resolved_spans"]
    raw = reliability[reliability["sort"] == "raw"].groupby("decision_at")["forecasts"].sum()
    assert (raw == resolved[resolved > 0]).all()
