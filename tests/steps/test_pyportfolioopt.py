"""Convex allocators against PyPortfolioOpt where both solve the same problem: never worse."""

import numpy as np
import pandas as pd
import pytest
from pypfopt import EfficientCVaR, EfficientFrontier
from pypfopt.black_litterman import BlackLittermanModel

from python_steps.allocators import black_litterman, mean_variance
from python_steps.allocators.minimum_cvar import least_shortfall, shortfall
from python_steps.allocators.minimum_variance import least_variance
from tests.steps.test_convex_allocators import CAP, GAP, OF_CLASS, SEEDS, limits_of, make_returns


def bounded(problem):
    """The same limits as `limits_of`."""
    names = list(problem.tickers)
    kinds = {name: "first" if at < len(names) // 2 else "second" for at, name in enumerate(names)}
    problem.add_sector_constraints(kinds, {}, {"first": OF_CLASS, "second": 0.7})
    return problem


@pytest.mark.parametrize("seed", SEEDS)
def test_minimum_variance_is_no_worse(seed):
    returns = make_returns(seed)
    covariance = np.cov(returns, rowvar=False)
    labelled = pd.DataFrame(covariance, returns.columns, returns.columns)
    peer = bounded(EfficientFrontier(None, labelled, weight_bounds=(0, CAP), solver="CLARABEL"))
    theirs = np.array(list(peer.min_volatility().values()))
    ours = least_variance(covariance, limits_of(12))
    assert ours @ covariance @ ours <= (theirs @ covariance @ theirs) * (1 + GAP)


@pytest.mark.parametrize("seed", SEEDS)
def test_minimum_cvar_is_no_worse(seed):
    returns = make_returns(seed, rows=500)
    peer = EfficientCVaR(None, returns, beta=0.95, weight_bounds=(0, CAP), solver="CLARABEL")
    theirs = np.array(list(bounded(peer).min_cvar().values()))
    values = returns.to_numpy()
    ours = shortfall(least_shortfall(values, limits_of(12), 0.01), values)
    assert ours <= shortfall(theirs, values) * (1 + GAP)


@pytest.mark.parametrize("seed", SEEDS)
def test_mean_variance_is_no_worse(seed):
    returns = make_returns(seed)
    covariance, means = np.cov(returns, rowvar=False), returns.mean() * 20  # so that all is invested
    labelled = pd.DataFrame(covariance, returns.columns, returns.columns)
    peer = bounded(EfficientFrontier(means, labelled, weight_bounds=(0, CAP), solver="CLARABEL"))
    theirs = np.array(list(peer.max_quadratic_utility(risk_aversion=5).values()))
    views = pd.DataFrame({"shrunk_view": means, "previous_weight": 0.0, "cost_rate": 0.0})
    limits = limits_of(12)
    ours = mean_variance.allocate(views, labelled, limits).to_numpy()

    def utility(weights):
        return means.to_numpy() @ weights - 2.5 * weights @ covariance @ weights

    assert utility(ours) >= utility(theirs) - GAP * abs(utility(theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_posterior_means_are_those_of_the_model_with_a_prior_of_zero(seed):
    returns = make_returns(seed)
    covariance = np.cov(returns, rowvar=False)
    rng = np.random.default_rng(seed)
    view, error = rng.normal(0, 5e-4, 12), rng.uniform(1e-4, 1e-3, 12)
    view[3] = 0.0  # of one asset nothing is said
    said = np.flatnonzero(view)
    model = BlackLittermanModel(
        covariance,
        pi=np.zeros((12, 1)),
        Q=view[said],
        P=np.eye(12)[said],
        omega=np.diag(error[said] ** 2),
        tau=black_litterman.TAU,
    )
    means, unsure = black_litterman.posterior(view, error, covariance)
    theirs = np.asarray(model.bl_returns()).ravel()
    np.testing.assert_allclose(means[said], theirs[said], rtol=1e-9)
    np.testing.assert_allclose(covariance + unsure, np.asarray(model.bl_cov()), rtol=1e-9)
