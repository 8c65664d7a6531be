"""Mean-variance under bounds and groups: over a working set of assets, and the solver spoken to directly.

Minimises w'Qw / 2 - view'w + cost'|w - previous| over 0 <= w <= upper and members @ w <= bounds. Few assets
are held in the end. So the problem is solved over those that promise most alone, and widened by those that
would still gain from being held, until there are none: then the answer is that of all assets (the program is
convex, and its conditions hold). What cvxpy would write into the solver's matrices at each decision is
written here. The solver is made anew each time, so that the same input gives the same bits.
"""

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

FEW, MANY = 16, 32  # assets that a working set begins with and grows by; many where each asking is slow
GAIN = 1e-9  # of the mean charge for variance: what a solver may leave


class Program(NamedTuple):
    """Arrays by asset (N), `matrix` N x N; `members` groups x N of 0 and 1 with their `bounds`."""

    view: np.ndarray
    matrix: np.ndarray
    cost: np.ndarray
    previous: np.ndarray
    upper: np.ndarray
    members: np.ndarray
    bounds: np.ndarray

    def of(self, places: np.ndarray) -> "Program":
        """The program over some of the assets; the others are sold."""
        block, members = self.matrix[np.ix_(places, places)], self.members[:, places]
        cost, previous, upper = self.cost[places], self.previous[places], self.upper[places]
        return Program(self.view[places], block, cost, previous, upper, members, self.bounds)


class Answer(NamedTuple):
    """Weights by asset, and by kind of limit what the objective would gain if it were one larger.

    Kinds are `upper` (by asset) and `groups` (by group; what follows the last group is of none), and those
    that tie all assets together.
    """

    weights: np.ndarray
    prices: dict[str, np.ndarray]


Solve = Callable[[Program], Answer | None]


def over_working_sets(program: Program, solve: Solve, step: int) -> Answer | None:
    """The answer over all assets, from `solve` over some; None where it is not sure of one of them.

    It begins with `step` assets, and takes in as many at a time; below a third more, it takes all at once.
    """
    size = len(program.view)
    if size <= step * 4 // 3:
        return solve(program)
    slope = _slope_at_zero(program)
    alone = np.maximum(0.0, -slope) ** 2 / np.diag(program.matrix)
    order = np.lexsort((np.arange(size), -alone))
    taken = np.sort(order[:step])
    while True:
        found = solve(program.of(taken))
        if found is None:
            return None
        answer = _spread(found, taken, size)
        charged = answer.prices["groups"][: len(program.members)] @ program.members
        slopes = slope + program.matrix @ answer.weights + charged
        gains = np.where(program.upper > 0, -slopes, 0.0)
        gains[taken] = 0.0
        wanting = np.flatnonzero(gains > GAIN)
        if not len(wanting):
            return answer
        most = wanting[np.lexsort((wanting, -gains[wanting]))][:step]
        taken = np.sort(np.concatenate([taken, most]))


def directly(program: Program) -> Answer | None:
    """The answer of Clarabel to the program as it stands; None where it is not sure."""
    import clarabel

    size, moved = len(program.view), np.flatnonzero(program.cost > 0)
    rows = _rows(size, program.members.tobytes(), moved.tobytes())
    held = program.previous[moved]
    limits = np.concatenate([program.upper, program.bounds, np.zeros(size), held, -held])
    reward = np.concatenate([-program.view, program.cost[moved]])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    settings.iterative_refinement_enable = False  # the tolerances are measured on the answer, however it came
    cones = [clarabel.NonnegativeConeT(len(limits))]
    charge = _charge(program.matrix, len(moved))
    found = clarabel.DefaultSolver(charge, reward, rows, limits, cones, settings).solve()
    if str(found.status) != "Solved":
        return None
    prices = np.asarray(found.z)
    by_kind = {"upper": prices[:size], "groups": prices[size : size + len(program.bounds)]}
    return Answer(np.asarray(found.x)[:size], by_kind)


def _charge(matrix: np.ndarray, trades: int) -> Any:
    """The upper triangle of the objective's matrix over weights and trades, by column."""
    columns, rows, empty = _triangle(len(matrix), trades)
    charge = copy(empty)
    charge.data = matrix[rows, columns]
    return charge


@lru_cache(maxsize=128)
def _triangle(size: int, trades: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Columns and rows of an upper triangle, by column, and the matrix in which none of it stands yet."""
    from scipy import sparse

    columns, rows = np.tril_indices(size)
    starts = np.cumsum(np.arange(size + 1))
    entries = (np.zeros(len(rows)), rows, np.concatenate([starts, np.full(trades, starts[-1])]))
    return columns, rows, sparse.csc_matrix(entries, shape=(size + trades, size + trades))


@lru_cache(maxsize=128)
def _rows(size: int, members: bytes, moved: bytes) -> Any:
    """Left sides of the limits: upper bounds, groups, what is not below 0, and both signs of each trade.

    Made once for the same assets and groups, given by their bytes: no decision changes them.
    """
    from scipy import sparse

    groups, trade = np.frombuffer(members).reshape(-1, size), np.eye(size)[np.frombuffer(moved, dtype=int)]
    one, free = np.eye(size), np.zeros((size, len(trade)))
    dense = [[one, free], [groups, np.zeros((len(groups), len(trade)))], [-one, free]]
    dense += [[trade, -np.eye(len(trade))], [-trade, -np.eye(len(trade))]]
    return sparse.csc_matrix(np.block(dense))


def _slope_at_zero(program: Program) -> np.ndarray:
    """What the objective changes by for a first bit of each asset, where nothing is held of any."""
    slope: np.ndarray = np.where(program.previous > 0, -program.cost, program.cost) - program.view
    return slope


def _spread(found: Answer, taken: np.ndarray, size: int) -> Answer:
    """The answer over all assets: zero for those that are not in the working set."""
    weights, prices = np.zeros(size), np.zeros(size)
    weights[taken], prices[taken] = found.weights, found.prices["upper"]
    return Answer(weights, {**found.prices, "upper": prices})
