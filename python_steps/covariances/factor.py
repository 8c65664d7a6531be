"""A few principal components carry the correlations; each asset keeps a variance of its own."""

import numpy as np

from python_steps.covariances import correlation

SHARE = 0.6  # of the variance of standardised returns that the components carry between them
TINY = 1e-16


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N.

    Loadings times loadings' of the first components of the correlation matrix, its diagonal set back to 1,
    times the sample deviations: the variances are those of the sample. Source: Connor and Korajczyk 1986; the
    PCA form of a statistical factor model with a diagonal residual.
    """
    sample = np.atleast_2d(np.cov(returns, rowvar=False))
    moved = np.diag(sample) > TINY
    result = np.diag(np.diag(sample))
    if moved.sum() < 2:
        return np.asarray(result)
    block = sample[np.ix_(moved, moved)]
    values, vectors = np.linalg.eigh(correlation(block))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    count = int(np.searchsorted(np.cumsum(values), SHARE * values.sum())) + 1
    loadings = vectors[:, :count] * np.sqrt(values[:count])
    shared = loadings @ loadings.T
    np.fill_diagonal(shared, 1.0)
    deviation = np.sqrt(np.diag(block))
    result[np.ix_(moved, moved)] = shared * np.outer(deviation, deviation)
    return np.asarray(result)
