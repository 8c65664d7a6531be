"""Ledoit and Wolf (2004): the sample covariance, shrunk towards equal variances without correlation."""

import numpy as np


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N.

    So three-decision returns give a three-decision covariance; the caller divides by three.
    Source: Ledoit and Wolf 2004, J. Multivariate Analysis 88. The same bits as scikit-learn's, whose checks
    of its arguments take several times as long as the formula does for 25 assets.
    """
    rows, size = returns.shape
    centred = returns - returns.mean(axis=0)
    products, squares = centred.T @ centred, centred**2
    sample = products / rows
    if size == 1:
        return np.atleast_2d(squares.mean())
    variances = np.sum(squares, axis=0) / rows
    mean = np.sum(variances) / size
    distance = np.sum(products**2) / rows**2
    error = 1.0 / (size * rows) * (np.sum(squares.T @ squares) / rows - distance)
    distance = (distance - 2.0 * mean * variances.sum() + size * mean**2) / size
    error = min(error, distance)
    share = error / distance if error else 0.0
    shrunk = (1.0 - share) * sample
    shrunk.flat[:: size + 1] += share * (np.trace(sample) / size)
    return np.asarray(shrunk)
