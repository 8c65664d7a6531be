"""Random forest: many shallow trees on resampled rows, and their mean."""

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from python_steps.learners import _standard
from python_steps.learners._training import Training
from python_steps.learners._trees import LEAF, Tree, Trees, rounded

TREES, DEPTH, LEAF_ROWS = 60, 4, 50
FEATURES = 1 / 3  # share of the features that a split chooses from

load = Trees.load


def fit(training: Training) -> Trees:
    """Fit the target on all features, on one thread.

    Source: Breiman 2001, Machine Learning 45, as in scikit-learn.
    """
    trees, depth, leaf_rows = training.settings(trees=TREES, depth=DEPTH, leaf_rows=LEAF_ROWS)
    standard = _standard.fit(training.features)
    forest = RandomForestRegressor(
        n_estimators=trees,
        max_depth=depth,
        min_samples_leaf=leaf_rows,
        max_features=FEATURES,
        random_state=int(training.chance.integers(2**31)),
        n_jobs=1,
    )
    forest.fit(rounded(standard, training.features), training.target)
    told = {"depth": depth, "leaf_rows": leaf_rows}
    return Trees(0.0, 1 / trees, [_tree(one) for one in forest.estimators_], standard, told)


def _tree(fitted: DecisionTreeRegressor) -> Tree:
    """The nodes of a tree, and how much squared error each split took away."""
    tree = fitted.tree_
    is_leaf = tree.children_left == LEAF
    lost = tree.weighted_n_node_samples * tree.impurity
    below = np.where(is_leaf, 0.0, lost[tree.children_left] + lost[tree.children_right])
    return Tree(
        feature=np.where(is_leaf, LEAF, tree.feature),
        threshold=np.where(is_leaf, 0.0, tree.threshold),
        left=np.where(is_leaf, LEAF, tree.children_left),
        right=np.where(is_leaf, LEAF, tree.children_right),
        value=tree.value[:, 0, 0].copy(),
        gain=np.where(is_leaf, 0.0, lost - below),
    )
