"""Long-only weights whose shares of the risk are given, by cyclical coordinate descent.

Source: Griveau-Billion, Richard and Roncalli 2013, A fast algorithm for computing high-dimensional risk
parity portfolios. The weights are those that minimise half of y'Sy - sum of b ln y, scaled to sum to 1 (Spinu
2013): each step sets one y to the positive root of its own quadratic, and volatility takes no part in it.
"""

import numpy as np

CLOSE = 1e-10  # how far a share of the risk may lie from its budget
SWEEPS = 5_000


def budget_weights(covariance: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Weights above 0 that sum to 1, whose shares of the variance are the budgets to CLOSE.

    Takes an N x N positive definite covariance and N budgets above 0 that sum to 1. Raises RuntimeError when
    the shares are not met after SWEEPS sweeps.
    """
    deviation = np.sqrt(np.diag(covariance))
    rows = covariance / np.outer(deviation, deviation)  # the same problem in units of each asset's deviation
    scaled = np.sqrt(budgets)
    pull, wanted = rows @ scaled, budgets.tolist()
    for _ in range(SWEEPS):
        for at, budget in enumerate(wanted):
            others = pull[at] - scaled[at]  # correlation with all else; its own is 1
            root = (-others + np.sqrt(others * others + 4.0 * budget)) / 2.0
            pull = pull + rows[at] * (root - scaled[at])
            scaled[at] = root
        pull = rows @ scaled  # rounding does not gather from sweep to sweep
        if _gap(scaled, pull, budgets) <= CLOSE:
            weights = scaled / deviation
            return np.asarray(weights / weights.sum())
    raise RuntimeError(
        f"risk budgets: shares are off by {_gap(scaled, pull, budgets):.1e} after {SWEEPS} sweeps"
    )


def _gap(scaled: np.ndarray, pull: np.ndarray, budgets: np.ndarray) -> float:
    risk = scaled * pull
    return float(np.abs(risk / risk.sum() - budgets).max())
