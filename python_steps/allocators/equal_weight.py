"""The same weight for every asset that is worth holding, shrunk by the error of its view."""

import numpy as np
import pandas as pd

from python_steps.allocators import risk_based
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "1/n over the assets with a view above 0"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """(1/n)(1 - s²/v²) for the n assets with a shrunk view above 0, and 0 for the others; by symbol."""
    return risk_based(views, covariance, lambda block, _: np.full(len(block), 1.0 / len(block)))
