"""What the convex allocators share: limits as parameters, solvers in order, and an answer that is checked.

A problem is compiled once for a number of assets and groups (DPP, in factor form: sum_squares(root @ w) with
a parameter `root`), and filled anew at each decision. It is never started from an earlier answer, so that the
same input gives the same bits.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import coo_array

from python_steps.least_distance import turnover, volatility
from python_steps.limits import Limits

GROUPS = 8  # limits on groups are compiled in steps of so many, unused ones being empty
FEASIBLE = 1e-6  # a solver's answer may exceed a limit by so much; the raw weights then obey it exactly
NOTHING = 1e-7  # an interior-point solver stops short of the bound: so little is zero
INSIDE = 1e-4  # share of the largest sum that is left free, so that the region has an inside
PRICED = 1e-6  # of the objective's scale: a smaller dual is the solver's tolerance, not a price
SOLVERS = (
    ("CLARABEL", {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}),
    ("SCS", {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 20_000}),
)


class Shape(NamedTuple):
    """What a problem is compiled for."""

    size: int
    groups: int
    has_turnover: bool = False
    has_volatility: bool = False


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled problem, what changes from one decision to the next, and the limits that have a price."""

    problem: Any
    weights: Any
    parameters: dict[str, Any]
    rules: dict[str, Any]


def shape_of(limits: Limits, *, is_risk_based: bool) -> Shape:
    """Risk-based problems know bounds and groups; turnover and volatility are left to the projection."""
    groups = -(-len(limits.groups) // GROUPS) * GROUPS
    if is_risk_based:
        return Shape(len(limits.symbols), groups)
    return Shape(len(limits.symbols), groups, limits.turnover is not None, limits.volatility is not None)


def bounded(weights: Any, shape: Shape, scale: Any = 1.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and constraints of long-only weights under bounds and groups, all times `scale`."""
    import cvxpy as cp

    parameters = {
        "upper": cp.Parameter(shape.size, nonneg=True),
        "members": cp.Parameter((shape.groups, shape.size)),
        "bounds": cp.Parameter(shape.groups),
    }
    rules = {
        "long": weights >= 0,
        "upper": weights <= parameters["upper"] * scale,
        "groups": parameters["members"] @ weights <= parameters["bounds"] * scale,
    }
    return parameters, rules


def fill_bounds(parameters: dict[str, Any], limits: Limits) -> None:
    """Values of the parameters that `bounded` made."""
    members = np.array([group.members for group in limits.groups], dtype=float)
    fill_rules(parameters, limits.upper, members, np.array([group.limit for group in limits.groups]))


def fill_rules(
    parameters: dict[str, Any], upper: np.ndarray, members: np.ndarray, bounds: np.ndarray
) -> None:
    """As `fill_bounds`, with groups as rows of 0 and 1; what is compiled beyond them is empty."""
    all_members, all_bounds = np.zeros(parameters["members"].shape), np.ones(parameters["bounds"].shape)
    all_members[: len(members)], all_bounds[: len(bounds)] = members, bounds
    parameters["upper"].value = upper
    parameters["members"].value, parameters["bounds"].value = all_members, all_bounds


def in_order(rows: pd.DataFrame, symbols: list[str]) -> pd.DataFrame:
    """Rows of the symbols, in their order: selected only where they are in another."""
    return rows if rows.index.tolist() == symbols else rows.loc[symbols]


def block(covariance: pd.DataFrame, symbols: list[str]) -> np.ndarray:
    """The covariance of the symbols, in their order."""
    if covariance.index.tolist() == symbols == covariance.columns.tolist():
        return covariance.to_numpy(float)
    return covariance.loc[symbols, symbols].to_numpy(float)


def budget(limits: Limits) -> float:
    """What risk-based weights sum to: the limit on their sum, or nearly what bounds and groups let in."""
    groups = [group for group in limits.groups if group.name != limits.total.name]
    most = float(limits.upper.sum())
    if groups:
        rows = np.array([group.members for group in groups], dtype=float)
        bounds = np.array([group.limit for group in groups])
        sides = np.column_stack([np.zeros(len(limits.upper)), limits.upper])
        most = -float(linprog(-np.ones(len(limits.upper)), rows, bounds, bounds=sides, method="highs").fun)
    return min(limits.total.limit, most * (1.0 - INSIDE))


def root_parameter(size: int) -> Any:
    """What stands in an upper triangle, row by row.

    It takes a third of the solver's time for 100 assets, beside a full matrix; and as a vector a quarter less
    of cvxpy's for 25, beside a sparse one, which it checks at length.
    """
    import cvxpy as cp

    return cp.Parameter(size * (size + 1) // 2)


def rooted(parameter: Any, weights: Any) -> Any:
    """The triangle of a `root_parameter`, times the weights."""
    import cvxpy as cp

    size = weights.size
    rows, columns = np.triu_indices(size)
    places = (rows + columns * size, np.arange(len(rows)))
    laid_out = coo_array((np.ones(len(rows)), places), shape=(size * size, len(rows)))
    return cp.reshape(laid_out.tocsc() @ parameter, (size, size), order="F") @ weights


def fill_root(parameter: Any, root: np.ndarray) -> None:
    """Give a `root_parameter` its value, an upper triangular matrix."""
    parameter.value = root[np.triu_indices(len(root))]


def root_of(covariance: np.ndarray) -> np.ndarray:
    """N x N upper triangular, so that the sum of squares of root @ w is the variance of w."""
    return np.asarray(np.linalg.cholesky(covariance).T)


def square_root(factor: np.ndarray) -> np.ndarray:
    """N x N upper triangular, so that root @ w has the norm of factor @ w; K x N with K at least N."""
    return np.asarray(np.linalg.qr(factor, mode="r"))


def solved(compiled: Compiled, name: str, excess: Callable[[np.ndarray], float]) -> np.ndarray:
    """The first answer that a solver is sure of and that exceeds no limit by more than FEASIBLE.

    `excess` gives by how much weights break the worst limit. Raises RuntimeError, which names the solvers and
    what they said, when there is no such answer.
    """
    said = []
    for solver, options in SOLVERS:
        answer = _answer(compiled, solver, options)
        if answer is not None and excess(answer) <= FEASIBLE:
            return answer
        said.append(f"{solver} says {compiled.problem.status}")
    raise RuntimeError(f"{name}: {', '.join(said)}")


def excess(weights: np.ndarray, previous: np.ndarray, limits: Limits) -> float:
    """By how much weights break the worst of the limits but change; below 0 where they break none."""
    excesses = [bounds_excess(weights, limits)]
    if limits.turnover is not None:
        excesses.append(turnover(weights, previous) - limits.turnover)
    if limits.volatility is not None:
        excesses.append(volatility(weights, limits.factor) - limits.volatility)
    return max(excesses)


def bounds_excess(weights: np.ndarray, limits: Limits) -> float:
    """By how much weights break the worst bound or group."""
    excesses = [float((weights - limits.upper).max()), -float(weights.min())]
    return max(excesses + [float(weights[group.members].sum()) - group.limit for group in limits.groups])


def invested_excess(weights: np.ndarray, limits: Limits, total: float) -> float:
    """By how much risk-based weights break the worst bound or group, or miss the sum they should have."""
    rounding = NOTHING * len(weights)  # what was taken for zero
    return max(bounds_excess(weights, limits), abs(float(weights.sum()) - total) - rounding)


def duals(compiled: Compiled) -> dict[str, np.ndarray]:
    """What the objective would gain, by kind of limit and in its order, if a limit were one larger."""
    found = {}
    for kind, rules in compiled.rules.items():
        sides = rules if isinstance(rules, tuple) else (rules,)
        found[kind] = np.sum([np.atleast_1d(np.asarray(side.dual_value, float)) for side in sides], axis=0)
    return found


def named(prices: Mapping[str, np.ndarray], limits: Limits, unit: float) -> dict[str, float]:
    """Shadow prices above 0 of the limits, by name, from those by kind; `unit` is what the objective was
    divided by. Groups may be more than there are limits on groups: they are compiled in steps.
    """
    found: dict[str, float] = {}
    for kind, names in (
        ("upper", limits.symbols),
        ("groups", [group.name for group in limits.groups]),
        ("turnover", ["turnover"]),
        ("volatility", ["volatility"]),
    ):
        values = prices.get(kind, np.empty(0))[: len(names)]
        for place in np.flatnonzero(values > PRICED).tolist():
            name = f"asset {names[place]}" if kind == "upper" else names[place]
            found[name] = float(values[place]) * unit
    if limits.volatility is not None and "volatility" in found:
        found["volatility"] /= limits.volatility  # the cone is compiled as a share of the limit
    return found


def _answer(compiled: Compiled, solver: str, options: dict[str, Any]) -> np.ndarray | None:
    """The answer where the solver is sure of it."""
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
