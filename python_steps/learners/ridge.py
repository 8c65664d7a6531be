"""Ridge regression on standardised features: the plainest thing that can learn."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Penalty per training row, in units of a standardised feature's variance.
ALPHA = 0.1
NO_DEVIATION = 1e-12


@dataclass(frozen=True)
class Fitted:
    """A scaler and a linear forecast, both from the training rows alone."""

    intercept: float
    coefficients: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Forecasts of rows by features, each row by itself.

        Summed feature by feature rather than as a matrix product, whose last bits change with the number
        of rows.
        """
        forecast = np.full(len(features), self.intercept)
        for column, coefficient in enumerate(self.coefficients):
            forecast += coefficient * ((features[:, column] - self.centre[column]) / self.scale[column])
        return forecast

    def parameters(self) -> dict[str, Any]:
        """Everything that was fitted, ready for JSON."""
        return {
            "alpha": ALPHA,
            "intercept": self.intercept,
            "coefficients": self.coefficients.tolist(),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
        }


def fit(features: np.ndarray, target: np.ndarray) -> Fitted:
    """Fit `target` (rows) on `features` (rows by features); a feature that never moves gets no weight."""
    centre, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > NO_DEVIATION, deviation, 1.0)
    standard = (features - centre) / scale
    penalty = ALPHA * len(features) * np.eye(features.shape[1])
    intercept = float(target.mean())
    coefficients = np.linalg.solve(standard.T @ standard + penalty, standard.T @ (target - intercept))
    return Fitted(intercept, coefficients, centre, scale)
