"""Elastic net: a linear forecast that drops the features which say too little."""

import numpy as np
from sklearn.linear_model import ElasticNet

from python_steps.learners import _standard
from python_steps.learners._linear import Linear
from python_steps.learners._training import Training

ALPHA = 0.02  # penalty, in units of the correlation of a feature with a target of deviation one
L1_RATIO = 0.5  # of it, on absolute coefficients; the rest on their squares
TOLERANCE, ROUNDS = 1e-8, 100_000

load = Linear.load


def fit(training: Training) -> Linear:
    """Fit the target on all features, by coordinate descent.

    Source: Zou and Hastie 2005, J. Royal Statistical Society B 67, as in scikit-learn.
    """
    alpha, l1_ratio = training.settings(alpha=ALPHA, l1_ratio=L1_RATIO)
    standard = _standard.fit(training.features)
    intercept = float(training.target.mean())
    net = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False, tol=TOLERANCE, max_iter=ROUNDS)
    net.fit(np.asfortranarray(standard.matrix(training.features)), training.target - intercept)
    return Linear(intercept, np.array(net.coef_), standard, {"alpha": alpha, "l1_ratio": l1_ratio})
