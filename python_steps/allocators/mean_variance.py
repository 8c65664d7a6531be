"""Long-only mean-variance: reward for the shrunk view, charge for variance and for trading."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from python_steps.least_distance import turnover, volatility
from python_steps.limits import Limits

IS_RISK_BASED = False
HOLDING = 5  # decisions a view is for (the horizon of the labels), over which the cost of a trade is spread
GROUPS = 8  # limits on groups are compiled in steps of so many, unused ones being empty
FEASIBLE = 1e-6  # a solver's answer may exceed a limit by so much; the raw weights then obey it exactly
NOTHING = 1e-7  # an interior-point solver stops short of the bound: so little is zero
SOLVERS = (
    ("CLARABEL", {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}),
    ("SCS", {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 20_000}),
)


@dataclass(frozen=True, eq=False)
class _Problem:
    """The compiled problem and what changes from one decision to the next."""

    problem: Any
    weights: Any
    parameters: dict[str, Any]


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
    padded = -(-len(limits.groups) // GROUPS) * GROUPS
    compiled = _compiled(len(symbols), padded, limits.turnover is not None, limits.volatility is not None)
    _fill(compiled.parameters, rows, matrix, previous, limits)
    said = []
    for solver, options in SOLVERS:
        answer = _solved(compiled, solver, options)
        if answer is not None and _excess(answer, previous, limits) <= FEASIBLE:
            return pd.Series(answer, index=symbols).reindex(views.index)
        said.append(f"{solver} says {compiled.problem.status}")
    raise RuntimeError(f"mean_variance: {', '.join(said)}")


def _solved(compiled: _Problem, solver: str, options: dict[str, Any]) -> np.ndarray | None:
    """The answer where the solver is sure of it; never started from an earlier one, for the same bits."""
    import cvxpy as cp

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an inaccurate answer is refused below, by its status
            compiled.problem.solve(solver=solver, warm_start=False, **options)
    except cp.SolverError:
        return None
    answer = compiled.weights.value
    if compiled.problem.status != cp.OPTIMAL or answer is None or not np.isfinite(answer).all():
        return None
    return np.where(answer > NOTHING, answer, 0.0)


def _fill(
    parameters: dict[str, Any], rows: pd.DataFrame, matrix: np.ndarray, previous: np.ndarray, limits: Limits
) -> None:
    """Values of one decision; the objective is divided by the mean charge for variance, for the solver."""
    size = len(rows)
    scale = limits.risk_aversion * float(np.trace(matrix)) / size
    members, bounds = np.zeros(parameters["members"].shape), np.ones(parameters["bounds"].shape)
    for at, group in enumerate(limits.groups):
        members[at], bounds[at] = group.members, group.limit
    parameters["view"].value = rows["shrunk_view"].to_numpy(float) / scale
    parameters["root"].value = np.linalg.cholesky(matrix).T * np.sqrt(limits.risk_aversion / 2 / scale)
    parameters["cost"].value = rows["cost_rate"].to_numpy(float) / HOLDING / scale
    parameters["previous"].value = previous
    parameters["upper"].value = limits.upper
    parameters["members"].value, parameters["bounds"].value = members, bounds
    if limits.turnover is not None:
        parameters["turnover"].value = limits.turnover
    if limits.volatility is not None:
        parameters["factor"].value = np.linalg.cholesky(matrix).T / limits.volatility


@lru_cache(maxsize=128)
def _compiled(size: int, groups: int, has_turnover: bool, has_volatility: bool) -> _Problem:
    import cvxpy as cp

    parameters = {
        "view": cp.Parameter(size),
        "root": cp.Parameter((size, size)),
        "cost": cp.Parameter(size, nonneg=True),
        "previous": cp.Parameter(size),
        "upper": cp.Parameter(size, nonneg=True),
        "members": cp.Parameter((groups, size)),
        "bounds": cp.Parameter(groups),
    }
    weights, trade = cp.Variable(size), cp.Variable(size)
    reward = parameters["view"] @ weights
    variance = cp.sum_squares(parameters["root"] @ weights)
    trading = parameters["cost"] @ cp.abs(trade)
    constraints = [
        trade == weights - parameters["previous"],
        weights >= 0,
        weights <= parameters["upper"],
        parameters["members"] @ weights <= parameters["bounds"],
    ]
    if has_turnover:
        parameters["turnover"] = cp.Parameter(nonneg=True)
        constraints += [cp.sum(cp.pos(side)) <= parameters["turnover"] for side in (trade, -trade)]
    if has_volatility:
        parameters["factor"] = cp.Parameter((size, size))
        constraints.append(cp.norm(parameters["factor"] @ weights) <= 1)
    problem = cp.Problem(cp.Maximize(reward - variance - trading), constraints)
    return _Problem(problem, weights, parameters)


def _excess(weights: np.ndarray, previous: np.ndarray, limits: Limits) -> float:
    excesses = [float((weights - limits.upper).max())]
    excesses += [float(weights[group.members].sum()) - group.limit for group in limits.groups]
    if limits.turnover is not None:
        excesses.append(turnover(weights, previous) - limits.turnover)
    if limits.volatility is not None:
        excesses.append(volatility(weights, limits.factor) - limits.volatility)
    return max(excesses)
