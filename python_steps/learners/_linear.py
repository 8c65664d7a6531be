"""A forecast that is a weighted sum of standardised features."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from python_steps.learners import _standard
from python_steps.learners._standard import Standard, shares

Array = np.ndarray


@dataclass(frozen=True)
class Linear:
    """Intercept, coefficients per deviation, the scaler, and what else a learner has to say (`told`)."""

    intercept: float
    coefficients: Array
    standard: Standard
    told: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, features: Array) -> Array:
        """Forecasts of rows by features, each row by itself.

        Summed feature by feature rather than as a matrix product, whose last bits change with the number
        of rows.
        """
        forecast = np.full(len(features), self.intercept)
        for place, coefficient in enumerate(self.coefficients):
            forecast += coefficient * self.standard.column(features, place)
        return forecast

    def parameters(self) -> dict[str, Any]:
        """Everything that was fitted, ready for JSON."""
        fitted = {"intercept": self.intercept, "coefficients": self.coefficients.tolist()}
        return {**self.told, **fitted, **self.standard.parameters()}

    def importances(self) -> Array:
        """Shares of the features in the sum of absolute coefficients."""
        return shares(np.abs(self.coefficients))

    @classmethod
    def load(cls, parameters: Mapping[str, Any]) -> Self:
        """What parameters() told of."""
        own = {"intercept", "coefficients", "centre", "scale"}
        told = {name: value for name, value in parameters.items() if name not in own}
        coefficients = np.array(parameters["coefficients"], dtype=float)
        return cls(float(parameters["intercept"]), coefficients, _standard.load(parameters), told)
