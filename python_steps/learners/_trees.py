"""A forecast that is a sum over decision trees, written out as arrays of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from python_steps.learners import _standard
from python_steps.learners._standard import Standard, shares

Array = np.ndarray
LEAF = -1


class Tree(NamedTuple):
    """Nodes by number, the root first. A row goes left where its `feature` is at most `threshold`; a node
    whose feature is LEAF says its `value`. `gain` is what a split took off the error of the training rows.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    value: Array
    gain: Array

    def predict(self, features: Array) -> Array:
        """Value of the leaf that each row ends in."""
        node = np.zeros(len(features), dtype=int)
        rows = np.arange(len(features))
        while len(rows):
            here = node[rows]
            rows, here = rows[self.feature[here] != LEAF], here[self.feature[here] != LEAF]
            is_left = features[rows, self.feature[here]] <= self.threshold[here]
            node[rows] = np.where(is_left, self.left[here], self.right[here])
        return self.value[node]


def rounded(standard: Standard, features: Array) -> Array:
    """Standardised features in single precision, to which scikit-learn's forests round them."""
    return standard.matrix(features).astype(np.float32).astype(float)


@dataclass(frozen=True)
class Trees:
    """`base` plus `weight` times the sum over trees, the scaler, and what else there is to say (`told`)."""

    base: float
    weight: float
    trees: Sequence[Tree]
    standard: Standard
    told: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, features: Array) -> Array:
        """Forecasts of rows by features, each row by itself."""
        standard, said = rounded(self.standard, features), np.zeros(len(features))
        for tree in self.trees:
            said += tree.predict(standard)
        return self.base + self.weight * said

    def parameters(self) -> dict[str, Any]:
        """Everything that was fitted, ready for JSON."""
        trees = [{name: part.tolist() for name, part in tree._asdict().items()} for tree in self.trees]
        own = {"base": self.base, "weight": self.weight, "trees": trees}
        return {**self.told, **own, **self.standard.parameters()}

    def importances(self) -> Array:
        """Shares of the features in the gains of all splits."""
        gains = np.zeros(len(self.standard.centre))
        for tree in self.trees:
            is_split = tree.feature != LEAF
            np.add.at(gains, tree.feature[is_split], tree.gain[is_split])
        return shares(np.maximum(gains, 0.0))

    @classmethod
    def load(cls, parameters: Mapping[str, Any]) -> Self:
        """What parameters() told of."""
        own = {"base", "weight", "trees", "centre", "scale"}
        told = {name: value for name, value in parameters.items() if name not in own}
        kinds = (int, float, int, int, float, float)
        trees = [
            Tree(*(np.array(tree[name], dtype=kind) for name, kind in zip(Tree._fields, kinds, strict=True)))
            for tree in parameters["trees"]
        ]
        base, weight = float(parameters["base"]), float(parameters["weight"])
        return cls(base, weight, trees, _standard.load(parameters), told)
