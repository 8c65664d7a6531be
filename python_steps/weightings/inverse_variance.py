"""More to what moves less, whatever it earned: the least variance, were the strategies not correlated.

Markowitz (1952): w ∝ Σ⁻¹1, which is 1/variance where Σ is diagonal.
"""

import numpy as np

from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import normalise
from python_steps.weightings import Shown

Array = np.ndarray


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """Shares by one over the variance of net returns; zeros where nothing is adopted."""
    moves = adopted & (shown.variance > 0)
    return normalise(np.where(moves, 1 / np.where(moves, shown.variance, 1.0), 0.0))
