"""The sample covariance: no shrinkage, so singular where there are fewer rows than assets."""

import numpy as np


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N."""
    return np.atleast_2d(np.cov(returns, rowvar=False))
