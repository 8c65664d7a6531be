"""Every class of assets brings the risk that the policy gives it; shrunk by the error of each view."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from python_steps.allocators import risk_based
from python_steps.allocators._risk_budgets import budget_weights
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "risk budgets per class, equal inside it, by cyclical coordinate descent, Griveau-Billion 2013"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, the h of a class bringing its share of the variance.

    Shares are `limits.risk_budgets` by class, over the classes that have assets with a shrunk view above 0;
    where it is empty, each such class has the same. Raises RuntimeError when the shares are not met. Source:
    Roncalli 2013, Introduction to risk parity and budgeting.
    """
    kinds = views["asset_class"]
    return risk_based(
        views,
        covariance,
        lambda block, symbols: budget_weights(block, _budgets(kinds[symbols].tolist(), limits.risk_budgets)),
    )


def _budgets(classes: list[str], by_class: Mapping[str, float]) -> np.ndarray:
    counts = Counter(classes)
    budgets = np.array([by_class.get(name, 0.0) if by_class else 1.0 for name in classes])
    if not (budgets > 0).all():
        unnamed = sorted({name for name, budget in zip(classes, budgets, strict=True) if budget <= 0})
        raise ValueError(f"risk_budgeting: the policy gives no risk to {', '.join(unnamed)}")
    shares = budgets / np.array([counts[name] for name in classes])
    return np.asarray(shares / shares.sum())
