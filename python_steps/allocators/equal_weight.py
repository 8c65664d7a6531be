"""The same weight for every asset that is worth holding, shrunk by the error of its view."""

import pandas as pd

from python_steps.allocators import believed
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "1/n over the assets with a view above 0"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """(1/n)(1 - s²/v²) for the n assets with a shrunk view above 0, and 0 for the others; by symbol."""
    share = believed(views)
    return share / max(1, int((share > 0).sum()))
