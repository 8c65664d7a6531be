"""Long-only mean-variance: reward for the shrunk view, charge for variance and for trading."""

from functools import lru_cache

import numpy as np
import pandas as pd

from python_steps.allocators import _convex, _quadratic
from python_steps.allocators._quadratic import Answer, Program
from python_steps.limits import Limits

IS_RISK_BASED = False
VARIANT = "Markowitz 1952, long-only, means shrunk by their errors, cost of turnover in the objective"
NAME = "mean_variance"
HOLDING = 5  # decisions a view is for (the horizon of the labels), over which the cost of a trade is spread


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """Weights by symbol that maximise view'w - risk aversion/2 w'Sw - cost'|w - previous|/HOLDING.

    All per decision. The limits hold, but for change; `limits` may name more symbols than `views`.
    Raises RuntimeError when no solver gives an answer that obeys them. Source: Markowitz 1952. Limits on
    turnover or volatility tie all assets together, and go through cvxpy in factor form, compiled once for a
    number of assets; so does all else that the solver is not sure of when it is spoken to directly.
    """
    given = views.index.tolist()
    symbols = sorted(given)
    rows, limits = views if given == symbols else views.loc[symbols], limits.of(symbols)
    matrix = _convex.block(covariance, symbols)
    scale = limits.risk_aversion * float(np.trace(matrix)) / len(symbols)
    program = _program(rows, matrix, limits, scale)
    found = None
    if limits.turnover is None and limits.volatility is None:
        found = _quadratic.over_working_sets(program, _quadratic.directly, _quadratic.FEW)
    if found is None or not _bounds_excess(found.weights, program) <= _convex.FEASIBLE:
        found = through_cvxpy(program, limits)
    weights = np.where(found.weights > _convex.NOTHING, found.weights, 0.0)
    told = pd.Series(weights, index=rows.index)
    told = told if given == symbols else told.reindex(views.index)
    told.attrs["prices"] = _convex.named(found.prices, limits, scale)
    return told


def through_cvxpy(program: Program, limits: Limits) -> Answer:
    """The answer under all limits but change; raises RuntimeError where no solver is sure of one."""
    if limits.turnover is None and limits.volatility is None:
        whole = _quadratic.over_working_sets(program, lambda part: _solved(part, limits), _quadratic.MANY)
        if whole is not None:
            return whole
    return _solved(program, limits)


def _program(rows: pd.DataFrame, matrix: np.ndarray, limits: Limits, scale: float) -> Program:
    """All of one decision; the objective is divided by the mean charge for variance, for the solver."""
    return Program(
        view=rows["shrunk_view"].to_numpy(float) / scale,
        matrix=matrix * (limits.risk_aversion / scale),
        cost=rows["cost_rate"].to_numpy(float) / HOLDING / scale,
        previous=rows["previous_weight"].to_numpy(float),
        upper=limits.upper,
        members=np.array([group.members for group in limits.groups], dtype=float),
        bounds=np.array([group.limit for group in limits.groups]),
    )


def _solved(program: Program, limits: Limits) -> Answer:
    groups = _convex.shape_of(limits, is_risk_based=False).groups
    shape = _convex.Shape(
        len(program.view), groups, limits.turnover is not None, limits.volatility is not None
    )
    compiled = _compiled(shape)
    _fill(compiled, program, limits)
    weights = _convex.solved(compiled, NAME, lambda found: _excess(found, program, limits))
    return Answer(weights, _convex.duals(compiled))


def _excess(weights: np.ndarray, program: Program, limits: Limits) -> float:
    if len(weights) == len(limits.symbols):
        return _convex.excess(weights, program.previous, limits)
    return _bounds_excess(weights, program)


def _bounds_excess(weights: np.ndarray, program: Program) -> float:
    """By how much weights break the worst bound or group of a program, which has no other limits."""
    sides = (weights - program.upper, -weights, program.members @ weights - program.bounds)
    return max(float(side.max()) for side in sides)


def _fill(compiled: _convex.Compiled, program: Program, limits: Limits) -> None:
    parameters = compiled.parameters
    _convex.fill_rules(parameters, program.upper, program.members, program.bounds)
    parameters["view"].value = program.view
    _convex.fill_root(parameters["root"], _convex.root_of(program.matrix / 2))
    parameters["cost"].value = program.cost
    parameters["previous"].value = program.previous
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
    variance = cp.sum_squares(_convex.rooted(parameters["root"], weights))
    trading = parameters["cost"] @ cp.abs(trade)
    constraints = [trade == weights - parameters["previous"], *rules.values()]
    if shape.has_turnover:
        parameters["turnover"] = cp.Parameter(nonneg=True)
        sides = tuple(cp.sum(cp.pos(side)) <= parameters["turnover"] for side in (trade, -trade))
        constraints += sides
        rules["turnover"] = sides
    if shape.has_volatility:
        parameters["factor"] = _convex.root_parameter(size)
        rules["volatility"] = cp.norm(_convex.rooted(parameters["factor"], weights)) <= 1
        constraints.append(rules["volatility"])
    problem = cp.Problem(cp.Maximize(reward - variance - trading), constraints)
    return _convex.Compiled(problem, weights, parameters, rules)
