"""exp(beta score) over the adopted: rule 4 of the specification."""

import numpy as np

from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import softmax
from python_steps.weightings import Shown

Array = np.ndarray


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """Shares that sum to one over the adopted strategies of each asset; zeros where there are none."""
    return softmax(shown.score, adopted, knobs.beta)
