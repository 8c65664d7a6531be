"""The point of a convex region that is nearest to a target, the same bits each time.

Bounds and groups are a least-distance problem, solved by Lawson and Hanson's NNLS (Solving Least
Squares Problems, 1974, chapter 23). Turnover is cut in by its own facets until it is met; volatility
by the multiplier of its constraint, found as a root, as in a trust region.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

TOLERANCE = 1e-13  # of a limit, before the last touch
CLOSE = 1e-11  # of the volatility, relative
ACTIVE_MOVES = 1e-7  # how far the polished answer may lie from that of NNLS
FULL = 1e-14
SHORTEST = 1e-300
PULL = 1e-10
NEAR_ZERO = 1e-15
MAXIMUM_CUTS = 400
MAXIMUM_STEPS = 100


class NotSolved(RuntimeError):
    """No answer that obeys every limit was found."""


@dataclass(frozen=True, eq=False)
class Region:
    """Weights w with lower <= w <= upper, matrix @ w <= limits, and where given turnover and volatility.

    The matrix has entries 0, 1 or -1; bounds lie on one side of 0 each. Turnover is half the sum of changes
    from `previous`, cash included; volatility is the norm of factor @ w. `anchor` is any point known to obey
    all of it.
    """

    lower: np.ndarray
    upper: np.ndarray
    matrix: np.ndarray
    limits: np.ndarray
    previous: np.ndarray
    turnover: float | None
    factor: np.ndarray
    volatility: float | None
    anchor: np.ndarray


@dataclass(frozen=True, eq=False)
class _Quadratic:
    """Half of w' hessian w less target' w; without a hessian, the distance to the target."""

    target: np.ndarray
    hessian: np.ndarray | None = None


def turnover(weights: np.ndarray, previous: np.ndarray) -> float:
    """Half the sum of changes, cash included: the larger of all that is bought and all that is sold."""
    change = weights - previous
    return max(float(change[change > 0].sum()), float(-change[change < 0].sum()))


def volatility(weights: np.ndarray, factor: np.ndarray) -> float:
    """Norm of factor @ weights."""
    return float(np.linalg.norm(factor @ weights))


def contributions(weights: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """What each weight adds to the volatility: they sum to it (Euler). Zeros where there is none."""
    spread = volatility(weights, factor)
    return weights * (factor.T @ (factor @ weights)) / spread if spread > 0 else np.zeros(len(weights))


def closest(target: np.ndarray, region: Region) -> np.ndarray:
    """The nearest point of the region; no limit is exceeded by more than 1e-12.

    Raises NotSolved when the region holds no point that can be found.
    """
    cuts: list[tuple[np.ndarray, float]] = []
    weights = _cut_until_met(_Quadratic(target), region, cuts)
    limit = region.volatility
    if limit is not None and volatility(weights, region.factor) > limit:
        weights = _meeting_volatility(target, region, cuts, limit)
    return _touched_up(weights, region)


def _cut_until_met(goal: _Quadratic, region: Region, cuts: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Best point under bounds, groups and turnover; `cuts` are facets of turnover found so far, and grow."""
    for _ in range(MAXIMUM_CUTS):
        rows = [region.matrix, *(row[None, :] for row, _ in cuts)]
        bounds = [region.limits, *(np.array([bound]) for _, bound in cuts)]
        weights = _under_rows(goal, region, np.vstack(rows), np.concatenate(bounds))
        facet = _broken_facet(weights, region)
        if facet is None or any(np.array_equal(facet[0], row) for row, _ in cuts):
            return weights
        cuts.append(facet)
    raise NotSolved(f"turnover was not met after {MAXIMUM_CUTS} cuts")


def _broken_facet(weights: np.ndarray, region: Region) -> tuple[np.ndarray, float] | None:
    if region.turnover is None:
        return None
    change = weights - region.previous
    for row in ((change > 0).astype(float), -(change < 0).astype(float)):
        if float(row @ change) > region.turnover + TOLERANCE:
            return row, region.turnover + float(row @ region.previous)
    return None


def _meeting_volatility(
    target: np.ndarray, region: Region, cuts: list[tuple[np.ndarray, float]], limit: float
) -> np.ndarray:
    """The point whose multiplier makes the volatility the limit; 1 / volatility is nearly linear in it."""
    risk = region.factor.T @ region.factor
    identity = np.eye(len(target))

    def under(multiplier: float) -> tuple[np.ndarray, float]:
        weights = _cut_until_met(_Quadratic(target, identity + multiplier * risk), region, cuts)
        return weights, _lack(weights, region.factor, limit)

    low, low_lack = 0.0, _lack(_cut_until_met(_Quadratic(target), region, cuts), region.factor, limit)
    high = len(risk) / float(np.trace(risk))
    weights, high_lack = under(high)
    for _ in range(MAXIMUM_STEPS):
        if high_lack <= 0:
            break
        low, low_lack, high = high, high_lack, 4 * high
        if high * float(np.trace(risk)) > 1e13:  # the limit is the least volatility there is
            return weights
        weights, high_lack = under(high)
    for step in range(MAXIMUM_STEPS):
        if -high_lack <= CLOSE:
            return weights
        middle = (low + high) / 2 if step % 3 == 2 else low + (high - low) * low_lack / (low_lack - high_lack)
        candidate, lack = under(middle)
        if lack > 0:
            low, low_lack = middle, lack
        else:
            high, high_lack, weights = middle, lack, candidate
        if high - low <= 1e-15 * high:
            return weights
    return weights


def _lack(weights: np.ndarray, factor: np.ndarray, limit: float) -> float:
    """Above 0 while the volatility exceeds the limit; relative."""
    found = volatility(weights, factor)
    return 1.0 - limit / found if found > 0 else -1.0


def _under_rows(goal: _Quadratic, region: Region, rows: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Best point within the bounds of the region and with rows @ w <= bounds; its own rows come first."""
    lower, upper = region.lower, region.upper
    if goal.hessian is None:
        clipped = np.clip(goal.target, lower, upper)
        if (rows @ clipped <= bounds).all():
            return clipped
    at_lower, at_upper = _held(lower, upper, rows, bounds, len(region.matrix))
    free = (upper > lower) & ~at_lower & ~at_upper
    weights = np.where(at_upper, upper, lower)
    if not free.any():
        return weights
    hessian, target = _reduced(goal, free, weights)
    left = bounds - rows[:, ~free] @ weights[~free]
    kept = (rows[:, free] != 0).any(axis=1)
    weights[free] = _least_distance(
        hessian, target, lower[free], upper[free], rows[kept][:, free], left[kept]
    )
    return weights


def _held(
    lower: np.ndarray, upper: np.ndarray, rows: np.ndarray, bounds: np.ndarray, groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the weights that must stay at a bound, since a limit is full at the least it can come to.

    Left in, such a limit makes the least-distance problem degenerate, and scipy's nnls fail. The first
    `groups` rows may have entries of either sign; of the facets of turnover those that count buying are seen.
    """
    up, down = np.maximum(rows, 0.0), np.minimum(rows, 0.0)
    seen = (rows >= 0).all(axis=1) | (np.arange(len(rows)) < groups)
    full = seen & (bounds - (up @ lower + down @ upper) <= FULL)
    return (rows[full] > 0).any(axis=0), (rows[full] < 0).any(axis=0)


def _reduced(goal: _Quadratic, free: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    if goal.hessian is None:
        return None, goal.target[free]
    fixed = ~free
    return (
        np.ascontiguousarray(goal.hessian[np.ix_(free, free)]),
        goal.target[free] - goal.hessian[np.ix_(free, fixed)] @ weights[fixed],
    )


def _least_distance(
    hessian: np.ndarray | None,
    target: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rows: np.ndarray,
    bounds: np.ndarray,
) -> np.ndarray:
    """Lawson and Hanson's LDP in the metric of the hessian, then the same point from its active set."""
    size = len(target)
    root = None if hessian is None else np.linalg.cholesky(hessian)
    centre = target if hessian is None else np.linalg.solve(hessian, target)
    sides = np.vstack([np.eye(size), -np.eye(size), -rows])
    gaps = np.concatenate([lower - centre, centre - upper, rows @ centre - bounds])
    turned = sides.T if root is None else solve_triangular(root, sides.T, lower=True)
    multipliers, residual = _nonnegative(np.vstack([turned, gaps]))
    step = -residual[:-1] / residual[-1]
    found = centre + (step if root is None else solve_triangular(root, step, lower=True, trans="T"))
    polished = _from_active(hessian, target, lower, upper, rows, bounds, multipliers > 0)
    return found if polished is None or np.abs(polished - found).max() > ACTIVE_MOVES else polished


def _nonnegative(system: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers u >= 0 that bring system @ u nearest to (0, ..., 0, 1), and the residual.

    scipy's nnls (1.17) stops early where columns nearly depend on each other, and may report a
    residual of 0 that is not one. So its answer is checked: no column may still pull. Where it fails,
    the same algorithm solves each of its least-squares problems anew.
    """
    last = np.zeros(len(system))
    last[-1] = 1.0
    lengths = np.maximum(np.linalg.norm(system, axis=0), SHORTEST)
    scaled = system / lengths
    best: tuple[np.ndarray, np.ndarray] | None = None
    for solve in (_by_scipy, _by_lawson_and_hanson):
        found = solve(scaled, last)
        residual = scaled @ found - last
        pull = -float((residual @ scaled).min())
        if residual[-1] < 0 and pull <= PULL:
            best = found / lengths, residual
            if pull <= -PULL * residual[-1]:  # what the point itself may miss a limit by
                return best
    if best is not None:
        return best
    raise NotSolved("least distance: no point found that obeys every limit")


def _by_scipy(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(nnls(matrix, right, maxiter=30 * matrix.shape[1])[0])
    except RuntimeError:
        return np.zeros(matrix.shape[1])


def _by_lawson_and_hanson(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Chapter 23 of their book, step by step; columns have unit length."""
    count = matrix.shape[1]
    found, inside = np.zeros(count), np.zeros(count, dtype=bool)
    for _ in range(30 * count):
        pull = np.where(inside, -np.inf, matrix.T @ (right - matrix @ found))
        entered = False
        while not entered and float(pull.max()) > PULL / 100:
            enters = int(pull.argmax())
            inside[enters] = True
            wanted = _unconstrained(matrix, right, inside)
            entered = bool(wanted[enters] > 0)
            if not entered:
                inside[enters], pull[enters] = False, -np.inf
        if not entered:
            return found
        while (wanted[inside] <= 0).any():
            leaving = inside & (wanted <= 0)
            ways = np.where(leaving, found / np.where(leaving, found - wanted, 1.0), np.inf)
            way = float(ways.min())
            found = found + way * (wanted - found)
            inside &= ways > way * (1 + NEAR_ZERO)
            found = np.where(inside, found, 0.0)
            wanted = _unconstrained(matrix, right, inside)
        found = wanted
    return found


def _unconstrained(matrix: np.ndarray, right: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Least squares over some of the columns, 0 for the others."""
    solution = np.zeros(matrix.shape[1])
    solution[inside] = np.linalg.lstsq(matrix[:, inside], right, rcond=None)[0]
    return solution


def _from_active(
    hessian: np.ndarray | None,
    target: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rows: np.ndarray,
    bounds: np.ndarray,
    active: np.ndarray,
) -> np.ndarray | None:
    """The point at which the active limits hold exactly; None where that point breaks another."""
    size = len(target)
    at_lower, at_upper, rows_active = active[:size], active[size : 2 * size], active[2 * size :]
    weights = np.where(at_lower, lower, upper)
    free = ~(at_lower | at_upper)
    if free.any():
        metric = np.eye(size) if hessian is None else hessian
        tight = rows[rows_active]
        count, held = int(free.sum()), ~free
        corner = np.zeros((len(tight), len(tight)))
        system = np.block([[metric[np.ix_(free, free)], tight[:, free].T], [tight[:, free], corner]])
        right = np.concatenate(
            [
                target[free] - metric[np.ix_(free, held)] @ weights[held],
                bounds[rows_active] - tight[:, held] @ weights[held],
            ]
        )
        try:
            weights[free] = np.linalg.solve(system, right)[:count]
        except np.linalg.LinAlgError:
            return None
    inside = (weights >= lower - TOLERANCE) & (weights <= upper + TOLERANCE)
    return weights if inside.all() and (rows @ weights <= bounds + TOLERANCE).all() else None


def _touched_up(weights: np.ndarray, region: Region) -> np.ndarray:
    """Rounding taken off: sizes are only ever lowered, then all is drawn towards the anchor if need be."""
    weights = np.clip(weights, region.lower, region.upper)
    least = np.clip(0.0, region.lower, region.upper)
    for row, limit in zip(region.matrix, region.limits, strict=True):
        excess, room = float(row @ weights) - limit, np.maximum(row * (weights - least), 0.0)
        if excess > 0 and room.sum() > 0:
            weights = weights - row * room * min(1.0, excess / float(room.sum()))
    if region.volatility is not None and volatility(weights, region.factor) > region.volatility:
        weights = _drawn(weights, region, region.volatility)
    if not np.isfinite(weights).all() or _excess(weights, region) > 1e-12:
        raise NotSolved(f"least distance: a limit is exceeded by {_excess(weights, region):.1e}")
    return weights


def _drawn(weights: np.ndarray, region: Region, limit: float) -> np.ndarray:
    """The last point on the way from the anchor at which the volatility is at most the limit."""
    start, way = region.factor @ region.anchor, region.factor @ (weights - region.anchor)
    square, middle, rest = float(way @ way), float(start @ way), float(start @ start) - limit * limit
    if square <= 0:
        return weights
    share = (-middle + np.sqrt(max(middle * middle - square * rest, 0.0))) / square
    return region.anchor + min(1.0, max(share, 0.0)) * (weights - region.anchor)


def _excess(weights: np.ndarray, region: Region) -> float:
    excesses = [
        float((region.lower - weights).max()),
        float((weights - region.upper).max()),
        float((region.matrix @ weights - region.limits).max()),
    ]
    if region.turnover is not None:
        excesses.append(turnover(weights, region.previous) - region.turnover)
    if region.volatility is not None:
        excesses.append(volatility(weights, region.factor) - region.volatility)
    return max(excesses)
