"""Covariances estimated ahead are taken where they fit, and nowhere else; portfolios may be walked apart."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from python_steps import covariances
from python_steps.allocate_exposures import Asked, answer_for
from python_steps.allocate_exposures import allocate as walk
from python_steps.allocation_inputs import Returns, instants
from python_steps.executors import InTurn
from python_steps.risk_ahead import Ahead, Foreseen
from tests.steps.test_allocate_exposures import POLICY, assert_same_bits, make_world


class Parallel(InTurn):
    """Answers like the others, all of them at once."""

    is_parallel = True

    def __call__(self, what, function, items, count, **how):
        return iter([function(item) for item in items])


@pytest.fixture
def estimates(monkeypatch) -> list[tuple[int, int]]:
    """The shape of what each covariance was estimated of, in the walk or ahead of it."""
    seen = []
    original = covariances.covariance

    def noted(returns, estimate):
        seen.append(returns.shape)
        return original(returns, estimate)

    monkeypatch.setattr(covariances, "covariance", noted)
    return seen


def allocated(inputs, fan):
    return walk(inputs, POLICY, "p", "r", 261.0, fan=fan)


def one_leaves():
    """A world in which the end of an asset is told ten decisions before."""
    inputs = make_world()
    until, told = (
        inputs.decisions[name].iloc[at] for name, at in (("rebalance_date", 30), ("decision_at", 20))
    )
    leaves = inputs.assets["symbol"] == "S01"
    ends = {
        "member_until": [until if one else None for one in leaves],
        "known_at": [told if one else pd.NaT for one in leaves],
    }
    return replace(inputs, assets=inputs.assets.assign(**ends))


@pytest.mark.parametrize("make", [make_world, one_leaves])
def test_a_walk_that_takes_what_was_estimated_ahead_gives_the_same_bits(make, estimates):
    alone = allocated(make(), InTurn())
    in_the_walk = len(estimates)
    estimates.clear()
    assert_same_bits(allocated(make(), Parallel()), alone)
    assert len(estimates) == in_the_walk  # each is estimated once: the walk took every one


def test_a_walk_that_goes_on_from_what_it_holds_takes_them_too(estimates):
    inputs = make_world()
    first = replace(inputs, decisions=inputs.decisions.iloc[:40])
    past = allocated(first, InTurn())
    rest = replace(inputs, decisions=inputs.decisions.iloc[40:], past=past)
    alone = allocated(rest, InTurn())
    estimates.clear()
    assert_same_bits(allocated(rest, Parallel()), alone)
    assert len(estimates) == len(rest.decisions)


def ahead(foreseen: list[Foreseen], returns: Returns) -> Ahead:
    return Ahead(foreseen, len(foreseen), returns, "ledoit_wolf", Parallel())


def test_what_was_foreseen_with_other_symbols_or_not_at_all_is_not_taken():
    inputs = make_world()
    returns, symbols = Returns(inputs.decision_returns), ["S00", "S01", "S02"]
    first, second, third, fourth = instants(inputs.decisions["decision_at"])[:4].tolist()
    found = ahead([Foreseen(at, symbols) for at in (first, third, fourth)], returns)
    assert found.taken(first, symbols[:2]) is None
    assert found.taken(second, symbols) is None
    measured, matrix = found.taken(fourth, symbols)  # the third is passed over
    expected = covariances.covariance(returns.until(fourth, symbols), np.cov)
    assert (measured == expected[0]).all()
    assert matrix.shape == (3, 3)
    assert found.taken(fourth + 1, symbols) is None


def test_what_cannot_be_estimated_is_left_to_the_walk(monkeypatch):
    def fails(returns, estimate):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(covariances, "covariance", fails)
    inputs = make_world()
    log = allocated(inputs, Parallel())["allocation_log"]
    assert log["reason"].str.contains(r"could not be estimated \(singular\)").any()
    assert_same_bits(allocated(inputs, Parallel()), allocated(inputs, InTurn()))


def test_a_portfolio_walked_elsewhere_has_the_same_rows():
    inputs = make_world()
    asked = Asked(inputs, 261.0, POLICY, "p", "r", is_explained=True)
    assert_same_bits(answer_for(asked), allocated(inputs, InTurn()))
