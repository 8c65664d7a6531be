"""Returns to factors: what a unit of each signal earned across assets, decision by decision, on average."""

import numpy as np

from python_steps.learners import _standard
from python_steps.learners._linear import Linear
from python_steps.learners._training import Training

Array = np.ndarray

# Penalty per asset on the slopes of one decision, whose assets may be fewer than the features.
ALPHA = 0.1
OVERLAP = 5  # decisions that a label reaches over, so that their slopes are alike

load = Linear.load


def fit(training: Training) -> Linear:
    """Regress the target across assets at each decision, and average the slopes over decisions.

    A mean f with standard error s is shrunk to f · max(0, 1 - (s/f)²), which is 0 where |t| is 1 or less. The
    errors allow for labels that overlap. The intercepts, what all assets did together, are averaged alike.
    Sources: Fama and MacBeth 1973, J. Political Economy 81; Newey and West 1987, Econometrica 55.
    """
    (alpha,) = training.settings(alpha=ALPHA)
    standard = _standard.fit(training.features)
    slopes = _slopes(standard.matrix(training.features), training.target, training.decision, alpha)
    mean = slopes.mean(axis=0)
    error = _errors(slopes - mean)
    size = np.where(mean != 0, np.abs(mean), 1.0)
    shrunk = np.where(mean != 0, mean * np.maximum(0.0, 1 - (error / size) ** 2), 0.0)
    told = {"alpha": alpha, "factor_returns": mean.tolist(), "standard_errors": error.tolist()}
    return Linear(float(shrunk[0]), shrunk[1:], standard, told)


def _slopes(features: Array, target: Array, decision: Array, alpha: float) -> Array:
    """Intercept and slopes of each decision, decisions by 1 + features."""
    found = []
    for instant in np.unique(decision):
        rows = decision == instant
        mine = np.column_stack([np.ones(rows.sum()), features[rows]])
        penalty = alpha * len(mine) * np.eye(mine.shape[1])
        penalty[0, 0] = 0.0
        found.append(np.linalg.solve(mine.T @ mine + penalty, mine.T @ target[rows]))
    return np.array(found)


def _errors(distance: Array) -> Array:
    """Newey-West standard errors of means, from distances to them, over the decisions that labels overlap."""
    count = len(distance)
    variance = (distance**2).sum(axis=0)
    for lag in range(1, min(OVERLAP, count)):
        weight = 2 * (1 - lag / OVERLAP)
        variance += weight * (distance[lag:] * distance[:-lag]).sum(axis=0)
    return np.sqrt(np.maximum(variance, 0.0)) / count
