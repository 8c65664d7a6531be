"""Long-only mean-variance: reward for the shrunk view, charge for variance and for trading."""

from functools import lru_cache

import numpy as np
import pandas as pd

from python_steps.allocators import _convex
from python_steps.limits import Limits

IS_RISK_BASED = False
VARIANT = "Markowitz 1952, long-only, means shrunk by their errors, cost of turnover in the objective"
HOLDING = 5  # decisions a view is for (the horizon of the labels), over which the cost of a trade is spread


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """Weights by symbol that maximise view'w - risk aversion/2 w'Sw - cost'|w - previous|/HOLDING.

    All per decision. The limits hold, but for change; `limits` may name more symbols than `views`.
    Raises RuntimeError when no solver gives an answer that obeys them. Source: Markowitz 1952; factor
    form, so that the problem is compiled once for a number of assets.
    """
    symbols = sorted(views.index)
    rows, limits = views.loc[symbols], limits.of(symbols)
    matrix = covariance.loc[symbols, symbols].to_numpy(float)
    previous = rows["previous_weight"].to_numpy(float)
    compiled = _compiled(_convex.shape_of(limits, is_risk_based=False))
    scale = limits.risk_aversion * float(np.trace(matrix)) / len(symbols)
    _fill(compiled, rows, matrix, previous, limits, scale)
    answer = _convex.solved(compiled, "mean_variance", lambda found: _convex.excess(found, previous, limits))
    weights = pd.Series(answer, index=symbols).reindex(views.index)
    return _convex.priced(weights, compiled, limits, scale)


def _fill(
    compiled: _convex.Compiled,
    rows: pd.DataFrame,
    matrix: np.ndarray,
    previous: np.ndarray,
    limits: Limits,
    scale: float,
) -> None:
    """Values of one decision; the objective is divided by the mean charge for variance, for the solver."""
    parameters = compiled.parameters
    _convex.fill_bounds(parameters, limits)
    parameters["view"].value = rows["shrunk_view"].to_numpy(float) / scale
    _convex.fill_root(parameters["root"], _convex.root_of(matrix) * np.sqrt(limits.risk_aversion / 2 / scale))
    parameters["cost"].value = rows["cost_rate"].to_numpy(float) / HOLDING / scale
    parameters["previous"].value = previous
    if limits.turnover is not None:
        parameters["turnover"].value = limits.turnover
    if limits.volatility is not None:
        _convex.fill_root(parameters["factor"], _convex.square_root(limits.factor) / limits.volatility)


@lru_cache(maxsize=128)
def _compiled(shape: _convex.Shape) -> _convex.Compiled:
    import cvxpy as cp

    size = shape.size
    weights, trade = cp.Variable(size), cp.Variable(size)
    parameters, rules = _convex.bounded(weights, shape)
    parameters |= {
        "view": cp.Parameter(size),
        "root": _convex.root_parameter(size),
        "cost": cp.Parameter(size, nonneg=True),
        "previous": cp.Parameter(size),
    }
    reward = parameters["view"] @ weights
    variance = cp.sum_squares(parameters["root"] @ weights)
    trading = parameters["cost"] @ cp.abs(trade)
    constraints = [trade == weights - parameters["previous"], *rules.values()]
    if shape.has_turnover:
        parameters["turnover"] = cp.Parameter(nonneg=True)
        sides = tuple(cp.sum(cp.pos(side)) <= parameters["turnover"] for side in (trade, -trade))
        constraints += sides
        rules["turnover"] = sides
    if shape.has_volatility:
        parameters["factor"] = _convex.root_parameter(size)
        rules["volatility"] = cp.norm(parameters["factor"] @ weights) <= 1
        constraints.append(rules["volatility"])
    problem = cp.Problem(cp.Maximize(reward - variance - trading), constraints)
    return _convex.Compiled(problem, weights, parameters, rules)
