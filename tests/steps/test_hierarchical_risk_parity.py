"""Hierarchical risk parity against the figures of the paper."""

import numpy as np
import pandas as pd
import pytest

from python_steps.allocators.hierarchical_risk_parity import allocate, leaf_order, parity_weights
from tests.steps.test_projection import make_limits

ORDER = [9, 2, 10, 1, 7, 3, 6, 4, 5, 8]
PERCENT = [7.00, 7.59, 10.84, 19.03, 9.72, 10.19, 6.62, 9.10, 7.12, 12.79]


@pytest.fixture(scope="module")
def covariance():
    draw = np.random.RandomState(12345)
    x = draw.normal(0, 1, size=(10_000, 5))
    y = x[:, [2, 0, 4, 1, 1]] + draw.normal(0, 0.25, size=(10_000, 5))
    return np.cov(np.hstack([x, y]), rowvar=False)


def test_the_weights_are_those_of_the_paper_to_two_decimals(covariance):
    assert np.round(100 * parity_weights(covariance), 2).tolist() == PERCENT


def test_the_order_of_the_leaves_is_that_of_the_paper(covariance):
    assert (leaf_order(covariance) + 1).tolist() == ORDER


def test_two_assets_are_split_in_inverse_proportion_to_their_variances():
    np.testing.assert_allclose(parity_weights(np.diag([0.01, 0.04])), [0.8, 0.2], atol=1e-15)


def test_one_asset_takes_all():
    assert parity_weights(np.array([[0.3]])).tolist() == [1.0]


def test_a_view_shrinks_its_weight_and_nothing_is_renormalised():
    symbols = ["A", "B", "C"]
    views = pd.DataFrame(
        {
            "ensemble_view": [2.0, 2.0, -1.0],
            "standard_error": [1.0, 0.0, 0.1],
            "shrunk_view": [1.5, 2.0, 0.0],
            "asset_class": "fx",
            "previous_weight": 0.0,
            "cost_rate": 0.0,
        },
        index=symbols,
    )
    matrix = pd.DataFrame(np.diag([0.01, 0.04, 0.01]), symbols, symbols)
    weights = allocate(views, matrix, make_limits([1.0] * 3))
    np.testing.assert_allclose(weights.to_numpy(), [0.8 * 0.75, 0.2, 0.0], atol=1e-15)
