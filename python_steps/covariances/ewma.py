"""Exponentially weighted moving average: yesterday counts most, and a half is forgotten in eleven rows."""

import numpy as np

DECAY = 0.94  # half-life 11.2 rows


def estimate(returns: np.ndarray) -> np.ndarray:
    """Covariance in the unit of the rows: T x N overlapping returns without NaN give N x N.

    Deviations are from 0, as in the source, and weights DECAY^age sum to 1. Source: J.P. Morgan/Reuters 1996,
    RiskMetrics technical document, section 5.2.
    """
    ages = np.arange(len(returns))[::-1]
    weights = DECAY**ages
    weighted = returns * np.sqrt(weights / weights.sum())[:, None]
    return np.asarray(weighted.T @ weighted)
