"""Logistic regression on whether the label is above zero: large moves count no more than small ones."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from python_steps.learners import _standard
from python_steps.learners._linear import Linear
from python_steps.learners._training import Training

# Penalty per training row on half the squared coefficients.
ALPHA = 0.1
TOLERANCE = 1e-10


class Fitted(Linear):
    """The linear sum is the logarithm of the odds."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """2 p - 1 of each row by itself, p the probability that its label is above zero."""
        return np.tanh(super().predict(features) / 2)


load = Fitted.load


def fit(training: Training) -> Fitted:
    """Fit the sign of the target on all features, by Newton's method; one sign alone teaches nothing."""
    (alpha,) = training.settings(alpha=ALPHA)
    standard = _standard.fit(training.features)
    is_up = training.target > 0
    if is_up.all() or not is_up.any():
        return Fitted(0.0, np.zeros(len(training.names)), standard, {"alpha": alpha})
    odds = LogisticRegression(C=1 / (alpha * len(is_up)), solver="newton-cholesky", tol=TOLERANCE)
    odds.fit(standard.matrix(training.features), is_up)
    return Fitted(float(odds.intercept_[0]), np.array(odds.coef_[0]), standard, {"alpha": alpha})
