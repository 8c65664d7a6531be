"""Imputer and scaler in one, from the training rows alone: what is missing is usual."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
NO_DEVIATION = 1e-12


@dataclass(frozen=True)
class Standard:
    """Mean and deviation of each feature; a scale of 0 marks one that never moved, and then says nothing."""

    centre: Array
    scale: Array

    def column(self, features: Array, place: int) -> Array:
        """One feature in deviations from its mean; 0 where it is missing."""
        if not self.scale[place]:
            return np.zeros(len(features))
        return np.nan_to_num((features[:, place] - self.centre[place]) / self.scale[place], nan=0.0)

    def matrix(self, features: Array) -> Array:
        """All of them, rows by features."""
        moves = self.scale != 0
        said = np.nan_to_num((features - self.centre) / np.where(moves, self.scale, 1.0), nan=0.0)
        said[:, ~moves] = 0.0
        return said

    def parameters(self) -> dict[str, Any]:
        """What was fitted, ready for JSON."""
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist()}


def fit(features: Array) -> Standard:
    """The scaler of training rows by features, which must have one row at least."""
    is_there = np.isfinite(features)
    count = np.maximum(is_there.sum(axis=0), 1)
    centre = np.where(is_there, features, 0.0).sum(axis=0) / count
    distance = np.where(is_there, features - centre, 0.0)
    deviation = np.sqrt((distance**2).sum(axis=0) / count)
    return Standard(centre, np.where(deviation > NO_DEVIATION, deviation, 0.0))


def load(parameters: Mapping[str, Any]) -> Standard:
    """The scaler that parameters() told of."""
    return Standard(*(np.array(parameters[name], dtype=float) for name in ("centre", "scale")))


def shares(sizes: Array) -> Array:
    """Sizes, none negative, as shares of their sum; zeros where that is 0."""
    whole = float(np.sum(sizes))
    return sizes / whole if whole > 0 else np.zeros(len(sizes))
