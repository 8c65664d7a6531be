"""What a decision says of itself: prices, contributions, limits in conflict, and limits a policy may add."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from python_steps import plugins
from python_steps.conflicts import smallest
from python_steps.least_distance import turnover, volatility
from tests.steps.test_allocate_exposures import held, make_world, run, small_world, with_policy
from tests.steps.test_projection import make_limits, none_of, project, random_case

ALLOCATORS = plugins.discover("python_steps.allocators")


def in_conflict(weights, previous, limits, frozen, barred):
    return [rule.text for rule in smallest(np.array(weights), np.array(previous), limits, frozen, barred)]


def test_an_asset_held_above_its_cap_is_in_conflict_with_it():
    frozen = np.array([True, False])
    found = in_conflict([0.3, 0.1], [0.3, 0.1], make_limits([0.2] * 2), frozen, none_of(2))
    assert found == ["S00 at most 0.2000", "S00 is left out: not below 0.3000"]


def test_limits_in_conflict_are_named_with_their_numbers_and_no_other_is():
    limits = make_limits([0.2] * 3, clusters=[([1, 1, 0], 0.2)], turnover=0.5)
    found = in_conflict([0.15, 0.15, 0.1], [0.2, 0.2, 0.1], limits, none_of(3), none_of(3))
    assert found == [
        "S00 falls at most 0.0500 from 0.2000",
        "S01 falls at most 0.0500 from 0.2000",
        "cluster 0 at most 0.2000",
    ]


def test_a_turnover_too_small_to_bring_the_volatility_down_is_in_conflict_with_it():
    limits = make_limits([0.5], change=1.0, turnover=0.01, volatility=0.001, factor=np.array([[0.1]]))
    found = in_conflict([0.3], [0.3], limits, none_of(1), none_of(1))
    assert found == ["turnover at most 0.0100", "volatility at most 0.001000 a decision"]


def test_where_weights_obey_every_limit_nothing_is_in_conflict():
    limits = make_limits([0.2] * 2, turnover=0.01)
    assert in_conflict([0.1, 0.1], [0.1, 0.1], limits, none_of(2), none_of(2)) == []
    assert in_conflict([0.3, 0.3], [0.1, 0.1], limits, none_of(2), none_of(2)) == []  # some others do


def feasible(rules, previous, limits):
    """Whether some weights obey the rules, as another problem says."""
    import cvxpy as cp

    weights = cp.Variable(len(previous), nonneg=True)
    constraints = [rule.row @ weights <= rule.bound for rule in rules if rule.row is not None]
    for rule in rules:
        if rule.name == "turnover":
            trade = weights - previous
            constraints += [cp.sum(cp.pos(side)) <= rule.bound for side in (trade, -trade)]
        if rule.name == "volatility":
            constraints.append(cp.norm(limits.factor @ weights / rule.bound) <= 1)
    problem = cp.Problem(cp.Minimize(cp.sum(weights)), constraints)
    problem.solve(solver="CLARABEL")
    return problem.status in ("optimal", "optimal_inaccurate")


def test_a_set_in_conflict_has_no_answer_and_would_have_one_without_any_of_its_limits():
    rng = np.random.default_rng(4)
    found, sizes = 0, set()
    for _ in range(120):
        limits, previous, smoothed, frozen, barred = random_case(rng, 0.05, 0.003)
        answer = project(smoothed, previous, limits, frozen, barred)
        rules = smallest(answer.weights, previous, limits, frozen, barred)
        if not rules:
            continue
        assert answer.forced  # nothing is in conflict where every limit was kept
        assert not feasible(rules, previous, limits)
        for others in combinations(rules, len(rules) - 1):
            assert feasible(others, previous, limits)
        found += 1
        sizes.add(len(rules))
    assert found >= 30
    assert max(sizes) >= 3


def log_of(inputs, wanted):
    tables = run(inputs, wanted)
    return tables, tables["allocation_log"]


def test_the_log_says_in_words_what_was_in_conflict():
    inputs = small_world([None] * 3, [1.0] * 3, [])
    inputs = replace(inputs, data_quality=inputs.data_quality.assign(is_excluded=True))
    _, log = log_of(held(inputs, {"S01": 0.3}), with_policy())
    assert json.loads(log["conflict_set"].iloc[0]) == [
        "S01 at most 0.2000",
        "S01 is left out: not below 0.3000",
    ]
    assert "in conflict: S01 at most 0.2000, S01 is left out: not below 0.3000" in log["reason"].iloc[0]
    assert json.loads(log["conflicts"].iloc[0]) == ["asset S01"]


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_a_decision_names_its_variant_and_its_risk_is_shared_out_among_the_assets(allocator):
    tables, log = log_of(make_world(rows=160), with_policy(allocator=allocator))
    assert set(log["variant"]) == {ALLOCATORS[allocator].VARIANT}
    sums = tables["risk_contributions"].groupby("decision_at")["contribution"].sum()
    np.testing.assert_allclose(sums.to_numpy(), log["volatility"], rtol=1e-12, atol=1e-15)
    assert (log["volatility"] > 0).any()
    assert {"solved"} <= set(log["status"])


def test_a_price_is_told_for_limits_that_bind_and_for_no_other():
    tables, log = log_of(make_world(size=9, rows=170), with_policy(limits__asset=0.05, smoothing=1.0))
    binding = log.set_index("decision_at")["binding"].map(json.loads)
    prices = tables["constraint_prices"]
    assert set(prices["stage"]) == {"raw", "projected"}
    for row in prices[prices["stage"] == "projected"].itertuples():
        assert row.limit_name in binding[row.decision_at] or row.limit_name.startswith("left out")
    assert "asset" in {name.split()[0] for name in prices["limit_name"]}


def test_an_optimiser_has_prices_of_its_own():
    wanted = with_policy(allocator="mean_variance", limits__volatility=0.03, smoothing=1.0)
    prices = run(make_world(size=9, rows=160), wanted)["constraint_prices"]
    mine = prices[prices["stage"] == "allocator"]
    assert {"volatility"} <= set(mine["limit_name"])
    assert (mine["price"] > 0).all()


def test_no_more_assets_are_held_than_the_policy_wants():
    wanted = with_policy(limits__cardinality=3, smoothing=1.0, limits__change=1.0)
    tables, log = log_of(make_world(size=9, rows=170), wanted)
    held = tables["target_exposures"].query("symbol != 'CASH' and weight > 0").groupby("decision_at").size()
    forced = log.set_index("decision_at")["conflicts"].str.contains("cardinality")
    assert (held[~forced.loc[held.index]] <= 3).all()
    assert held.max() >= 3
    free = run(make_world(size=9, rows=170), with_policy(smoothing=1.0, limits__change=1.0))
    assert (
        free["target_exposures"].query("symbol != 'CASH' and weight > 0").groupby("decision_at").size().max()
        > 3
    )


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_the_raw_weights_of_too_many_assets_are_asked_for_once_more_of_the_largest(allocator):
    wanted = with_policy(allocator=allocator, limits__cardinality=2)
    raw = run(make_world(size=9, rows=150), wanted)["weight_waterfall"].query(
        "stage == 'raw' and symbol != 'CASH'"
    )
    assert raw[raw["weight_after"] > 0].groupby("decision_at").size().max() == 2


def test_no_trade_is_smaller_than_the_minimum_unless_it_sells_all_there_is():
    inputs = make_world(size=9, rows=170)
    tables, log = log_of(inputs, with_policy(limits__minimum_trade=0.01))
    rows = tables["target_exposures"].query("symbol != 'CASH'")
    forced = rows["decision_at"].map(log.set_index("decision_at")["conflicts"].str.contains("minimum trade"))
    trade = (rows["weight"] - rows["previous_weight"]).abs()
    small = (trade > 1e-9) & (trade < 0.01 - 1e-9) & (rows["weight"] > 0) & ~forced
    assert not small.any()
    free = run(inputs)["target_exposures"].query("symbol != 'CASH'")
    trade = (free["weight"] - free["previous_weight"]).abs()
    assert ((trade > 1e-9) & (trade < 0.01) & (free["weight"] > 0)).any()


def test_who_minds_the_cost_trades_less_and_with_a_great_aversion_not_at_all():
    inputs = make_world(size=6, rows=170)
    turnovers = [
        run(inputs, with_policy(limits__cost_aversion=aversion))["allocation_log"]["turnover"].sum()
        for aversion in (0.0, 10.0, 1e6)
    ]
    assert turnovers[0] > turnovers[1] > turnovers[2]


@pytest.mark.parametrize(("left_out", "weights"), [("previous", [0.2] * 3), ("zero", [0.0] * 3)])
def test_an_asset_left_out_is_held_or_sold_as_the_policy_wants(left_out, weights):
    inputs = small_world([None] * 3, [1.0] * 3, [])
    inputs = replace(inputs, data_quality=inputs.data_quality.assign(is_excluded=True))
    tables = run(inputs, with_policy(limits__left_out=left_out))
    found = tables["target_exposures"].query("symbol == 'S01'")["weight"]
    np.testing.assert_allclose(found, weights, atol=1e-12)


def test_turnover_and_volatility_of_the_projected_weights_are_within_their_limits_or_named():
    wanted = with_policy(limits__turnover=0.03, limits__volatility=0.03, smoothing=1.0)
    _, log = log_of(make_world(size=9, rows=170), wanted)
    for row in log.itertuples():
        forced = json.loads(row.conflicts)
        assert row.turnover <= 0.03 + 1e-9 or "turnover" in forced
        assert row.volatility <= 0.03 + 1e-9 or "volatility" in forced
    assert turnover(np.array([0.1]), np.array([0.0])) == 0.1
    assert volatility(np.array([0.1]), np.array([[2.0]])) == pytest.approx(0.2)
