"""A strategy whose record hangs on one regime is refused where the policy says so, in words and figures."""

import numpy as np
import pandas as pd
import pytest

from python_steps import policy
from python_steps.belief_gates import reasons
from tests.steps.test_weigh_strategies import POLICY, answer, assert_same_bits, make_world


def with_least(least):
    return POLICY.model_copy(
        update={"gates": POLICY.gates.model_copy(update={"minimum_regime_consistency": least})}
    )


def judged(consistency, least):
    """What the gates say of one strategy on one asset that passes all others."""
    one = np.ones((1, 1))
    return reasons(
        with_least(least),
        [""],
        99 * one,
        0 * one,
        one,
        9 * one,
        0 * one,
        one,
        one[0],
        np.array([consistency]),
    )[0, 0]


@pytest.mark.parametrize(
    ("consistency", "least", "said"),
    [
        (0.1, 0.1, "adopted"),
        (np.nextafter(0.1, 0), 0.1, "regime consistency 0.100 < 0.100"),
        (0.05, 0.1, "regime consistency 0.050 < 0.100"),
        (0.0, 0.0, "adopted"),
        (0.0, None, "adopted"),
        (float("nan"), 1.0, "adopted"),
    ],
)
def test_the_gate_refuses_what_is_known_to_be_below_it(consistency, least, said):
    assert judged(consistency, least) == said


def test_who_is_refused_is_who_the_published_figures_say():
    world = make_world()
    whole = answer(world)
    metrics = whole["overfit_metrics"].set_index(["decision_at", "strategy"])["regime_consistency"]
    before = whole["strategy_gates"]
    let_in = pd.MultiIndex.from_frame(before.loc[before["is_adopted"], ["decision_at", "strategy"]])
    least = float(metrics.reindex(let_in).quantile(0.3))
    gates = answer(world, with_least(least))["strategy_gates"]
    keys = pd.MultiIndex.from_frame(gates[["decision_at", "strategy"]])
    found = metrics.reindex(keys).to_numpy()
    is_named = gates["reason"].str.contains("regime consistency").to_numpy()
    assert (is_named == (found < least)).all()
    assert is_named.any()
    assert not is_named.all()
    kept = before["is_adopted"].to_numpy() & ~(found < least)
    assert (gates["is_adopted"].to_numpy() == kept).all()
    assert kept.sum() < before["is_adopted"].sum()


def test_an_older_policy_and_one_that_asks_nothing_decide_alike():
    told = POLICY.model_dump(mode="json")
    del told["gates"]["minimum_regime_consistency"]
    world = make_world()
    assert_same_bits(answer(world, policy.Policy.model_validate(told)), answer(world, with_least(None)))


def test_production_asks_for_it_and_holds_less_when_risk_is_off():
    _, production = policy.load("production")
    _, usual = policy.load("global")
    assert production.gates.minimum_regime_consistency == 0.1
    assert production.limits.regimes == {"risk_off": 0.6}
    assert usual.gates.minimum_regime_consistency is None
    assert usual.limits.regimes is None
