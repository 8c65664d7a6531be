"""Softmax of Sharpes that are first drawn towards their mean, as far as errors explain their spread.

James and Stein (1961), towards the mean as in Efron and Morris (1973), positive part:
θ_k = m + (1 - B)(SR_k - m), B = min(1, c · mean(se²) / Σ(SR_k - m)²). With c = K - 3 this has less expected
squared error than the Sharpes themselves for any truth, from K = 4 on. Two or three have no such promise, and
are drawn with c = 1.
"""

import numpy as np

from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import softmax, total
from python_steps.weightings import Shown

Array = np.ndarray


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """Softmax with the policy's beta over the shrunk Sharpes; zeros where nothing is adopted."""
    return softmax(shrunk(shown.sharpe, shown.error, adopted), adopted, knobs.beta)


def shrunk(values: Array, errors: Array, adopted: Array) -> Array:
    """Values (assets by strategies) of the adopted, shrunk towards their mean; zeros elsewhere."""
    count = np.maximum(total(adopted.astype(float)), 1)
    mean = total(np.where(adopted, values, 0.0)) / count
    away = np.where(adopted, values - mean, 0.0)
    explained = np.maximum(count - 3, 1) * total(np.where(adopted, errors, 0.0) ** 2) / count
    spread = total(away**2)
    kept = 1 - np.where(spread > explained, explained / np.where(spread > explained, spread, 1.0), 1.0)
    return np.where(adopted, mean + kept * away, 0.0)
