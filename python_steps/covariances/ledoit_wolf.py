"""Ledoit and Wolf (2004): the sample covariance, shrunk towards equal variances without correlation."""

import numpy as np


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N.

    So three-decision returns give a three-decision covariance; the caller divides by three.
    Source: Ledoit and Wolf 2004, J. Multivariate Analysis 88, as in scikit-learn.
    """
    import sklearn  # here: it takes a second, which a refused command does not need
    from sklearn.covariance import ledoit_wolf_shrinkage

    centred = returns - returns.mean(axis=0)
    # The share alone is asked for: the estimator would invert the matrix as well, which nobody reads.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        share = ledoit_wolf_shrinkage(centred, assume_centered=True)
    sample = np.atleast_2d(centred.T @ centred / len(centred))
    shrunk = (1.0 - share) * sample
    shrunk.flat[:: len(sample) + 1] += share * (np.trace(sample) / len(sample))
    return np.asarray(shrunk)
