"""Convex allocators against skfolio where both solve the same problem, and against figures by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from skfolio import RiskMeasure
from skfolio.cluster import HierarchicalClustering, LinkageMethod
from skfolio.optimization import (
    HierarchicalEqualRiskContribution,
    MaximumDiversification,
    MeanRisk,
    ObjectiveFunction,
    RiskBudgeting,
)

from python_steps.allocators import black_litterman, mean_variance
from python_steps.allocators._convex import budget
from python_steps.allocators._risk_budgets import budget_weights
from python_steps.allocators.hierarchical_equal_risk import MOST_CLUSTERS, cluster_count, cluster_weights
from python_steps.allocators.maximum_diversification import most_diversified
from python_steps.allocators.minimum_cvar import least_shortfall, shortfall
from python_steps.allocators.minimum_variance import least_variance
from python_steps.covariances import correlation
from tests.steps.test_projection import make_limits

GAP = 1e-7  # of the objective, relative: the most by which ours may be worse
CAP, OF_CLASS = 0.25, 0.5
SEEDS = range(4)


def make_returns(seed, size=12, rows=300):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(rows, 3)) @ rng.normal(size=(3, size)) * 0.004
    return pd.DataFrame(
        2e-4 + shared + rng.normal(size=(rows, size)) * rng.uniform(0.003, 0.02, size),
        columns=[f"S{at:02d}" for at in range(size)],
    )


def limits_of(size, **changes):
    """A cap, and one limit on the first half and one on the second."""
    first = np.arange(size) < size // 2
    return make_limits(np.full(size, CAP), classes=[(first, OF_CLASS), (~first, 0.7)], **changes)


def same_limits(returns):
    names = list(returns.columns)
    kinds = ["first" if at < len(names) // 2 else "second" for at in range(len(names))]
    return {
        "max_weights": CAP,
        "groups": {name: [kind] for name, kind in zip(names, kinds, strict=True)},
        "linear_constraints": [f"first <= {OF_CLASS}", "second <= 0.7"],
    }


PEER = {"solver": "CLARABEL", "solver_params": {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10}}


@pytest.mark.parametrize("seed", SEEDS)
def test_minimum_variance_is_no_worse_than_that_of_skfolio(seed):
    returns = make_returns(seed)
    covariance = np.cov(returns, rowvar=False)
    peer = MeanRisk(risk_measure=RiskMeasure.VARIANCE, **PEER, **same_limits(returns)).fit(returns).weights_
    ours = least_variance(covariance, limits_of(12))
    assert ours @ covariance @ ours <= (peer @ covariance @ peer) * (1 + GAP)
    np.testing.assert_allclose(ours, peer, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_maximum_diversification_is_no_worse_than_that_of_skfolio(seed):
    returns = make_returns(seed)
    covariance = np.cov(returns, rowvar=False)
    peer = MaximumDiversification(**PEER, **same_limits(returns)).fit(returns).weights_
    ours = most_diversified(covariance, limits_of(12))

    def ratio(weights):
        return np.sqrt(np.diag(covariance)) @ weights / math.sqrt(weights @ covariance @ weights)

    assert ratio(ours) >= ratio(peer) * (1 - GAP)
    assert ours.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_minimum_cvar_is_no_worse_than_that_of_skfolio(seed):
    returns = make_returns(seed, rows=500)
    peer = MeanRisk(risk_measure=RiskMeasure.CVAR, cvar_beta=0.95, **PEER, **same_limits(returns))
    theirs = shortfall(peer.fit(returns).weights_, returns.to_numpy())
    ours = shortfall(least_shortfall(returns.to_numpy(), limits_of(12), 0.01), returns.to_numpy())
    assert ours <= theirs * (1 + GAP)


@pytest.mark.parametrize("seed", SEEDS)
def test_mean_variance_is_no_worse_than_that_of_skfolio(seed):
    returns = make_returns(seed)
    covariance, means = np.cov(returns, rowvar=False), returns.mean().to_numpy()
    peer = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_aversion=5.0 / 2,
        budget=None,
        max_budget=1.0,
        **PEER,
        **same_limits(returns),
    )
    theirs = peer.fit(returns).weights_
    symbols = list(returns.columns)
    views = pd.DataFrame({"shrunk_view": means, "previous_weight": 0.0, "cost_rate": 0.0}, index=symbols)
    limits = limits_of(12)
    limits = make_limits(limits.upper, [(group.members, group.limit) for group in limits.classes])
    ours = mean_variance.allocate(views, pd.DataFrame(covariance, symbols, symbols), limits).to_numpy()

    def utility(weights):
        return means @ weights - 2.5 * weights @ covariance @ weights

    assert utility(ours) >= utility(theirs) - GAP * abs(utility(theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_risk_shares_are_met_to_1e_8_and_no_worse_than_those_of_skfolio(seed):
    returns = make_returns(seed)
    covariance = np.cov(returns, rowvar=False)
    wanted = np.random.default_rng(seed).dirichlet(np.full(12, 3.0))
    for budgets in (np.full(12, 1 / 12), wanted):
        peer = (
            RiskBudgeting(risk_measure=RiskMeasure.VARIANCE, risk_budget=budgets, **PEER)
            .fit(returns)
            .weights_
        )
        ours = budget_weights(covariance, budgets)
        gaps = []
        for weights in (ours, peer):
            shares = weights * (covariance @ weights)
            gaps.append(np.abs(shares / shares.sum() - budgets).max())
        assert gaps[0] <= min(1e-8, gaps[1] + 1e-12)
        np.testing.assert_allclose(ours, peer, atol=2e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_hierarchical_equal_risk_is_that_of_skfolio_for_the_same_clusters(seed):
    returns = make_returns(seed, size=20)
    covariance = np.cov(returns, rowvar=False)
    distance = np.sqrt((1 - correlation(covariance)) / 2)
    count = cluster_count(distance, linkage(squareform(distance, checks=False), "ward"))
    assert 2 <= count <= MOST_CLUSTERS
    peer = HierarchicalEqualRiskContribution(
        risk_measure=RiskMeasure.VARIANCE,
        hierarchical_clustering_estimator=HierarchicalClustering(
            max_clusters=count, linkage_method=LinkageMethod.WARD
        ),
    ).fit(returns)
    np.testing.assert_allclose(cluster_weights(covariance), peer.weights_, atol=1e-10)


def test_weights_that_bounds_hold_back_sum_to_as_much_as_they_allow():
    assert budget(make_limits([0.2] * 3)) == pytest.approx(0.6, rel=2e-4)
    assert budget(make_limits([0.2] * 9, classes=[(np.arange(9) < 6, 0.3)])) == pytest.approx(0.9, rel=2e-4)
    assert budget(make_limits([0.5] * 3)) == 1.0
    assert budget(make_limits([0.0, 0.0])) == 0.0
    found = least_variance(np.diag([1e-4, 4e-4, 9e-4]), make_limits([0.2] * 3))
    np.testing.assert_allclose(found, 0.2, atol=1e-3)
    assert (found <= 0.2 + 1e-6).all()


def test_the_posterior_of_one_view_is_a_mean_weighted_by_precision():
    covariance = np.array([[4e-4, 1e-4], [1e-4, 9e-4]])
    prior, error = black_litterman.TAU * 4e-4, 5e-4
    means, unsure = black_litterman.posterior(np.array([1e-3, 0.0]), np.array([error, 0.0]), covariance)
    np.testing.assert_allclose(means, [1e-3 * prior / (prior + error**2), 0.0], rtol=1e-12)
    assert unsure[0, 0] == pytest.approx(1 / (1 / prior + 1 / error**2), rel=1e-12)
    assert unsure[1, 1] < black_litterman.TAU * 9e-4  # what is told of the one tells of the other


def test_a_view_of_an_asset_is_drawn_towards_what_is_said_of_its_twin():
    covariance = np.array([[4e-4, 3.9e-4], [3.9e-4, 4e-4]])
    alone, _ = black_litterman.posterior(np.array([1e-3, 0.0]), np.full(2, 1e-3), covariance)
    contradicted, _ = black_litterman.posterior(np.array([1e-3, -1e-3]), np.full(2, 1e-3), covariance)
    assert contradicted[0] < alone[0] / 2


def test_no_mean_is_no_weight_but_where_trading_costs_more_than_risk():
    symbols = ["A", "B"]
    views = pd.DataFrame(
        {
            "shrunk_view": 0.0,
            "ensemble_view": 0.0,
            "standard_error": 1e-4,
            "previous_weight": 0.1,
            "cost_rate": 0.0,
        },
        index=symbols,
    )
    matrix = pd.DataFrame(np.diag([1e-4, 1e-4]), symbols, symbols)
    limits = make_limits([0.2] * 2)
    limits = type(limits)(**{**vars(limits), "symbols": ("A", "B")})
    for module in (mean_variance, black_litterman):
        np.testing.assert_allclose(module.allocate(views, matrix, limits), 0.0, atol=5e-5)
        dear = module.allocate(views.assign(cost_rate=1.0), matrix, limits)
        np.testing.assert_allclose(dear, 0.1, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_price_is_what_the_objective_gains_when_its_limit_is_moved(seed):
    returns = make_returns(seed)
    covariance = np.cov(returns, rowvar=False)
    symbols = list(returns.columns)
    matrix = pd.DataFrame(covariance, symbols, symbols)
    views = pd.DataFrame(
        {"shrunk_view": np.linspace(1e-4, 9e-4, 12), "previous_weight": 0.0, "cost_rate": 1e-4}, index=symbols
    )

    def solve(first, target):
        masks = np.arange(12) < 6
        limits = make_limits(
            np.full(12, 0.2),
            [(masks, first), (~masks, 0.7)],
            volatility=target,
            factor=np.linalg.cholesky(covariance).T,
        )
        found = mean_variance.allocate(views, matrix, limits)
        weights = found.to_numpy()
        gain = views["shrunk_view"].to_numpy() @ weights - 2.5 * weights @ covariance @ weights
        return gain - 1e-4 * weights.sum() / mean_variance.HOLDING, found.attrs["prices"]

    target = 0.0042
    value, prices = solve(0.2, target)
    step = 1e-3
    assert prices.get("volatility", 0.0) > 0 or prices["class 0"] > 0
    for name, up, down, unit in (
        ("class 0", solve(0.2 + step, target)[0], solve(0.2 - step, target)[0], step),
        ("volatility", solve(0.2, target * (1 + step))[0], solve(0.2, target * (1 - step))[0], target * step),
    ):
        assert (up - value) / unit <= prices.get(name, 0.0) * 1.001 + 1e-6
        assert (value - down) / unit >= prices.get(name, 0.0) * 0.999 - 1e-6
        assert (up - down) / 2 / unit == pytest.approx(prices.get(name, 0.0), rel=0.1, abs=1e-6)
