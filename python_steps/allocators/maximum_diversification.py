"""The most volatility that correlations take away, fully invested; shrunk by the error of each view."""

from functools import lru_cache

import numpy as np
import pandas as pd

from python_steps.allocators import _convex, risk_based
from python_steps.limits import Limits

NAME = "maximum_diversification"
IS_RISK_BASED = True
VARIANT = "long-only, invested as far as bounds and groups allow"


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, h having the greatest ratio of mean deviation to deviation.

    h is over the assets with a shrunk view above 0, obeys bounds and groups, and sums to 1 or to as much as
    they allow. Raises RuntimeError when no solver gives such an answer. Source: Choueifaty and Coignard 2008,
    Toward maximum diversification.
    """
    return risk_based(views, covariance, lambda block, symbols: most_diversified(block, limits.of(symbols)))


def most_diversified(covariance: np.ndarray, limits: Limits) -> np.ndarray:
    """Weights from an N x N covariance and the limits of its N assets; zeros where they let nothing in.

    The ratio does not hang on the sum, so the problem is to find the least variance at a mean deviation of 1,
    with the limits in proportion to the sum.
    """
    compiled = _compiled(_convex.shape_of(limits, is_risk_based=True))
    total = _convex.budget(limits)
    if total <= 0:
        return np.zeros(len(covariance))
    deviation = np.sqrt(np.diag(covariance))
    unit = float(deviation.mean())
    _convex.fill_bounds(compiled.parameters, limits)
    compiled.parameters["inverse_budget"].value = 1.0 / total
    compiled.parameters["deviation"].value = deviation / unit
    _convex.fill_root(compiled.parameters["root"], _convex.root_of(covariance) / unit)
    found = _convex.solved(
        compiled, NAME, lambda found: _convex.invested_excess(_scaled(found, total), limits, total)
    )
    return _scaled(found, total)


def _scaled(found: np.ndarray, total: float) -> np.ndarray:
    return found * (total / max(float(found.sum()), _convex.NOTHING))


@lru_cache(maxsize=128)
def _compiled(shape: _convex.Shape) -> _convex.Compiled:
    import cvxpy as cp

    weights, scale = cp.Variable(shape.size), cp.Variable(nonneg=True)
    parameters, rules = _convex.bounded(weights, shape, scale)
    parameters |= {
        "root": _convex.root_parameter(shape.size),
        "deviation": cp.Parameter(shape.size),
        "inverse_budget": cp.Parameter(nonneg=True),
    }
    constraints = [
        parameters["deviation"] @ weights == 1,
        scale == parameters["inverse_budget"] * cp.sum(weights),
        *rules.values(),
    ]
    variance = cp.sum_squares(_convex.rooted(parameters["root"], weights))
    problem = cp.Problem(cp.Minimize(variance), constraints)
    return _convex.Compiled(problem, weights, parameters, rules)
