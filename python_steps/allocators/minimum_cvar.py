"""The least expected shortfall that bounds and groups allow; shrunk by the error of each view."""

from functools import lru_cache

import numpy as np
import pandas as pd

from python_steps.allocators import _convex, risk_based
from python_steps.covariances import DAYS
from python_steps.limits import Limits

NAME = "minimum_cvar"
IS_RISK_BASED = True
WANTS_SCENARIOS = True
VARIANT = "95 %, long-only, 1,000 block-bootstrapped scenarios over three decisions"
LEVEL = 0.95


def allocate(
    views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits, scenarios: pd.DataFrame
) -> pd.Series:
    """h(1 - s²/v²) by symbol, h having the least mean loss in the worst 5 % of scenarios.

    h is over the assets with a shrunk view above 0, obeys bounds and groups, and sums to 1 or to as much as
    they allow. Means are those of the scenarios. Raises RuntimeError when no solver gives such an answer.
    Source: Rockafellar and Uryasev 2000, Optimization of conditional value-at-risk.
    """

    def weigh(block: np.ndarray, symbols: list[str]) -> np.ndarray:
        unit = float(np.sqrt(DAYS * np.trace(block) / len(block)))
        return least_shortfall(scenarios[symbols].to_numpy(float), limits.of(symbols), unit)

    return risk_based(views, covariance, weigh)


def least_shortfall(scenarios: np.ndarray, limits: Limits, unit: float) -> np.ndarray:
    """Weights from S x N returns and the limits of the N assets; zeros where they let nothing in.

    `unit` is about the deviation of a return: the problem is solved in it, for the solver.
    """
    compiled = _compiled(_convex.shape_of(limits, is_risk_based=True), len(scenarios))
    total = _convex.budget(limits)
    if total <= 0:
        return np.zeros(scenarios.shape[1])
    _convex.fill_bounds(compiled.parameters, limits)
    compiled.parameters["budget"].value = total
    compiled.parameters["returns"].value = scenarios / unit
    return _convex.solved(compiled, NAME, lambda found: _convex.invested_excess(found, limits, total))


def shortfall(weights: np.ndarray, scenarios: np.ndarray) -> float:
    """Mean loss of the weights in the worst 5 % of S x N scenarios, the scenario at the edge split."""
    losses = np.sort(-scenarios @ weights)[::-1]
    tail = (1.0 - LEVEL) * len(losses)
    whole = int(tail + 1e-9)
    rest = tail - whole
    edge = rest * float(losses[whole]) if rest > 1e-9 else 0.0
    return (float(losses[:whole].sum()) + edge) / tail


@lru_cache(maxsize=32)
def _compiled(shape: _convex.Shape, scenarios: int) -> _convex.Compiled:
    import cvxpy as cp

    weights, threshold, beyond = cp.Variable(shape.size), cp.Variable(), cp.Variable(scenarios, nonneg=True)
    parameters, rules = _convex.bounded(weights, shape)
    parameters |= {"returns": cp.Parameter((scenarios, shape.size)), "budget": cp.Parameter(nonneg=True)}
    constraints = [
        beyond >= -(parameters["returns"] @ weights) - threshold,
        cp.sum(weights) == parameters["budget"],
        *rules.values(),
    ]
    tail = cp.sum(beyond) / ((1.0 - LEVEL) * scenarios)
    problem = cp.Problem(cp.Minimize(threshold + tail), constraints)
    return _convex.Compiled(problem, weights, parameters, rules)
