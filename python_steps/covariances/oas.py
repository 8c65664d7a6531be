"""Oracle approximating shrinkage: the sample covariance, shrunk towards equal, uncorrelated variances."""

import numpy as np


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N.

    Source: Chen, Wiesel, Eldar and Hero 2010, Shrinkage algorithms for MMSE covariance estimation, equation
    23 as printed. scikit-learn's OAS leaves out the terms 2/p, and shrinks differently.
    """
    rows, size = returns.shape
    sample = np.atleast_2d(np.cov(returns, rowvar=False, ddof=0))
    trace, square = float(np.trace(sample)), float((sample * sample).sum())
    above = (1 - 2 / size) * square + trace**2
    below = (rows + 1 - 2 / size) * (square - trace**2 / size)
    share = 1.0 if below <= 0 else min(1.0, above / below)
    return np.asarray((1 - share) * sample + share * trace / size * np.eye(size))
