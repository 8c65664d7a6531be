"""Rule 7: the projection against an independent solver, and each of its five sentences."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from python_steps.least_distance import closest, turnover, volatility
from python_steps.limits import Group, Limits
from python_steps.projection import nearest, prices_of, project, shed, with_room

KINDS = {
    "groups": (None, None),
    "turnover": (0.05, None),
    "volatility": (None, 0.004),
    "turnover and volatility": (0.05, 0.004),
}


def make_limits(
    upper, classes=(), clusters=(), change=0.05, turnover=None, volatility=None, factor=None, **others
):
    size = len(upper)
    return Limits(
        symbols=tuple(f"S{at:02d}" for at in range(size)),
        upper=np.asarray(upper, dtype=float),
        classes=tuple(
            Group(f"class {at}", np.asarray(mask, bool), limit) for at, (mask, limit) in enumerate(classes)
        ),
        clusters=tuple(
            Group(f"cluster {at}", np.asarray(mask, bool), limit) for at, (mask, limit) in enumerate(clusters)
        ),
        change=change,
        turnover=turnover,
        volatility=volatility,
        factor=np.zeros((0, size)) if factor is None else factor,
        risk_aversion=5.0,
        **others,
    )


def random_case(rng, wanted_turnover, wanted_volatility):
    size = int(rng.integers(2, 25))
    kind = rng.integers(0, 3, size)
    returns = (
        rng.normal(size=(200, size)) * rng.uniform(0.003, 0.03, size) + rng.normal(size=(200, 1)) * 0.005
    )
    matrix = np.atleast_2d(np.cov(returns, rowvar=False))
    limits = make_limits(
        np.full(size, 0.2),
        classes=[(kind == at, float(rng.uniform(0.2, 0.8))) for at in range(3) if (kind == at).any()],
        clusters=[(np.arange(size) < max(2, size // 3), 0.3)],
        turnover=wanted_turnover,
        volatility=wanted_volatility,
        factor=np.linalg.cholesky(matrix).T,
    )
    previous = rng.dirichlet(np.ones(size)) * rng.uniform(0, 1)
    smoothed = 0.3 * rng.dirichlet(np.full(size, 0.5)) * rng.uniform(0, 1.2) + 0.7 * previous
    frozen = rng.random(size) < 0.15
    return limits, previous, smoothed, frozen, frozen & (rng.random(size) < 0.3)


def rule_seven_bounds(limits, previous, frozen, barred):
    """(i) to (iii) written out again, one asset at a time; the projection of l by bisection."""
    lower, upper = [], []
    for at, before in enumerate(previous):
        top, bottom = min(limits.upper[at], before + limits.change), max(0.0, before - limits.change)
        if barred[at]:
            top = 0.0
        elif frozen[at]:
            top = bottom = before
        upper.append(top)
        lower.append(min(bottom, top))
    lower = np.array(lower)
    for group in (*limits.classes, limits.total):
        held = lower[group.members]
        low, high = 0.0, 1.0
        for _ in range(200):
            level = (low + high) / 2
            low, high = (level, high) if np.maximum(held - level, 0).sum() > group.limit else (low, level)
        if held.sum() > group.limit:
            lower[group.members] = np.maximum(held - high, 0)
    return lower, np.array(upper)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("kind", KINDS)
def test_the_projection_is_the_nearest_point_an_interior_point_solver_finds(kind):
    rng = np.random.default_rng(list(KINDS).index(kind))
    compared, bound = 0, set()
    for _ in range(25):
        limits, previous, smoothed, frozen, barred = random_case(rng, *KINDS[kind])
        answer = project(smoothed, previous, limits, frozen, barred)
        found, bound = answer.weights, bound | set(answer.binding)
        lower, upper = rule_seven_bounds(limits, previous, frozen, barred)
        weights = cp.Variable(len(smoothed))
        rules = [weights >= lower, weights <= upper]
        for group in limits.groups:
            limit = max(group.limit, lower[group.members].sum())
            rules.append(cp.sum(weights[np.flatnonzero(group.members)]) <= limit)
            assert found[group.members].sum() <= limit + 1e-12
        assert (found >= lower - 1e-12).all()
        assert (found <= upper + 1e-12).all()
        if limits.turnover is not None:
            limit = max(limits.turnover, turnover(lower, previous))
            rules += [cp.sum(cp.pos(side)) <= limit for side in (weights - previous, previous - weights)]
            assert turnover(found, previous) <= limit + 1e-12
        if limits.volatility is not None:
            limit = max(limits.volatility, volatility(lower, limits.factor))
            rules.append(cp.norm(limits.factor @ weights / limit) <= 1)
            assert volatility(found, limits.factor) <= limit + 1e-12
        problem = cp.Problem(cp.Minimize(cp.sum_squares(1000 * (weights - smoothed))), rules)
        if solved(problem):
            compared += 1
            np.testing.assert_allclose(found, weights.value, atol=1e-6)
    assert compared >= 20
    assert bound >= {word for word in kind.split(" and ") if word != "groups"} | {"cluster 0"}


def solved(problem):
    """Whether the interior-point solver is sure; a region without an interior (l on its edge) defeats it."""
    try:
        problem.solve(solver="CLARABEL", tol_gap_abs=1e-8, tol_gap_rel=1e-8, tol_feas=1e-9)
    except cp.SolverError:
        return False
    return problem.status == cp.OPTIMAL


@pytest.mark.parametrize("kind", KINDS)
def test_a_projection_gives_the_same_bits_each_time_and_stays_where_it_is(kind):
    rng = np.random.default_rng(7)
    for _ in range(5):
        limits, previous, smoothed, frozen, barred = random_case(rng, *KINDS[kind])
        first = project(smoothed, previous, limits, frozen, barred).weights
        assert project(smoothed, previous, limits, frozen, barred).weights.tobytes() == first.tobytes()
        np.testing.assert_allclose(
            project(first, previous, limits, frozen, barred).weights, first, atol=1e-10
        )


def none_of(size):
    return np.zeros(size, dtype=bool)


def test_an_asset_left_out_is_neither_bought_nor_sold():
    limits = make_limits([0.2, 0.2])
    answer = project(np.array([0.0, 0.1]), np.array([0.15, 0.1]), limits, np.array([True, False]), none_of(2))
    assert answer.weights.tolist() == [0.15, 0.1]
    assert answer.forced == ()


def test_a_barred_asset_is_sold_at_once_and_the_change_limit_gives_way():
    limits = make_limits([0.2, 0.2])
    barred = np.array([True, False])
    answer = project(np.array([0.15, 0.1]), np.array([0.15, 0.1]), limits, barred, barred)
    assert answer.weights.tolist() == [0.0, 0.1]
    assert answer.forced == ("change S00",)


def test_a_weight_that_drifted_far_over_its_cap_comes_back_to_the_cap():
    answer = project(np.array([0.3]), np.array([0.3]), make_limits([0.2]), none_of(1), none_of(1))
    assert answer.weights.tolist() == [0.2]
    assert answer.forced == ("change S00",)


def test_a_frozen_asset_above_its_cap_is_held_and_named():
    answer = project(np.array([0.0]), np.array([0.3]), make_limits([0.2]), np.array([True]), none_of(1))
    assert answer.weights.tolist() == [0.3]
    assert answer.forced == ("asset S00",)


def test_what_must_be_held_in_a_class_is_lowered_by_equal_amounts_to_its_limit():
    limits = make_limits([0.2] * 3, classes=[([1, 1, 0], 0.2)])
    previous = np.array([0.2, 0.18, 0.1])
    answer = project(previous, previous, limits, none_of(3), none_of(3))
    np.testing.assert_allclose(answer.weights, [0.11, 0.09, 0.1], atol=1e-12)
    assert answer.forced == ("class 0", "change S00", "change S01")


def test_a_cluster_limit_becomes_its_value_at_the_lower_bounds():
    limits = make_limits([0.2] * 2, clusters=[([1, 1], 0.2)])
    previous = np.array([0.2, 0.2])
    answer = project(previous, previous, limits, none_of(2), none_of(2))
    np.testing.assert_allclose(answer.weights, [0.15, 0.15], atol=1e-12)
    assert answer.forced == ("cluster 0",)


def test_turnover_and_volatility_give_way_to_what_must_be_sold():
    limits = make_limits([0.2], turnover=0.01, volatility=0.001, factor=np.array([[0.1]]))
    answer = project(np.array([0.3]), np.array([0.3]), limits, none_of(1), none_of(1))
    assert answer.weights.tolist() == [0.2]
    assert answer.forced == ("change S00", "turnover", "volatility")


def test_a_limit_that_holds_the_weights_is_named():
    limits = make_limits([0.2] * 2, classes=[([1, 1], 0.3)], change=1.0)
    answer = project(np.array([0.3, 0.2]), np.array([0.1, 0.1]), limits, none_of(2), none_of(2))
    np.testing.assert_allclose(answer.weights, [0.2, 0.1], atol=1e-12)
    assert answer.binding == ("asset S00", "class 0")


def test_a_projection_of_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        project(np.array([np.nan]), np.array([0.0]), make_limits([0.2]), none_of(1), none_of(1))


def test_raw_weights_buy_nothing_that_the_allocator_did_not_take():
    factor = np.linalg.cholesky(np.array([[0.04, -0.03], [-0.03, 0.04]])).T
    limits = make_limits([0.2] * 2, volatility=0.02, factor=factor)
    raw = nearest(np.array([0.2, 0.0]), limits, np.array([0.2, 0.0]), np.zeros(2))
    np.testing.assert_allclose(raw, [0.1, 0.0], atol=1e-10)


def test_the_turnover_of_raw_weights_is_raised_where_what_is_held_breaks_another_limit():
    limits = make_limits([0.2] * 2, turnover=0.01)
    previous = np.array([0.3, 0.1])
    roomy = with_room(limits, previous)
    assert roomy.turnover == pytest.approx(0.1, abs=2e-6)
    raw = nearest(np.array([0.0, 0.2]), roomy, np.array([0.0, 0.2]), previous)
    np.testing.assert_allclose(raw, [0.2, 0.2], atol=2e-6)
    assert with_room(limits, np.array([0.2, 0.1])) is limits


def test_a_group_that_is_full_at_the_lower_bounds_does_not_defeat_the_solver():
    rng = np.random.default_rng(5)
    for _ in range(2000):
        size = int(rng.integers(2, 40))
        kind = rng.integers(0, 3, size)
        limits = make_limits(
            np.full(size, 0.2),
            classes=[(kind == at, float(rng.choice([0, 0.1, 0.3]))) for at in range(3) if (kind == at).any()],
            clusters=[(rng.random(size) < 0.3, 0.2)],
            change=0.01,
        )
        previous = np.round(rng.dirichlet(np.ones(size)), 2) * rng.choice([0.3, 1])
        smoothed = np.round(rng.dirichlet(np.full(size, 0.3)), 2)
        assert "projection" not in project(smoothed, previous, limits, none_of(size), none_of(size)).forced


def test_shedding_lowers_by_equal_amounts_down_to_zero():
    np.testing.assert_allclose(shed(np.array([0.5, 0.3, 0.01]), 0.6), [0.4, 0.2, 0.0], atol=1e-12)
    assert shed(np.array([0.5, 0.1]), 0.6).tolist() == [0.5, 0.1]
    assert shed(np.array([0.5, 0.1]), 0.0).tolist() == [0.0, 0.0]


def test_no_more_assets_are_held_than_the_policy_wants_and_the_largest_stay():
    limits = make_limits([0.2] * 4, cardinality=2)
    previous = np.array([0.04, 0.0, 0.04, 0.0])
    answer = project(np.array([0.04, 0.045, 0.01, 0.03]), previous, limits, none_of(4), none_of(4))
    np.testing.assert_allclose(answer.weights, [0.04, 0.045, 0.0, 0.0], atol=1e-12)
    assert answer.forced == ()
    assert prices_of(np.array([0.04, 0.045, 0.01, 0.03]), answer, limits) == {
        "cardinality": pytest.approx(0.04)
    }


def test_what_must_be_held_is_held_though_it_is_one_too_many_and_is_named():
    limits = make_limits([0.2] * 3, cardinality=1)
    previous = np.array([0.1, 0.1, 0.0])
    answer = project(np.array([0.0, 0.0, 0.05]), previous, limits, none_of(3), none_of(3))
    np.testing.assert_allclose(answer.weights, [0.05, 0.05, 0.0], atol=1e-12)
    assert answer.forced == ("cardinality",)


def test_a_trade_below_the_minimum_is_not_made_but_to_sell_all_there_is():
    limits = make_limits([0.2] * 4, minimum_trade=0.01)
    previous = np.array([0.1, 0.1, 0.005, 0.0])
    answer = project(np.array([0.104, 0.12, 0.0, 0.008]), previous, limits, none_of(4), none_of(4))
    np.testing.assert_allclose(answer.weights, [0.1, 0.12, 0.0, 0.0], atol=1e-12)
    assert answer.forced == ()


def test_what_a_small_trade_left_undone_makes_room_for_is_projected_anew():
    limits = make_limits([0.2] * 2, classes=[([1, 1], 0.2)], minimum_trade=0.01)
    previous = np.array([0.1, 0.09])
    wanted = np.array([0.13, 0.11])  # at 0.11 and 0.09 under the class alone
    answer = project(wanted, previous, limits, none_of(2), none_of(2))
    np.testing.assert_allclose(answer.weights, [0.11, 0.09], atol=1e-12)
    held = project(np.array([0.125, 0.115]), previous, limits, none_of(2), none_of(2))
    np.testing.assert_allclose(held.weights, [0.1, 0.09], atol=1e-12)


def test_a_small_trade_that_a_limit_demands_is_made_and_named():
    limits = make_limits([0.2] * 2, classes=[([1, 1], 0.199)], minimum_trade=0.01)
    answer = project(np.array([0.1, 0.1]), np.array([0.1, 0.1]), limits, none_of(2), none_of(2))
    np.testing.assert_allclose(answer.weights, [0.0995, 0.0995], atol=1e-12)
    assert answer.forced == ("minimum trade",)


@pytest.mark.parametrize("kind", KINDS)
def test_prices_are_what_the_distance_gains_when_a_limit_is_moved(kind):
    rng = np.random.default_rng(list(KINDS).index(kind) + 50)
    priced = set()
    for _ in range(25):
        limits, previous, smoothed, frozen, barred = random_case(rng, *KINDS[kind])
        answer = project(smoothed * 1.5, previous, limits, frozen, barred)
        found = prices_of(smoothed * 1.5, answer, limits)
        names = [group.name for group in limits.groups]
        half = distance(answer.weights, smoothed)
        for name in set(found) & {*names, "turnover", "volatility"}:
            if name == "volatility" and np.allclose(answer.weights, answer.region.lower):
                continue  # at the least volatility there is, nothing is lost by a limit that is lower still
            step = 1e-8 if name == "volatility" else 1e-6
            then = closest(smoothed * 1.5, moved_by(answer.region, names, name, step))
            gained = (half - distance(then, smoothed)) / step
            assert gained == pytest.approx(found[name], rel=0.05, abs=1e-4), name
            priced.add(name.split()[0])
    assert priced >= {"class"} | {word for word in kind.split(" and ") if word != "groups"}


def distance(weights, smoothed):
    return float(((weights - smoothed * 1.5) ** 2).sum()) / 2


def moved_by(region, names, name, step):
    """The region with one of its limits larger."""
    if name in ("turnover", "volatility"):
        return replace(region, **{name: getattr(region, name) + step})
    return replace(region, limits=region.limits + step * (np.array(names) == name))
