"""Ledoit and Wolf (2004): the sample covariance, shrunk towards equal variances without correlation."""

import numpy as np


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N.

    So three-decision returns give a three-decision covariance; the caller divides by three.
    Source: Ledoit and Wolf 2004, J. Multivariate Analysis 88, as in scikit-learn.
    """
    from sklearn import covariance  # here: it takes a second, which a refused command does not need

    matrix, _ = covariance.ledoit_wolf(returns)
    return np.atleast_2d(matrix)
