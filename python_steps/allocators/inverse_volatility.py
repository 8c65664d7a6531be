"""Each asset in inverse proportion to its volatility, shrunk by the error of its view."""

import numpy as np
import pandas as pd

from python_steps.allocators import risk_based
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "1/deviation, correlations ignored"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, h being 1/deviation over its sum, of assets with a shrunk view above 0."""
    return risk_based(views, covariance, lambda block, _: inverse_volatility(block))


def inverse_volatility(covariance: np.ndarray) -> np.ndarray:
    """Weights above 0 that sum to 1, from an N x N covariance with a positive diagonal."""
    inverse = 1.0 / np.sqrt(np.diag(covariance))
    return np.asarray(inverse / inverse.sum())
