"""Ridge regression on standardised features: the plainest thing that can learn."""

import numpy as np

from python_steps.learners import _standard
from python_steps.learners._linear import Linear
from python_steps.learners._training import Training

# Penalty per training row, in units of a standardised feature's variance.
ALPHA = 0.1

load = Linear.load


def fit(training: Training) -> Linear:
    """Fit the target on all features; a feature that never moves gets no weight.

    Source: Hoerl and Kennard 1970, Technometrics 12.
    """
    (alpha,) = training.settings(alpha=ALPHA)
    standard = _standard.fit(training.features)
    features = standard.matrix(training.features)
    penalty = alpha * len(features) * np.eye(features.shape[1])
    intercept = float(training.target.mean())
    product = features.T @ (training.target - intercept)
    coefficients = np.linalg.solve(features.T @ features + penalty, product)
    return Linear(intercept, coefficients, standard, {"alpha": alpha})
