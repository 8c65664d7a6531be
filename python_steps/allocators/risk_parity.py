"""Every asset brings the same risk, correlations counted; shrunk by the error of its view."""

import numpy as np
import pandas as pd

from python_steps.allocators import risk_based
from python_steps.allocators._risk_budgets import budget_weights
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "equal risk contributions by cyclical coordinate descent, Griveau-Billion 2013"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, h bringing equal shares of the variance, of assets with a shrunk view above 0.

    Raises RuntimeError when equal shares are not found. Source: Maillard, Roncalli and Teiletche 2010, The
    properties of equally weighted risk contribution portfolios.
    """
    return risk_based(
        views, covariance, lambda block, _: budget_weights(block, np.full(len(block), 1.0 / len(block)))
    )
