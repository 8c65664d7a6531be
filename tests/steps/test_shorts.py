"""What is sold short: its side of 0, its limits, its mirror before allocators, its book and its stops."""

import dataclasses
import json

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from python_steps import limits as bounds_of
from python_steps import plugins, policy
from python_steps.allocation_answer import Situation, answer, risk_of, smoothed
from python_steps.allocation_inputs import holdings_by_decision
from python_steps.belief_evidence import Evidence
from python_steps.book import YEAR, Book, Fill, LateAction
from python_steps.conflicts import smallest
from python_steps.covariances import ledoit_wolf
from python_steps.least_distance import turnover, volatility
from python_steps.projection import prices_of, project, shed
from python_steps.stops import Verdict, stopped
from python_steps.weigh_strategies import _view
from tests.steps.test_allocate_exposures import with_policy
from tests.steps.test_projection import KINDS, make_limits, none_of, random_case, solved

ALLOCATORS = plugins.discover("python_steps.allocators")
SHORTS = {"allow_shorts": True, "limits__short": 0.2}


# The policy.


def test_a_policy_with_shorts_says_how_large_one_may_be():
    with pytest.raises(ValueError, match=r"limits\.short: allow_shorts is true; expected the largest weight"):
        with_policy(allow_shorts=True)


@pytest.mark.parametrize(("name", "value"), [("short", 0.1), ("gross", 0.5), ("net", [-0.1, 0.1])])
def test_a_limit_of_shorts_without_shorts_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=rf"limits\.{name}: allow_shorts is false; expected null"):
        with_policy(**{f"limits__{name}": value})


@pytest.mark.parametrize("net", [[0.1, 0.3], [-0.3, -0.1], [-0.3, 1.1], [0.0]])
def test_all_cash_is_within_every_net_and_more_than_all_is_in_none(net):
    with pytest.raises(ValueError, match="net"):
        with_policy(**SHORTS, limits__net=net)


def test_a_policy_landed_before_there_were_shorts_is_read_as_it_was_meant():
    content = json.loads(policy.to_json(with_policy()))
    for name in policy.SHORT_LIMITS:
        del content["limits"][name]
    assert policy.Policy.model_validate(content) == with_policy()


def test_the_sample_policy_of_both_sides_can_be_loaded():
    name, wanted = policy.load("long_short")
    assert (name, wanted.allow_shorts, wanted.limits.short) == ("long_short", True, 0.1)


# The projection.


def case_with_shorts(rng, wanted_turnover, wanted_volatility):
    """A case of the projection's own tests, some of it turned round."""
    limits, previous, wanted, frozen, barred = random_case(rng, wanted_turnover, wanted_volatility)
    limits = dataclasses.replace(
        limits,
        short=rng.uniform(0.05, 0.2, len(wanted)),
        net=(-0.1, 0.15) if rng.random() < 0.7 else None,
        sum_limit=0.7,
        sum_name="gross",
    )
    turned = rng.choice([-1.0, 1.0], len(wanted), p=[0.4, 0.6])
    return limits, previous * turned, wanted * turned * rng.choice([1.0, 1.5]), frozen, barred


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("kind", KINDS)
def test_with_shorts_it_is_the_nearest_point_an_interior_point_solver_finds(kind):
    rng = np.random.default_rng(list(KINDS).index(kind) + 200)
    compared, bound, shorts = 0, set(), 0
    for _ in range(25):
        limits, previous, wanted, frozen, barred = case_with_shorts(rng, *KINDS[kind])
        found = project(wanted, previous, limits, frozen, barred)
        lower, upper = found.region.lower, found.region.upper
        least = np.clip(0.0, lower, upper)
        weights = cp.Variable(len(wanted))
        rules = [weights >= lower, weights <= upper]
        for group in limits.groups:
            limit = max(group.limit, np.abs(least[group.members]).sum())
            rules.append(cp.norm1(weights[np.flatnonzero(group.members)]) <= limit)
            assert np.abs(found.weights[group.members]).sum() <= limit + 1e-12
        if limits.net is not None:
            low, high = min(limits.net[0], least.sum()), max(limits.net[1], least.sum())
            rules += [cp.sum(weights) >= low, cp.sum(weights) <= high]
            assert low - 1e-12 <= found.weights.sum() <= high + 1e-12
        if limits.turnover is not None:
            limit = max(limits.turnover, turnover(least, previous))
            rules += [cp.sum(cp.pos(side)) <= limit for side in (weights - previous, previous - weights)]
            assert turnover(found.weights, previous) <= limit + 1e-12
        if limits.volatility is not None:
            limit = max(limits.volatility, volatility(least, limits.factor))
            rules.append(cp.norm(limits.factor @ weights / limit) <= 1)
            assert volatility(found.weights, limits.factor) <= limit + 1e-12
        bound |= {name.split()[0] for name in found.binding}
        shorts += int((found.weights < -0.001).sum())
        if solved(cp.Problem(cp.Minimize(cp.sum_squares(1000 * (weights - wanted))), rules)):
            compared += 1
            np.testing.assert_allclose(found.weights, weights.value, atol=1e-6)
    assert compared >= 18
    assert shorts >= 25
    assert bound >= {word for word in kind.split(" and ") if word != "groups"} | {"short", "asset", "change"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_mirrored_world_has_the_mirrored_weights(kind):
    rng = np.random.default_rng(list(KINDS).index(kind) + 300)
    for _ in range(25):
        limits, previous, wanted, frozen, barred = case_with_shorts(rng, *KINDS[kind])
        limits = dataclasses.replace(limits, short=limits.upper, net=limits.net and (-0.1, 0.1))
        one = project(wanted, previous, limits, frozen, barred)
        other = project(-wanted, -previous, limits, frozen, barred)
        np.testing.assert_allclose(one.weights, -other.weights, rtol=0, atol=1e-9)
        names = {"asset": "short", "short": "asset"}

        def turned(told, names=names):
            return sorted(
                " ".join([names.get(one.split()[0], one.split()[0]), *one.split()[1:]]) for one in told
            )

        assert sorted(one.forced) == turned(other.forced)
        assert sorted(one.binding) == turned(other.binding)
        if abs((one.weights - previous).sum()) > 1e-9:  # else buying or selling is priced, as it is rounded
            mine, theirs = prices_of(wanted, one, limits), prices_of(-wanted, other, limits)
            assert sorted(mine) == turned(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_short_shorts_change_no_bit(kind):
    rng = np.random.default_rng(list(KINDS).index(kind) + 400)
    for _ in range(25):
        limits, previous, wanted, frozen, barred = random_case(rng, *KINDS[kind])
        both = dataclasses.replace(limits, short=np.full(len(wanted), 0.2))
        one = project(wanted, previous, limits, frozen, barred)
        other = project(wanted, previous, both, frozen, barred)
        assert one.weights.tobytes() == other.weights.tobytes()
        assert (one.forced, one.binding, one.below, one.above) == (
            *(other.forced, other.binding, other.below, other.above),
        )


def both_sides(upper, short, **others):
    return make_limits(upper, short=np.asarray(short, dtype=float), **others)


def test_a_short_is_no_larger_than_its_own_limit_and_a_rebalance_may_cross_zero():
    limits = both_sides([0.2] * 3, [0.1] * 3, change=0.15)
    found = project(
        np.array([-0.3, 0.05, -0.05]), np.array([0.0, -0.06, 0.08]), limits, none_of(3), none_of(3)
    )
    np.testing.assert_allclose(found.weights, [-0.1, 0.05, -0.05], atol=1e-12)
    assert found.binding == ("short S00",)
    assert prices_of(np.array([-0.3, 0.05, -0.05]), found, limits) == {"short S00": pytest.approx(0.2)}


def test_what_cannot_come_to_zero_in_one_rebalance_stays_on_its_side():
    limits = both_sides([0.2], [0.2])
    found = project(np.array([0.1]), np.array([-0.12]), limits, none_of(1), none_of(1))
    np.testing.assert_allclose(found.weights, [-0.07], atol=1e-12)
    assert found.binding == ("change S00",)


def test_a_short_that_is_left_out_stays_and_one_that_is_barred_is_bought_back():
    limits = both_sides([0.2] * 2, [0.05] * 2)
    frozen, barred = np.array([True, True]), np.array([False, True])
    found = project(np.array([0.0, 0.1]), np.array([-0.07, -0.06]), limits, frozen, barred)
    np.testing.assert_allclose(found.weights, [-0.07, 0.0], atol=1e-12)
    assert found.forced == ("short S00", "change S01")


def test_limits_on_several_assets_count_a_short_by_its_size_and_net_by_its_sign():
    limits = both_sides([0.4] * 2, [0.4] * 2, change=1.0, classes=[([1, 1], 0.4)])
    wanted = np.array([0.3, -0.3])
    found = project(wanted, np.zeros(2), limits, none_of(2), none_of(2))
    np.testing.assert_allclose(found.weights, [0.2, -0.2], atol=1e-12)
    assert found.binding == ("class 0",)
    limits = both_sides([0.4] * 2, [0.4] * 2, change=1.0, net=(-0.1, 0.1), sum_limit=0.7, sum_name="gross")
    found = project(np.array([0.5, -0.1]), np.zeros(2), limits, none_of(2), none_of(2))
    np.testing.assert_allclose(found.weights, [0.35, -0.25], atol=1e-12)  # the nearest, not less of the one
    assert found.binding == ("net",)
    found = project(np.array([0.38, -0.37]), np.zeros(2), limits, none_of(2), none_of(2))
    np.testing.assert_allclose(found.weights, [0.355, -0.345], atol=1e-12)
    assert found.binding == ("gross",)


def test_what_must_be_held_raises_net_and_says_so():
    limits = both_sides([0.4] * 2, [0.4] * 2, net=(-0.05, 0.05))
    found = project(np.array([0.3, 0.0]), np.array([0.3, 0.0]), limits, none_of(2), none_of(2))
    assert "net" in found.forced
    assert found.weights.sum() == pytest.approx(0.25)


def test_shedding_lowers_sizes_and_keeps_sides():
    np.testing.assert_allclose(shed(np.array([0.5, -0.3, 0.01]), 0.6), [0.4, -0.2, 0.0], atol=1e-12)
    assert shed(np.array([0.3, -0.1]), 0.6).tolist() == [0.3, -0.1]


def test_a_conflict_with_shorts_is_named_in_words_and_net_is_one_of_them():
    limits = both_sides([0.4] * 2, [0.4] * 2, net=(-0.05, 0.05), change=0.02)
    found = smallest(np.array([0.28, 0.0]), np.array([0.3, 0.0]), limits, none_of(2), none_of(2))
    assert [rule.text for rule in found] == [
        "S00 falls at most 0.0200 from 0.3000",
        "S01 falls at most 0.0200 from 0.0000",
        "net at most 0.0500",
    ]
    limits = both_sides([0.4] * 2, [0.4] * 2, net=(-0.05, 0.05))
    hedged = np.array([0.3, -0.25])
    assert smallest(hedged, hedged, limits, none_of(2), none_of(2)) == ()


# Views, and the allocator before its mirror.


def test_an_error_takes_as_much_of_a_fall_that_is_expected_as_of_a_rise():
    draws = np.array([[[0.9, 1.1], [0.9, 1.1], [-9.0, 11.0]]])
    evidence = Evidence(
        *[None] * 9,  # type: ignore[arg-type]
        expected_return=np.ones((3, 1)),
        overfit=None,
        checks=None,
        confidence=None,
        replicates=draws,
    )
    exposure = np.array([[0.5], [-0.5], [-0.5]])
    view, error, shrunk = _view(evidence, exposure, allow_shorts=True)
    assert view.tolist() == [0.5, -0.5, -0.5]
    assert error[0] == error[1]
    assert shrunk[0] == -shrunk[1] > 0.4
    assert shrunk[2] == 0
    assert _view(evidence, exposure, allow_shorts=False)[2].tolist() == [shrunk[0], 0, 0]


def decide(returns, view, previous, wanted, allocator, turned=1.0):
    """Answer and projected weights of one decision; `turned` assets (-1) are the mirror of what is given.

    Their simple returns are turned round as the estimate has them, since compounding knows no mirror.
    """
    size = len(view)
    error = np.full(size, 2e-4)
    now = Situation(
        symbols=[f"S{at:02d}" for at in range(size)],
        classes=[("crypto", "equity", "fx")[at % 3] for at in range(size)],
        previous=previous * turned,
        view=view * turned,
        error=error,
        shrunk=np.maximum(0.0, 1 - (error / view) ** 2) * view * turned,
        has_views=True,
        cost_rate=np.full(size, 5e-4),
        excluded=none_of(size),
        barred=none_of(size),
        confidence=0.5,
        allows_shorts=wanted.allow_shorts,
    )
    risk = risk_of(returns, ledoit_wolf.estimate, now)
    seen = returns, risk.covariance, risk.measured
    limits = bounds_of.build(wanted, now.symbols, now.classes, *seen, 261.0, "neutral")
    limits = dataclasses.replace(limits, factor=limits.factor * turned)
    whole = risk._replace(
        covariance=risk.covariance * np.outer(turned, turned) if np.ndim(turned) else risk.covariance,
        returns=risk.returns * turned,
    )
    said = answer(now, whole, limits, wanted, ALLOCATORS[allocator])
    assert said.status == "solved", said.reason
    allowed = project(smoothed(said.raw, now, wanted), now.previous, limits, now.excluded, now.barred)
    return said, allowed.weights


def market(seed, size=8):
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, (252, size)) + rng.normal(0, 0.005, (252, 1))
    view = rng.normal(0, 1.5e-3, size)
    return returns, np.where(np.abs(view) < 1e-5, 1e-4, view), rng.uniform(-0.08, 0.08, size)


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_an_allocator_shown_a_mirrored_world_says_the_mirrored_weights(allocator):
    free = with_policy(**SHORTS, limits__gross=0.9, limits__volatility=0.08, allocator=allocator)
    for seed in range(4):
        case = market(seed)
        one, weights = decide(*case, free, allocator)
        assert (one.raw < -1e-4).any()
        assert (one.raw > 1e-4).any()
        assert (one.raw * case[1] >= 0).all()
        turned = np.random.default_rng(seed).choice([-1.0, 1.0], len(weights))
        other, mirrored = decide(*case, free, allocator, turned)
        np.testing.assert_allclose(one.views, other.views * turned, rtol=0, atol=1e-12)
        np.testing.assert_allclose(one.raw, other.raw * turned, rtol=0, atol=1e-9)
        np.testing.assert_allclose(weights, mirrored * turned, rtol=0, atol=1e-9)


def test_a_world_turned_round_as_a_whole_keeps_what_is_net():
    wanted = with_policy(**SHORTS, limits__gross=0.9, limits__net=[-0.1, 0.1])
    nets = []
    for seed in range(4):
        case = market(seed)
        one, weights = decide(*case, wanted, wanted.allocator)
        other, mirrored = decide(*case, wanted, wanted.allocator, -np.ones(8))
        np.testing.assert_allclose(one.raw, -other.raw, rtol=0, atol=1e-9)
        np.testing.assert_allclose(weights, -mirrored, rtol=0, atol=1e-9)
        nets.append(abs(one.raw.sum()))
    assert max(nets) == pytest.approx(0.1)


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_where_all_is_expected_to_rise_shorts_change_no_bit_of_the_answer(allocator):
    for seed in range(4):
        returns, view, previous = market(seed)
        case = returns, np.abs(view), np.abs(previous)
        one, weights = decide(*case, with_policy(allocator=allocator), allocator)
        other, both = decide(*case, with_policy(**SHORTS, allocator=allocator), allocator)
        assert one.raw.tobytes() == other.raw.tobytes()
        assert weights.tobytes() == both.tobytes()


def test_gross_above_one_is_used_by_an_optimiser_and_no_money_is_borrowed_for_it():
    returns, view, _ = market(7)
    wanted = with_policy(
        allow_shorts=True,
        allocator="mean_variance",
        risk_aversion=0.01,
        smoothing=1.0,
        limits__asset=0.6,
        limits__short=0.6,
        limits__gross=1.6,
        limits__change=1.0,
        limits__asset_classes=dict.fromkeys(("crypto", "equity", "fx"), 1.0),
    )
    _, weights = decide(returns, view * 10, np.zeros(8), wanted, "mean_variance")
    assert np.abs(weights).sum() == pytest.approx(1.6)
    assert (weights < 0).any()
    _, weights = decide(returns, np.abs(view) * 10, np.zeros(8), wanted, "mean_variance")
    assert weights.sum() == pytest.approx(1.0)


# Stops.

HALVE, HOLD, ALL_OUT = "halve", "hold", "cash"


def after(action, weights, previous, limits, **others):
    wanted = with_policy(**SHORTS, **others).stops
    verdict = Verdict("drawdown" if action == "defend" else "daily_loss", -0.3, -0.2, True, 1, None, action)
    return stopped(np.array(weights), np.array(previous), [verdict], wanted, limits)


def test_stops_go_by_sizes_and_let_no_short_grow():
    limits = both_sides([0.2] * 3, [0.1] * 3, net=(-0.3, 0.05))
    weights, previous = [0.2, -0.1, 0.05], [0.5, -0.4, 0.2]
    np.testing.assert_allclose(after(HALVE, weights, previous, limits), [0.1, -0.05, 0.025])
    np.testing.assert_allclose(after(HOLD, weights, previous, limits), shed(np.array(previous), 1.0))
    assert after(ALL_OUT, weights, previous, limits).tolist() == [0, 0, 0]
    kept = after(
        "defend", weights, previous, limits, stops__defensive={"symbols": ["S00", "S01"], "limit": 0.25}
    )
    assert kept[2] == 0
    assert -0.1 <= kept[1] < 0 < kept[0] <= 0.2
    assert np.abs(kept).sum() <= 0.25 + 1e-12
    assert kept.sum() <= 0.05 + 1e-12
    alone = after("defend", weights, previous, limits, stops__defensive={"symbols": ["S00"], "limit": 0.4})
    np.testing.assert_allclose(alone, [0.05, 0, 0])  # without its short, no more than net lets be


# The book.


def test_a_short_gains_what_falls_and_pays_for_what_it_borrowed():
    day = 86_400_000_000
    book = Book()
    book.settle(0, {"A": 2.0, "B": 1.0}, {}, {}, 0.1, {"A": 0.3, "B": 0.2})
    book.order(0, {"A": -0.1, "B": 0.5})
    fills = {(name, 0): Fill(day, "filled", price, 0.001, 1) for name, price in (("A", 2.0), ("B", 1.0))}
    filled = book.settle(day, {"A": 2.0, "B": 1.0}, fills, {}, 0.1, {"A": 0.3, "B": 0.2})
    assert filled.cost == pytest.approx(0.001 * (0.2 + 0.5))  # the day before it nothing was short
    assert book.cash() == pytest.approx(1 + 0.1 / 365 - 0.0007 + 0.2 - 0.5)
    before, own = book.value, book.own_cash()
    assert own == pytest.approx(before - 0.5)
    later = book.settle(3 * day, {"A": 1.8, "B": 1.0}, {}, {}, 0.1, {"A": 0.3, "B": 0.2})
    assert later.gross_return * before == pytest.approx(0.1 * 0.2 + own * 0.1 * 2 * day / YEAR)
    assert later.cost * before == pytest.approx(0.1 * 2.0 * 0.3 * 2 * day / YEAR)
    assert later.net_return == later.gross_return - later.cost
    assert book.weight("A") == pytest.approx(-0.18 / book.value)


def test_a_short_without_a_rate_is_named():
    book = Book()
    book.settle(0, {"A": 1.0}, {}, {})
    book.take_up({"A": -0.5})
    with pytest.raises(ValueError, match="costs: no rate to borrow A, though it is short"):
        book.settle(1, {"A": 1.0}, {}, {}, 0.0, {})


def test_a_short_that_more_than_doubles_ends_a_book_that_was_all_short():
    book = Book()
    book.settle(0, {"A": 1.0}, {}, {})
    book.take_up({"A": -1.0})
    book.settle(1, {"A": 2.5}, {}, {}, 0.0, {"A": 0.0})
    assert book.value < 0
    assert not book.is_sound()
    assert book.units_for({"A": -0.1}) == {"A": 0.0}


def test_a_short_pays_for_an_action_that_is_told_late():
    book = Book(late={"A": [LateAction(session=5, printed_at=2, known_at=4, growth=1.25)]})
    book.settle(0, {"A": 1.0}, {}, {})
    book.take_up({"A": -0.5})
    told = book.settle(4, {"A": 1.0}, {}, {}, 0.0, {"A": 0.0})
    assert told.gross_return == pytest.approx(-0.5 * 0.25)


def test_a_short_that_is_told_is_held_only_where_it_may_be():
    told = pd.DataFrame(
        {"decision_at": [pd.Timestamp("2020-01-01")], "symbol": ["A"], "weight": [-0.2], "portfolio": ["p"]}
    )
    assert list(holdings_by_decision(told, allow_shorts=True).values()) == [{"A": -0.2}]
    with pytest.raises(ValueError, match=r"A is -0\.2, expected a weight from 0 to 1"):
        holdings_by_decision(told, allow_shorts=False)
