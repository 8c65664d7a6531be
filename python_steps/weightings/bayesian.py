"""Probability that a strategy has an edge at all, from a prior that it has none.

The prior of an annual Sharpe is N(0, τ²), as rule 3 shrinks by; what was measured is N(SR, se²). The
posterior mean is κ SR and its variance κ se², with κ = τ² / (τ² + se²), so P(SR > 0) = Φ(√κ SR / se). A
short record therefore counts little, and no record's luck takes all: of two sure things each has half.
"""

import numpy as np
from scipy.special import ndtr

from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import normalise
from python_steps.weightings import Shown

Array = np.ndarray

PRIOR_DEVIATION = 0.5  # of annual Sharpes, as in rule 3


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """Shares by the posterior probability of a Sharpe above zero; zeros where nothing is adopted."""
    return normalise(np.where(adopted, has_edge(shown, adopted), 0.0))


def has_edge(shown: Shown, adopted: Array) -> Array:
    """Posterior probability that the Sharpe of each adopted strategy is above zero."""
    sharpe, error = np.where(adopted, shown.sharpe, 0.0), np.where(adopted, shown.error, 1.0)
    kept = PRIOR_DEVIATION**2 / (PRIOR_DEVIATION**2 + error**2)
    return np.asarray(ndtr(np.sqrt(kept) * sharpe / error))
