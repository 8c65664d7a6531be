"""The least variance that bounds and groups allow, fully invested; shrunk by the error of each view."""

from functools import lru_cache

import numpy as np
import pandas as pd

from python_steps.allocators import _convex, risk_based
from python_steps.limits import Limits

NAME = "minimum_variance"
IS_RISK_BASED = True
VARIANT = "long-only, invested as far as bounds and groups allow"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, h having the least variance, of assets with a shrunk view above 0.

    h obeys bounds and groups and sums to 1, or to as much as they allow. Raises RuntimeError when no solver
    gives such an answer. Source: Markowitz 1952.
    """
    return risk_based(views, covariance, lambda block, symbols: least_variance(block, limits.of(symbols)))


def least_variance(covariance: np.ndarray, limits: Limits) -> np.ndarray:
    """Weights from an N x N covariance and the limits of its N assets; zeros where they let nothing in."""
    compiled = _compiled(_convex.shape_of(limits, is_risk_based=True))
    total = _convex.budget(limits)
    if total <= 0:
        return np.zeros(len(covariance))
    _convex.fill_bounds(compiled.parameters, limits)
    compiled.parameters["budget"].value = total
    mean = float(np.trace(covariance)) / len(covariance)
    _convex.fill_root(compiled.parameters["root"], _convex.root_of(covariance / mean))
    return _convex.solved(compiled, NAME, lambda found: _convex.invested_excess(found, limits, total))


@lru_cache(maxsize=128)
def _compiled(shape: _convex.Shape) -> _convex.Compiled:
    import cvxpy as cp

    weights = cp.Variable(shape.size)
    parameters, rules = _convex.bounded(weights, shape)
    parameters |= {"root": _convex.root_parameter(shape.size), "budget": cp.Parameter(nonneg=True)}
    constraints = [cp.sum(weights) == parameters["budget"], *rules.values()]
    variance = cp.sum_squares(_convex.rooted(parameters["root"], weights))
    problem = cp.Problem(cp.Minimize(variance), constraints)
    return _convex.Compiled(problem, weights, parameters, rules)
