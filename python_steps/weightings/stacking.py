"""Shares that would have gained most steadily in the spans known by now, held near equal by a ridge.

Least squares of a constant on what strategies gained in each span: without bounds this is the portfolio of
the greatest Sharpe (Britten-Jones 1999). As in stacking (Breiman 1996) the weights are not negative; here
they sum to one, and a ridge towards 1/K counts as RIDGE spans. On the simplex this is the point of a hull
nearest to zero, which non-negative least squares find exactly (Lawson and Hanson 1974).
"""

import numpy as np
from scipy.optimize import nnls

from python_steps.policy import StrategyWeights
from python_steps.weightings import Shown
from python_steps.weightings._gains import gains

Array = np.ndarray

MOST = 3.0  # standard errors that a span can gain or lose
WANTED = 1.0  # standard errors to be gained in each span
RIDGE = 60.0


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """Shares of the adopted strategies of each asset; zeros where there are none."""
    gained, _ = gains(shown.spans, adopted, MOST)
    shares = np.zeros(adopted.shape)
    for place in zip(*np.nonzero(adopted.any(axis=-1)), strict=True):
        mine = adopted[place]
        is_round = np.isfinite(shown.spans[place][mine]).any(axis=0)
        shares[place][mine] = stacked(gained[place][mine][:, is_round].T)
    return shares


def stacked(gained: Array) -> Array:
    """The simplex weights w that make Σ (1 - gained w)² + RIDGE |w - 1/K|² least; `gained` is spans by K."""
    strategies = gained.shape[1]
    if strategies == 1:
        return np.ones(1)
    # With Σw = 1, 1 - gained w is (1 - gained) w, and w - 1/K is (I - 1/K) w.
    ridge = np.sqrt(RIDGE) * (np.eye(strategies) - 1 / strategies)
    misses = np.concatenate([WANTED - gained, ridge, np.ones((1, strategies))])
    found, _ = nnls(misses, np.append(np.zeros(len(misses) - 1), 1.0))
    return np.asarray(found / found.sum())
