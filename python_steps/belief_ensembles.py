"""What every weighting would make of the strategies, and two yardsticks, side by side with the one in force.

Each walks forward as the one in force does: its shares come from what is known at the decision, and are
smoothed, clipped, capped and spread as the policy says. What it would hold is judged afterwards, in SQL, once
the profits are known. `best_single` gives all to the best score of each asset, at once; `no_gates` is the
weighting in force over every strategy that has a score, whatever the gates say.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from python_steps.belief_evidence import Evidence
from python_steps.plugins import discover, load
from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import strategy_weights, total
from python_steps.weightings import Shown

Array = np.ndarray

WEIGHTINGS = "python_steps.weightings"
BEST_SINGLE, NO_GATES = "best_single", "no_gates"


class Regret(NamedTuple):
    """Of each asset: how many strategies over how many spans, how far behind the best, and at most."""

    strategies: Array
    spans: Array
    regret: Array
    bound: Array


def methods() -> list[str]:
    """Names of the ensembles, in order."""
    return [*discover(WEIGHTINGS), BEST_SINGLE, NO_GATES]


class Ensembles:
    """Weights of all ensembles from one decision to the next; arrays are methods by assets by strategies."""

    def __init__(self, knobs: StrategyWeights, previous: Array) -> None:
        self.knobs, self.weights = knobs, previous
        self.weightings = discover(WEIGHTINGS)
        self.in_force = load(WEIGHTINGS, knobs.method)
        self.bounded = {name: module for name, module in self.weightings.items() if hasattr(module, "regret")}
        self.seen: tuple[Evidence, bytes] | None = None
        self.targets: Array
        self.single: Array
        self.unguarded: Array
        self.regrets: dict[str, Regret] = {}

    @property
    def wanted(self) -> Array:
        """The shares that the weighting in force wants, at the last decision (assets by strategies)."""
        return np.asarray(self.targets[list(self.weightings).index(self.knobs.method)])

    def at(self, evidence: Evidence, position: Array) -> Array:
        """What each would hold of each asset (methods by assets); `position` is NaN where there is none."""
        is_there = np.isfinite(position)
        adopted, scored = evidence.adopted & is_there, np.isfinite(evidence.shown.score) & is_there
        self._look(evidence, adopted, scored)
        rows, columns = adopted.any(axis=1), adopted.any(axis=0)
        part = np.ix_(range(len(self.weightings)), rows, columns)
        new = np.zeros(self.weights.shape)
        new[part] = strategy_weights(
            self.targets[part], adopted[np.ix_(rows, columns)], self.weights[part], self.knobs
        )
        new[-2] = self.single
        new[-1] = strategy_weights(self.unguarded, scored, self.weights[-1], self.knobs)
        self.weights = np.where(is_there.any(axis=1)[:, None], new, self.weights)
        return total(new * np.where(is_there, position, 0.0))[..., 0]

    def _look(self, evidence: Evidence, adopted: Array, scored: Array) -> None:
        """Shares that each weighting wants, made again only when there is something else to see."""
        key = adopted.tobytes() + scored.tobytes()
        if self.seen is not None and self.seen[0] is evidence and self.seen[1] == key:
            return
        self.seen, shown = (evidence, key), evidence.shown
        self.targets = np.stack(
            [_compact(module.weigh, shown, adopted, self.knobs) for module in self.weightings.values()]
        )
        self.single = _best(shown.score, adopted)
        self.unguarded = self.in_force.weigh(shown, scored, self.knobs)
        self.regrets = {
            name: Regret(adopted.sum(axis=1), *module.regret(shown, adopted))
            for name, module in self.bounded.items()
        }


def _compact(
    weigh: Callable[[Shown, Array, StrategyWeights], Array],
    shown: Shown,
    adopted: Array,
    knobs: StrategyWeights,
) -> Array:
    """Shares, asked for where something is adopted alone: the rest would be zeros."""
    part = np.ix_(adopted.any(axis=1), adopted.any(axis=0))
    shares = np.zeros(adopted.shape)
    shares[part] = weigh(Shown(*(values[part] for values in shown)), adopted[part], knobs)
    return shares


def _best(score: Array, adopted: Array) -> Array:
    """One for the adopted strategy with the best score of each asset, the first by name among equals."""
    best = np.max(np.where(adopted, score, -np.inf), axis=1, keepdims=True, initial=-np.inf)
    is_best = adopted & (score == best)
    return np.where(is_best & (is_best.cumsum(axis=1) == 1), 1.0, 0.0)
