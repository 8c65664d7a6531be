"""Long-only weights whose shares of the risk are given, by cyclical coordinate descent.

Source: Griveau-Billion, Richard and Roncalli 2013, A fast algorithm for computing high-dimensional risk
parity portfolios. The weights are those that minimise half of y'Sy - sum of b ln y, scaled to sum to 1 (Spinu
2013): each step sets one y to the positive root of its own quadratic, and volatility takes no part in it.
Where assets hedge each other almost wholly, the descent creeps, and Newton's steps finish the same problem.
"""

import numpy as np

CLOSE = 1e-10  # how far a share of the risk may lie from its budget
ENOUGH = 1e-8  # and where rounding lets it come no closer
SWEEPS = 200
STEPS = 100
SHORTEST = 1e-12


def budget_weights(covariance: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Weights above 0 that sum to 1, whose shares of the variance are the budgets to ENOUGH.

    Takes an N x N positive definite covariance and N budgets above 0 that sum to 1. Raises RuntimeError when
    the shares are not met.
    """
    deviation = np.sqrt(np.diag(covariance))
    rows = covariance / np.outer(deviation, deviation)  # the same problem in units of each asset's deviation
    scaled = _descended(rows, budgets)
    if _gap(rows, scaled, budgets) > CLOSE:
        scaled = _finished(rows, scaled, budgets)
    if not _gap(rows, scaled, budgets) <= ENOUGH:
        raise RuntimeError(f"risk budgets: shares are off by {_gap(rows, scaled, budgets):.1e}")
    weights = scaled / deviation
    return np.asarray(weights / weights.sum())


def _descended(rows: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    scaled = np.sqrt(budgets)
    wanted = budgets.tolist()
    for _ in range(SWEEPS):
        pull = rows @ scaled  # anew, so that rounding does not gather from sweep to sweep
        for at, budget in enumerate(wanted):
            others = pull[at] - scaled[at]  # correlation with all else; its own is 1
            root = (-others + np.sqrt(others * others + 4.0 * budget)) / 2.0
            pull = pull + rows[at] * (root - scaled[at])
            scaled[at] = root
        if _gap(rows, scaled, budgets) <= CLOSE:
            break
    return scaled


def _finished(rows: np.ndarray, scaled: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Newton's steps, each as long as still lowers the function."""
    for _ in range(STEPS):
        slope = rows @ scaled - budgets / scaled
        step = np.linalg.solve(rows + np.diag(budgets / scaled**2), slope)
        length = 1.0
        while length > SHORTEST and not _falls(rows, scaled, scaled - length * step, budgets):
            length /= 2.0
        if length <= SHORTEST or _gap(rows, scaled, budgets) <= CLOSE:
            break
        scaled = scaled - length * step
    return scaled


def _falls(rows: np.ndarray, before: np.ndarray, after: np.ndarray, budgets: np.ndarray) -> bool:
    if not (after > 0).all():
        return False
    change = after - before
    return bool(change @ rows @ (after + before) / 2.0 <= budgets @ np.log(after / before))


def _gap(rows: np.ndarray, scaled: np.ndarray, budgets: np.ndarray) -> float:
    risk = scaled * (rows @ scaled)
    return float(np.abs(risk / risk.sum() - budgets).max())
