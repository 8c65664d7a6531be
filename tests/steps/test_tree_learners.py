"""Trees written out as numbers say what scikit-learn's own say."""

import json

import numpy as np
import pytest
from sklearn import ensemble

from python_steps.learners import histogram_gradient_boosting, random_forest
from python_steps.learners._trees import LEAF, Tree, rounded
from tests.promises.test_learners import make_features, make_training

LEARNERS = {
    "RandomForestRegressor": random_forest,
    "HistGradientBoostingRegressor": histogram_gradient_boosting,
}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_written_out_trees_forecast_as_those_of_scikit_learn(name, seed, monkeypatch):
    grown = []

    class Kept(getattr(ensemble, name)):
        def fit(self, *data):
            grown.append(self)
            return super().fit(*data)

    monkeypatch.setattr(LEARNERS[name], name, Kept)
    features = make_features(seed, 3000, 6)
    target = np.nan_to_num(features[:, 0] * features[:, 1]) + np.random.default_rng(seed).normal(size=3000)
    fitted = LEARNERS[name].fit(make_training(features[:2000], target[:2000]))
    loaded = LEARNERS[name].load(json.loads(json.dumps(fitted.parameters())))
    expected = grown[0].predict(rounded(fitted.standard, features))
    assert np.ptp(expected) > 0.05
    assert loaded.predict(features) == pytest.approx(expected, abs=1e-12)
    if name == "RandomForestRegressor":  # the other has no importances of its own
        per_tree = [tree.feature_importances_ for tree in grown[0].estimators_]
        weights = [np.sum(tree.gain) for tree in fitted.trees]
        assert fitted.importances() == pytest.approx(np.average(per_tree, axis=0, weights=weights))


def test_a_tree_is_read_from_the_root_and_what_is_at_the_threshold_goes_left():
    """x0 <= 1 says 10; else x1 <= 2 says 20, and all else 30."""
    tree = Tree(
        feature=np.array([0, LEAF, 1, LEAF, LEAF]),
        threshold=np.array([1.0, 0, 2.0, 0, 0]),
        left=np.array([1, LEAF, 3, LEAF, LEAF]),
        right=np.array([2, LEAF, 4, LEAF, LEAF]),
        value=np.array([0.0, 10, 0, 20, 30]),
        gain=np.array([4.0, 0, 1, 0, 0]),
    )
    rows = np.array([[1.0, 5], [1.1, 2], [1.1, 2.1], [-3, -3]])
    assert tree.predict(rows).tolist() == [10, 20, 30, 10]
