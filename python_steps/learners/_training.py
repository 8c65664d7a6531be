"""What a learner learns from: the rows of one train span, and who may see which of them when."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from python_steps.belief_replicates import name_key

Array = np.ndarray


@dataclass(frozen=True)
class Training:
    """Rows of a window, one an asset and decision, in order of decision and then symbol.

    `features` are rows by signals (`names`), in [-1, +1], NaN where a signal had none; `target` is the label
    in units of its usual size. `decision` numbers the decisions in order of time, `symbol` the assets, and
    `known` is the first decision at which the row's label was known. `parameters` are the strategy's.
    """

    names: tuple[str, ...]
    features: Array
    target: Array
    decision: Array
    known: Array
    symbol: Array
    seed: np.random.SeedSequence
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: Array) -> "Training":
        """Some of the rows, by mask or by number."""
        parts = ("features", "target", "decision", "known", "symbol")
        return replace(self, **{name: getattr(self, name)[rows] for name in parts})

    @property
    def chance(self) -> np.random.Generator:
        """A generator, at the same place each time it is asked for."""
        return np.random.default_rng(self.seed)

    def seeded(self, *names: str | int) -> "Training":
        """The same with a seed of its own, by names and never by order."""
        keys = (name_key(name) if isinstance(name, str) else name for name in names)
        key = (*self.seed.spawn_key, *keys)
        return replace(self, seed=np.random.SeedSequence(self.seed.entropy, spawn_key=key))

    def settings(self, **defaults: Any) -> Any:
        """`parameters` over a learner's defaults, in their order; ValueError for one it does not have."""
        unknown = sorted(set(self.parameters) - set(defaults))
        if unknown:
            raise ValueError(f"parameter '{unknown[0]}' is unknown; expected one of {', '.join(defaults)}")
        return tuple({**defaults, **self.parameters}.values())
