"""Hierarchical risk parity as first published: cluster by correlation, then split by variance.

Source: López de Prado 2016, Building diversified portfolios that outperform out of sample, J. Portfolio
Management 42(4): single linkage on the Euclidean distance between columns of sqrt((1 - rho) / 2), no
optimal leaf ordering, bisection of the ordered list.
"""

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

from python_steps.allocators import risk_based
from python_steps.covariances import correlation
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "paper 2016: single linkage, no leaf ordering, bisection of the ordered list"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, h being the parity weights of the assets with a shrunk view above 0."""
    return risk_based(views, covariance, lambda block, _: parity_weights(block))


def parity_weights(covariance: np.ndarray) -> np.ndarray:
    """Weights above 0 that sum to 1, from an N x N covariance with a positive diagonal."""
    weights = np.ones(len(covariance))
    spans = [leaf_order(covariance)]
    while spans:
        halves = [(span[: len(span) // 2], span[len(span) // 2 :]) for span in spans if len(span) > 1]
        for left, right in halves:
            left_variance, right_variance = _variance(covariance, left), _variance(covariance, right)
            to_left = right_variance / (left_variance + right_variance)
            weights[left] *= to_left
            weights[right] *= 1.0 - to_left
        spans = [half for pair in halves for half in pair]
    return weights


def leaf_order(covariance: np.ndarray) -> np.ndarray:
    """Positions of the assets, so that similar ones are neighbours."""
    if len(covariance) == 1:
        return np.array([0])
    distance = np.sqrt((1.0 - correlation(covariance)) / 2.0)
    return np.asarray(leaves_list(linkage(pdist(distance), "single")))


def _variance(covariance: np.ndarray, members: np.ndarray) -> float:
    """Variance of the members, held in inverse proportion to their variances."""
    if len(members) == 1:
        return float(covariance[members[0], members[0]])
    block = covariance[members[:, None], members]
    weights = 1.0 / block.diagonal()
    weights = weights / weights.sum()
    return float(weights @ block @ weights)
