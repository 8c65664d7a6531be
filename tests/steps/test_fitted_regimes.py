"""Detectors that are fitted: against an independent filter, every path there is, and moods that are known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hmmlearn.hmm import GaussianHMM

from python_steps.regimes import gaussian_hmm, jump_model
from python_steps.regimes._filtering import FIRST_FIT, NEXT_FIT, REGIMES, bounded
from python_steps.regimes.gaussian_hmm import PRIOR_TRANSITIONS, START, Parameters, filtered, fit, step
from tests.worlds import moods

WORLDS = 5
DECISIONS = 1_500


def make_returns(number: int = 0) -> np.ndarray:
    return moods.market(number, DECISIONS, assets=12)[0].to_numpy()


def peer(parameters: Parameters, **settings) -> GaussianHMM:
    """The chain of hmmlearn with our parameters."""
    model = GaussianHMM(len(START), covariance_type="diag", **settings)
    model.startprob_, model.transmat_ = START, parameters.transitions
    model.means_, model.covars_ = parameters.means[:, None], parameters.variances[:, None]
    return model


def test_the_filter_is_the_last_row_of_the_peer_on_each_prefix():
    """Its predict_proba smooths, so that only the last row of a prefix is filtered."""
    returns = make_returns()
    parameters = fit(returns[:600], None)
    found = filtered(returns, parameters)
    observed = bounded(returns, parameters.deviation)[:, None]
    model = peer(parameters)
    for known in (1, 2, 10, 252, 601, 1_000, DECISIONS):
        expected = model.predict_proba(observed[:known])[-1]
        np.testing.assert_allclose(found[known - 1], expected, rtol=0, atol=1e-9)
    smoothed = model.predict_proba(observed)
    assert np.abs(smoothed - found).max() > 0.3


def test_a_return_far_from_every_state_still_has_probabilities():
    parameters = Parameters(0.01, PRIOR_TRANSITIONS, np.zeros(3), np.array([1e-6, 2e-6, 3e-6]))
    found = filtered(np.array([0.0, 1e6, -1e6, 0.0]), parameters)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_a_step_of_the_fit_is_that_of_the_peer():
    """With the prior that counts as one return of mean 0 and variance 1, and as one of each transition."""
    returns = make_returns()[:700]
    before = fit(returns[:400], None)
    observed = bounded(returns, before.deviation)
    found, likelihood = step(observed, before)
    model = peer(
        before,
        n_iter=1,
        init_params="",
        params="tmc",
        means_prior=0,
        means_weight=1,
        covars_prior=1,
        covars_weight=2,
        transmat_prior=1 + PRIOR_TRANSITIONS,
        min_covar=0,
    )
    assert likelihood == pytest.approx(model.score(observed[:, None]), rel=1e-12)
    model.fit(observed[:, None])
    np.testing.assert_allclose(found.transitions, model.transmat_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.means, model.means_.ravel(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.variances, model.covars_.ravel(), rtol=0, atol=1e-9)


def test_states_are_in_order_of_variance_in_every_fit():
    returns, before = make_returns(), None
    for known in range(FIRST_FIT, DECISIONS, 5 * NEXT_FIT):
        before = fit(returns[:known], before)
        assert (np.diff(before.variances) > 0).all()


def test_a_fit_finds_the_states_it_was_drawn_from():
    returns = make_returns()
    found = fit(returns, None)
    deviations = np.sqrt(found.variances) * found.deviation
    np.testing.assert_allclose(deviations, moods.market_deviations(12), rtol=0.1)
    assert (np.diag(found.transitions) > 0.95).all()


def test_nothing_is_told_apart_where_most_returns_are_zero():
    returns = np.where(np.arange(600) % 3 == 0, 0.01, 0.0)
    assert fit(returns, None) is None
    assert jump_model.fit(returns, None) is None


@pytest.mark.parametrize("seed", range(5))
def test_costs_and_path_are_those_of_the_cheapest_of_all_paths(seed):
    losses = np.random.default_rng(seed).uniform(0, 2 * jump_model.PENALTY, (7, 3))
    paths = np.array(list(itertools.product(range(3), repeat=7)))
    jumps = (paths[:, 1:] != paths[:, :-1]).sum(axis=1)
    costs = losses[np.arange(7), paths].sum(axis=1) + jump_model.PENALTY * jumps
    states, cost = jump_model.cheapest_path(losses)
    assert states.tolist() == paths[costs.argmin()].tolist()
    assert cost == pytest.approx(costs.min())
    of_ends = np.array([costs[paths[:, -1] == state].min() for state in range(3)])
    np.testing.assert_allclose(jump_model.path_costs(losses)[-1], of_ends - of_ends.min())


def test_the_state_said_is_the_end_of_the_cheapest_path_to_it_and_not_what_is_traced_back():
    returns = make_returns()
    parameters = jump_model.fit(returns, None)
    found = jump_model.filtered(returns, parameters).argmax(axis=1)
    losses = jump_model.losses(returns, parameters)
    ends = [jump_model.cheapest_path(losses[:known])[0][-1] for known in range(1, len(losses) + 1)]
    assert found[jump_model.WARM_UP :].tolist() == ends
    assert (jump_model.cheapest_path(losses)[0] != ends).any()


def test_features_are_of_the_past_alone_and_by_hand():
    returns = make_returns()[:40]
    found = jump_model.features(returns, 0.004)
    assert found[-1, 0] == pytest.approx(0.5 * np.log((returns[-6:] ** 2).mean() / 0.004**2))
    assert found[-1, 1] == pytest.approx(0.5 * np.log((returns[-14:] ** 2).mean() / 0.004**2))
    assert (jump_model.features(returns[:30], 0.004) == found[: 30 - jump_model.WARM_UP]).all()


@pytest.fixture(scope="module")
def accuracies() -> pd.DataFrame:
    """Balanced accuracy in each of some worlds: of the raw threshold, the detectors, and the oracle.

    Both yardsticks know the true deviations. The threshold takes each return by itself; the oracle filters,
    with the true mean lengths of moods too.
    """
    deviations = moods.market_deviations(12)
    stay = np.array([1 - 1 / mood.length for mood in moods.MOODS])
    chain = np.where(np.eye(3, dtype=bool), stay[:, None], (1 - stay[:, None]) / 2)
    oracle = Parameters(1.0, chain, np.zeros(3), deviations**2)
    found = []
    for number in range(WORLDS):
        market, truth = moods.market(number, DECISIONS, assets=12)
        densities = np.exp(-0.5 * (market.to_numpy()[:, None] / deviations) ** 2) / deviations
        said = {
            "threshold": np.array(REGIMES)[densities.argmax(axis=1)],
            "oracle": np.array(REGIMES)[filtered(market.to_numpy(), oracle).argmax(axis=1)],
            "gaussian_hmm": gaussian_hmm.detect(market)["regime"].to_numpy(),
            "jump_model": jump_model.detect(market)["regime"].to_numpy(),
        }
        found.append(
            {
                name: moods.agreement(
                    pd.Series(regimes, index=market.index).iloc[FIRST_FIT:], truth
                ).balanced_accuracy
                for name, regimes in said.items()
            }
        )
    return pd.DataFrame(found)


@pytest.mark.parametrize("detector", ["gaussian_hmm", "jump_model"])
def test_a_fitted_detector_is_better_than_the_threshold_and_no_better_than_the_oracle(accuracies, detector):
    """Compared world by world: with the threshold by the error of the mean difference. None is more than 0.05
    above the oracle, about two errors of a share of twenty spells; one that smoothed was, by up to 0.13."""
    above = accuracies[detector] - accuracies["threshold"]
    assert above.mean() > 2 * above.std() / np.sqrt(WORLDS), accuracies
    assert (accuracies[detector] - accuracies["oracle"]).max() < 0.05, accuracies
    assert accuracies[detector].mean() < accuracies["oracle"].mean(), accuracies


@pytest.mark.parametrize("detect", [gaussian_hmm.detect, jump_model.detect])
@pytest.mark.parametrize("value", [1e6, -1e6])
def test_an_outlier_of_a_million_is_not_a_mood_of_its_own(detect, value):
    market, truth = moods.market(0, DECISIONS, assets=12)
    known = slice(FIRST_FIT, None)
    plain = moods.agreement(detect(market).set_index("decision_at")["regime"].iloc[known], truth)
    market.iloc[200] = value
    found = moods.agreement(detect(market).set_index("decision_at")["regime"].iloc[known], truth)
    assert found.balanced_accuracy > plain.balanced_accuracy - 0.1
