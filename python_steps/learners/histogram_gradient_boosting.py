"""Gradient boosting on binned features: shallow trees, each on what those before it left."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from python_steps.learners import _standard
from python_steps.learners._training import Training
from python_steps.learners._trees import LEAF, Tree, Trees, rounded

TREES, DEPTH, LEAF_ROWS = 60, 3, 50
RATE = 0.05
PENALTY = 1.0  # on squared values of leaves
BINS = 63

load = Trees.load


def fit(training: Training) -> Trees:
    """Fit the target on all features, on one thread.

    Sources: Friedman 2001, Annals of Statistics 29; Ke et al. 2017 (LightGBM), as in scikit-learn.
    """
    trees, depth, rate = training.settings(trees=TREES, depth=DEPTH, rate=RATE)
    standard = _standard.fit(training.features)
    boosting = HistGradientBoostingRegressor(
        max_iter=trees,
        max_depth=depth,
        learning_rate=rate,
        min_samples_leaf=LEAF_ROWS,
        l2_regularization=PENALTY,
        max_bins=BINS,
        early_stopping=False,
        random_state=int(training.chance.integers(2**31)),
    )
    with threadpool_limits(limits=1):
        boosting.fit(rounded(standard, training.features), training.target)
    grown = [_tree(stage[0].nodes) for stage in boosting._predictors]
    base = float(np.ravel(boosting._baseline_prediction)[0])
    return Trees(base, 1.0, grown, standard, {"depth": depth, "rate": rate})


def _tree(nodes: Any) -> Tree:
    """The nodes of a tree; scikit-learn keeps them in an array of records."""
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=np.where(is_leaf, LEAF, nodes["feature_idx"]).astype(int),
        threshold=np.where(is_leaf, 0.0, nodes["num_threshold"]),
        left=np.where(is_leaf, LEAF, nodes["left"].astype(int)),
        right=np.where(is_leaf, LEAF, nodes["right"].astype(int)),
        value=nodes["value"].astype(float),
        gain=np.where(is_leaf, 0.0, nodes["gain"]),
    )
