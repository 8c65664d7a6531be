"""How far the returns of a series depend on those before, and how many independent ones they are worth."""

import math
from typing import NamedTuple

import numpy as np

Array = np.ndarray

SHORTEST_RECORD = 30


class Memory(NamedTuple):
    """Sums of products at lags 0, 1, ..., the lags that count, and the weight of each of these."""

    covariances: Array
    lags: Array
    taper: Array

    @property
    def spread(self) -> float:
        """Periods times the long-run variance; that of independent returns is the first of `covariances`."""
        return float(self.covariances[0] + 2 * float(np.sum(self.taper * self.covariances[self.lags])))


def memory(centred: Array) -> Memory:
    """Autocovariances of a series with mean 0, under the flat-top window of Politis and Romano (1995).

    It reaches twice as far as the last lag that stands out, as in Politis and White (2004).
    """
    periods = len(centred)
    beyond = max(5, math.ceil(math.sqrt(math.log10(periods))))
    furthest = math.ceil(math.sqrt(periods)) + beyond
    covariances = np.array([float(centred[k:] @ centred[: periods - k]) for k in range(furthest + 1)])
    is_small = np.abs(covariances / covariances[0]) < 2 * math.sqrt(math.log10(periods) / periods)
    quiet = np.lib.stride_tricks.sliding_window_view(is_small[1:], beyond).all(axis=1)
    last = int(np.argmax(quiet)) if quiet.any() else int(np.flatnonzero(~is_small[1:])[-1]) + 1
    lags = np.arange(1, min(2 * max(last, 1), furthest) + 1)
    return Memory(covariances, lags, np.minimum(1.0, 2 * (1 - lags / lags[-1])))


def effective_observations(returns: Array) -> float:
    """How many independent returns tell as much of the mean: T times variance over long-run variance.

    Profits of trades that overlap share what moved them, and a Sharpe that counts each as a fact of its own
    is too sure of itself (Lo 2002). Returns that undo each other count as independent: what the estimate
    would add is no evidence. Below thirty returns it cannot be estimated, and all count.
    """
    periods = len(returns)
    centred = returns - np.mean(returns) if periods else returns
    variance = float(centred @ centred)
    if periods < SHORTEST_RECORD or variance == 0:
        return float(periods)
    return periods * min(1.0, variance / max(memory(centred).spread, variance))
