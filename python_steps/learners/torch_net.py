"""A small net with one hidden layer: what signals say together and not one by one. Its extra is `torch`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from python_steps.learners import _standard
from python_steps.learners._standard import Standard, shares
from python_steps.learners._training import Training

Array = np.ndarray
EXTRA = ("torch",)

UNITS = 8
STEPS, RATE = 150, 0.02  # of Adam, on all rows at once
DECAY = 0.01  # of weights per step, in units of the rate


@dataclass(frozen=True)
class Net:
    """Hidden units max(0, x · `hidden` + `lift`), features by units, summed by `out` on top of `base`."""

    hidden: Array
    lift: Array
    out: Array
    base: float
    standard: Standard
    told: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, features: Array) -> Array:
        """Forecasts of rows by features, each row by itself: summed one by one, without torch."""
        columns = [self.standard.column(features, place) for place in range(len(self.hidden))]
        forecast = np.full(len(features), self.base)
        for unit, out in enumerate(self.out):
            inside = np.full(len(features), self.lift[unit])
            for column, weight in zip(columns, self.hidden[:, unit], strict=True):
                inside += weight * column
            forecast += out * np.maximum(inside, 0.0)
        return forecast

    def parameters(self) -> dict[str, Any]:
        """Everything that was fitted, ready for JSON."""
        arrays = {name: getattr(self, name).tolist() for name in ("hidden", "lift", "out")}
        return {**self.told, **arrays, "base": self.base, **self.standard.parameters()}

    def importances(self) -> Array:
        """Shares of the features in the absolute weights on all ways through the net."""
        return shares(np.abs(self.hidden * self.out).sum(axis=1))

    @classmethod
    def load(cls, parameters: Mapping[str, Any]) -> Self:
        """What parameters() told of."""
        own = {"hidden", "lift", "out", "base", "centre", "scale"}
        told = {name: value for name, value in parameters.items() if name not in own}
        lift, out = (np.array(parameters[name], dtype=float) for name in ("lift", "out"))
        hidden = np.array(parameters["hidden"], dtype=float).reshape(-1, len(out))
        return cls(hidden, lift, out, float(parameters["base"]), _standard.load(parameters), told)


load = Net.load


def fit(training: Training) -> Net:
    """Fit the target on all features by Adam, on one thread, from weights drawn by the training's seed.

    Sources: Kingma and Ba 2015, ICLR; Loshchilov and Hutter 2019, ICLR, as in PyTorch.
    """
    units, steps, decay = training.settings(units=UNITS, steps=STEPS, decay=DECAY)
    standard, chance = _standard.fit(training.features), training.chance
    features = standard.matrix(training.features)
    count = max(1, int((standard.scale > 0).sum()))
    hidden = chance.normal(0.0, np.sqrt(2 / count), (features.shape[1], units))
    out = chance.normal(0.0, np.sqrt(1 / units), units)
    start = [hidden * (standard.scale > 0)[:, None], np.zeros(units), out, np.array(training.target.mean())]
    hidden, lift, out, base = _descend(start, features, training.target, steps, decay)
    return Net(hidden, lift, out, float(base), standard, {"steps": steps, "decay": decay})


def _descend(start: list[Array], features: Array, target: Array, steps: int, decay: float) -> list[Array]:
    """Weights after so many steps against the mean squared error."""
    import torch  # an extra; nothing else here needs it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x, y = torch.from_numpy(features), torch.from_numpy(target)
        weights = [torch.from_numpy(part.copy()).requires_grad_() for part in start]
        adam = torch.optim.AdamW(weights, lr=RATE, weight_decay=decay, foreach=False)
        for _ in range(steps):
            hidden, lift, out, base = weights
            adam.zero_grad()
            ((torch.relu(x @ hidden + lift) @ out + base - y) ** 2).mean().backward()
            adam.step()
        return [part.detach().numpy().copy() for part in weights]
    finally:
        torch.set_num_threads(threads)
