"""Risk of the assets at one decision: overlapping returns, one estimator a file, and a repair.

Returns overlap over three decisions, because closes of coins, stocks and currencies are not
simultaneous and one-decision correlations between them are too low (formulas.md, section 2).
"""

from collections.abc import Callable

import numpy as np

DAYS = 3
WINDOW = 252
MINIMUM = 126
FLOOR = 1e-8  # smallest eigenvalue, as a share of the mean variance
SMALLEST = 1e-14  # and in any case

Estimator = Callable[[np.ndarray], np.ndarray]


def overlapping_returns(returns: np.ndarray, days: int = DAYS) -> np.ndarray:
    """Compounded returns over `days` rows, one for each row that has so many before it.

    Takes T x N simple returns per decision; gives (T - days + 1) x N simple returns per `days`
    decisions. Raises ValueError when there are fewer than `days` rows.
    """
    if len(returns) < days:
        raise ValueError(f"overlapping_returns: {len(returns)} rows, at least {days} are needed")
    kept, steps = len(returns) - days + 1, 1.0 + returns
    growth = steps[:kept]
    for lag in range(1, days):
        growth = growth * steps[lag : lag + kept]
    return np.asarray(growth - 1.0)


def known_runs(returns: np.ndarray) -> np.ndarray:
    """How many returns in a row, the last one included, each column has (T x N, NaN where unknown)."""
    if np.isfinite(returns).all():
        return np.full(returns.shape[1], len(returns), dtype=np.int64)
    unknown = ~np.isfinite(returns[::-1])
    return np.where(unknown.any(axis=0), unknown.argmax(axis=0), len(returns)).astype(np.int64)


def covariance(returns: np.ndarray, estimate: Estimator) -> tuple[np.ndarray, np.ndarray]:
    """Covariance PER DECISION of the assets with enough history, and which those are.

    Takes the last simple returns per decision (T x N, NaN where unknown; at most WINDOW rows are
    used). An asset without MINIMUM known returns in a row has no covariance and is not allocated;
    the others are estimated over the decisions that all of them have. Gives (mask of N, K x K); the
    matrix is repaired, or not finite when the estimator failed to give a finite one.
    """
    returns = returns[-WINDOW:]
    runs = known_runs(returns)
    enough = runs >= MINIMUM
    if not enough.any():
        return enough, np.empty((0, 0))
    common = np.ascontiguousarray(returns[len(returns) - int(runs[enough].min()) :, enough])
    return enough, repaired(np.asarray(estimate(overlapping_returns(common)), dtype=float) / DAYS)


def repaired(matrix: np.ndarray) -> np.ndarray:
    """The symmetric matrix, its diagonal raised until no eigenvalue is below the floor.

    Pegs (no variance) and twins (one eigenvalue near 0) can then be inverted. A matrix that is not
    finite comes back as it is.
    """
    if not np.isfinite(matrix).all():
        return matrix
    matrix = (matrix + matrix.T) / 2
    floor = max(FLOOR * float(np.trace(matrix)) / len(matrix), SMALLEST)
    if _is_above(matrix, floor):
        return matrix
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    return matrix if lowest >= floor else matrix + (floor - lowest) * np.eye(len(matrix))


def _is_above(matrix: np.ndarray, floor: float) -> bool:
    """Whether every eigenvalue is above the floor: a root is a tenth of the work that eigenvalues are."""
    try:
        np.linalg.cholesky(matrix - floor * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True


def correlation(matrix: np.ndarray) -> np.ndarray:
    """Correlations of a covariance with a positive diagonal, inside [-1, +1] and 1 on the diagonal."""
    deviation = np.sqrt(np.diag(matrix))
    result = np.clip(matrix / np.outer(deviation, deviation), -1.0, 1.0)
    np.fill_diagonal(result, 1.0)
    return result
