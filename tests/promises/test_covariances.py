"""What every covariance estimator promises, and what is done to its answer before it is used."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from python_steps import plugins
from python_steps.covariances import covariance, known_runs, overlapping_returns, repaired

ESTIMATORS = {name: module.estimate for name, module in plugins.discover("python_steps.covariances").items()}


def make_returns(seed=0, rows=252, size=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, size)) * rng.uniform(0.002, 0.03, size) + rng.normal(size=(rows, 1)) * 0.005


@pytest.fixture(params=ESTIMATORS)
def estimate(request):
    return ESTIMATORS[request.param]


def test_there_are_estimators_to_test():
    assert set(ESTIMATORS) >= {"ewma", "factor", "ledoit_wolf", "oas", "sample"}


@pytest.mark.parametrize("size", [1, 2, 12, 300])
def test_a_covariance_is_finite_symmetric_and_positive(estimate, size):
    mask, matrix = covariance(make_returns(size=size), estimate)
    assert mask.all()
    assert matrix.shape == (size, size)
    assert np.isfinite(matrix).all()
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > 0


def test_a_covariance_is_in_the_unit_of_its_rows(estimate):
    returns = overlapping_returns(make_returns())
    np.testing.assert_allclose(estimate(3 * returns), 9 * estimate(returns), rtol=1e-9)


def test_the_order_of_assets_does_not_matter(estimate):
    returns = make_returns()
    order = np.random.default_rng(1).permutation(returns.shape[1])
    np.testing.assert_allclose(
        estimate(returns[:, order]), estimate(returns)[np.ix_(order, order)], atol=1e-15
    )


def test_the_same_returns_give_the_same_bits(estimate):
    assert estimate(make_returns()).tobytes() == estimate(make_returns()).tobytes()


@pytest.mark.parametrize("size", [1, 2, 12, 300])
def test_ledoit_and_wolf_is_that_of_scikit_learn_to_the_bit(size):
    returns = overlapping_returns(make_returns(size=size))
    theirs, share = ledoit_wolf(returns)
    assert (share > 0) == (size > 1)
    np.testing.assert_array_equal(ESTIMATORS["ledoit_wolf"](returns), theirs)


def test_pegs_and_twins_leave_a_matrix_that_can_be_inverted(estimate):
    returns = make_returns()
    returns[:, 3], returns[:, 5] = 0.0, returns[:, 4]
    _, matrix = covariance(returns, estimate)
    assert np.isfinite(np.linalg.inv(matrix)).all()
    assert (np.diag(matrix) > 0).all()


def test_long_series_give_the_variance_of_one_decision(estimate):
    returns = np.random.default_rng(0).normal(size=(252, 60)) * 0.01
    _, matrix = covariance(returns, estimate)
    assert np.diag(matrix).mean() == pytest.approx(1e-4, rel=0.1)


def test_repair_makes_an_indefinite_matrix_positive_and_leaves_a_good_one_alone():
    assert np.linalg.eigvalsh(repaired(np.array([[1.0, 2.0], [2.0, 1.0]])))[0] > 0
    assert np.linalg.eigvalsh(repaired(np.zeros((3, 3))))[0] > 0
    good = np.array([[1.0, 0.2], [0.2, 2.0]])
    assert repaired(good).tobytes() == good.tobytes()
    assert np.isnan(repaired(np.array([[np.nan]]))).all()


def test_returns_over_three_decisions_are_compounded_and_overlap():
    one = np.array([[0.1], [0.2], [-0.5], [0.0]])
    np.testing.assert_allclose(
        overlapping_returns(one)[:, 0], [1.1 * 1.2 * 0.5 - 1, 1.2 * 0.5 - 1], atol=1e-15
    )
    with pytest.raises(ValueError, match="2 rows"):
        overlapping_returns(one[:2])


def test_an_asset_with_fewer_than_126_returns_has_no_covariance():
    returns = make_returns(size=4)
    returns[:127, 0] = np.nan  # 125 left
    returns[:126, 1] = np.nan  # 126 left
    mask, matrix = covariance(returns, ESTIMATORS["ledoit_wolf"])
    assert mask.tolist() == [False, True, True, True]
    _, common = covariance(returns[126:, 1:], ESTIMATORS["ledoit_wolf"])
    assert common.tobytes() == matrix.tobytes()


def test_a_return_missing_now_ends_the_run():
    returns = make_returns(rows=5, size=3)
    returns[-1, 1], returns[2, 2] = np.nan, np.nan
    assert known_runs(returns).tolist() == [5, 0, 2]


def test_only_the_last_252_returns_count():
    returns = make_returns(rows=400)
    _, matrix = covariance(returns, ESTIMATORS["ledoit_wolf"])
    _, tail = covariance(returns[-252:], ESTIMATORS["ledoit_wolf"])
    assert matrix.tobytes() == tail.tobytes()
