"""What each limit costs: how far it holds the weights from where they were wanted.

A projection has the least half squared distance to its target; the price of a limit is by how much that would
fall if the limit alone were one larger, so it is in units of weight. Prices are read off the answer itself:
at it, the way to the target is a sum of the gradients of the limits that hold it, each times its price
(Karush-Kuhn-Tucker). Where several sums do, since limits hold the same weights twice, the price is the least
that any of them gives: what the one limit is worth while the others stand.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog, nnls

from python_steps.least_distance import Region, turnover, volatility

TOUCHES = 1e-9  # a limit this near holds the weights
PRICED = 1e-8  # a smaller price is rounding
INDEPENDENT = 1e-9  # a column with no larger part in sums of columns that are zero depends on no other


def prices(
    target: np.ndarray,
    weights: np.ndarray,
    region: Region,
    groups: Sequence[str],
    below: Sequence[str | None],
    above: Sequence[str | None],
) -> dict[str, float]:
    """Price above 0 by name of limit, `weights` being the nearest point of the region to the target.

    `groups` name the rows of the region, `below` and `above` its bounds by asset; a bound without a name has
    no price. Empty where the weights are not the nearest point.
    """
    pull = target - weights
    if not len(weights) or float(np.abs(pull).max()) <= TOUCHES:
        return {}
    names: list[str | None] = []
    rows: list[np.ndarray] = []
    for at, unit in enumerate(np.eye(len(weights))):
        if weights[at] >= region.upper[at] - TOUCHES:
            names.append(above[at])
            rows.append(unit)
        if weights[at] <= region.lower[at] + TOUCHES:
            names.append(below[at])
            rows.append(-unit)
    for name, row, limit in zip(groups, region.matrix, region.limits, strict=True):
        if float(row @ weights) >= limit - TOUCHES and row.any():
            names.append(name)
            rows.append(row)
    if region.turnover is not None and turnover(weights, region.previous) >= region.turnover - TOUCHES:
        found = _turnover_rows(weights, region)
        names += ["turnover", *[None] * (len(found) - 1)]
        rows += found
    spread = volatility(weights, region.factor)
    if region.volatility is not None and spread > 0 and spread >= region.volatility * (1 - TOUCHES):
        names.append("volatility")
        rows.append(region.factor.T @ (region.factor @ weights) / spread)
    return _shared(pull, names, rows)


def _turnover_rows(weights: np.ndarray, region: Region) -> list[np.ndarray]:
    """The gradient of the side that is full, and that of each asset which would begin to trade on it."""
    change = weights - region.previous
    side = 1.0 if change.sum() >= 0 else -1.0  # cash takes the other side of what is bought or sold more
    still = np.flatnonzero(np.abs(change) <= TOUCHES)
    return [(side * change > TOUCHES) * side, *(side * np.eye(len(weights))[still])]


def _shared(pull: np.ndarray, names: Sequence[str | None], rows: Sequence[np.ndarray]) -> dict[str, float]:
    if not rows:
        return {}
    matrix = np.array(rows, dtype=float).T
    multipliers, _ = nnls(matrix, pull)
    several = np.flatnonzero((multipliers > PRICED) & _is_shared(matrix))
    multipliers = _least(matrix, matrix @ multipliers, multipliers, several)
    found: dict[str, float] = {}
    for name, price in zip(names, multipliers.tolist(), strict=True):
        if name is not None and price > PRICED:
            found[name] = found.get(name, 0.0) + price
    return found


def _is_shared(matrix: np.ndarray) -> np.ndarray:
    """Mask of the columns that others can stand in for; any other has one multiplier alone."""
    _, lengths, ways = np.linalg.svd(matrix)
    rank = int((lengths > lengths[0] * max(matrix.shape) * np.finfo(float).eps).sum())
    mask: np.ndarray = (np.abs(ways[rank:]) > INDEPENDENT).any(axis=0)
    return mask


def _least(matrix: np.ndarray, pull: np.ndarray, multipliers: np.ndarray, several: np.ndarray) -> np.ndarray:
    """For each of `several` columns the least multiplier that still lets the columns sum to the pull."""
    least = multipliers.copy()
    for at in several:
        answer = linprog(np.arange(len(least)) == at, A_eq=matrix, b_eq=pull, method="highs")
        if answer.success:
            least[at] = answer.x[at]
    return least
