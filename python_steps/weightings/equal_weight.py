"""The same for every adopted strategy: none of 14 rules beat it on seven data sets (DeMiguel et al. 2009)."""

import numpy as np

from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import normalise
from python_steps.weightings import Shown

Array = np.ndarray


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """1/K over the adopted strategies of each asset; zeros where there are none."""
    return normalise(adopted.astype(float))
