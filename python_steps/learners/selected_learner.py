"""Chooses a learner, its parameters and its features by walking forward inside the train span."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from python_steps.learners import elastic_net, factor_model, histogram_gradient_boosting, ridge
from python_steps.learners._standard import fit as standardise
from python_steps.learners._training import Training

Array = np.ndarray

# The space, from plain to bold: among equals the first one is chosen.
MODULES: Mapping[str, ModuleType] = {
    "ridge": ridge,
    "elastic_net": elastic_net,
    "factor_model": factor_model,
    "histogram_gradient_boosting": histogram_gradient_boosting,
}
SPACE: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "ridge": ({"alpha": 1.0}, {"alpha": 0.1}, {"alpha": 0.01}),
    "elastic_net": ({"alpha": 0.05}, {"alpha": 0.02}),
    "factor_model": ({"alpha": 1.0}, {"alpha": 0.1}),
    "histogram_gradient_boosting": ({"depth": 2, "trees": 30},),
}
FEATURES = ("all", "strongest")  # strongest: the half that goes most with the target in the rows fitted on

FOLDS = 4
EMBARGO = 5  # decisions between what is known and what is tested, as in the plans
FEWEST_ROWS = 100  # to learn from in a fold
FEWEST_ASSETS = 3  # in a cross-section
SAMPLER = "grid"  # or optuna, which looks at as many configurations as BUDGET says
BUDGET = 8


class Configuration(NamedTuple):
    """One point of the space."""

    learner: str
    settings: Mapping[str, Any]
    features: str

    def __str__(self) -> str:
        """JSON, the same for the same configuration."""
        return json.dumps(self._asdict(), sort_keys=True)


class Tried(NamedTuple):
    """How one configuration did: its mean information coefficient over the folds, and the lower quartile."""

    configuration: str
    folds: int
    mean_ic: float
    lower_quartile_ic: float
    is_chosen: bool


@dataclass(frozen=True)
class Selected:
    """What was chosen, fitted on the whole train span on the features at `places`; and what was `tried`."""

    configuration: Configuration
    places: Array
    width: int
    fitted: Any
    tried: tuple[Tried, ...] = ()

    def predict(self, features: Array) -> Array:
        """Forecasts of rows by features, each row by itself."""
        return self.fitted.predict(features[:, self.places])

    def parameters(self) -> dict[str, Any]:
        """The choice and everything that was fitted, ready for JSON."""
        told = {"places": self.places.tolist(), "width": self.width, "fitted": self.fitted.parameters()}
        return {"chosen": self.configuration._asdict(), **told}

    def importances(self) -> Array:
        """Those of what was chosen; 0 for a feature left out."""
        found = np.zeros(self.width)
        found[self.places] = self.fitted.importances()
        return found


def load(parameters: Mapping[str, Any]) -> Selected:
    """What parameters() told of, without what was tried."""
    chosen = Configuration(**parameters["chosen"])
    fitted = MODULES[chosen.learner].load(parameters["fitted"])
    return Selected(chosen, np.array(parameters["places"], dtype=int), int(parameters["width"]), fitted)


def fit(training: Training) -> Selected:
    """Choose by the lower quartile of the folds' information coefficients, and fit the choice on all rows.

    So what holds in most of the span goes before what was best in a part of it. Raises ValueError for another
    sampler than grid and optuna, or where optuna is asked for and its extra is not installed.
    """
    (sampler,) = training.settings(sampler=SAMPLER)
    samplers: dict[str, Callable[[Training], dict[str, Array]]] = {"grid": _walked, "optuna": _sampled}
    if sampler not in samplers:
        raise ValueError(f"sampler '{sampler}' is unknown; expected one of {', '.join(samplers)}")
    found = samplers[sampler](training)
    best = max(found, key=lambda name: _lower_quartile(found[name]))
    tried = tuple(
        Tried(
            name, len(said), float(np.mean(said)) if len(said) else 0.0, _lower_quartile(said), name == best
        )
        for name, said in found.items()
    )
    everything = np.ones(len(training), dtype=bool)
    places, fitted = fitted_on(training, everything, space()[best])
    return Selected(space()[best], places, len(training.names), fitted, tried)


def space() -> dict[str, Configuration]:
    """Every configuration there is, by name and in order."""
    found = [
        Configuration(learner, settings, features)
        for learner, choices in SPACE.items()
        for settings in choices
        for features in FEATURES
    ]
    return {str(one): one for one in found}


def folds(training: Training) -> Iterator[tuple[Array, Array]]:
    """Rows to learn from and rows to test on, laid forward over the decisions of a train span.

    The span is cut into FOLDS + 1 blocks, of which each but the first is tested once. Rows teach whose label
    was known EMBARGO decisions before the block begins: a label reaches over five decisions, so at least the
    ten before it teach nothing. A block with fewer than FEWEST_ROWS to learn from is left out.
    """
    decisions = np.unique(training.decision)
    length = len(decisions) // (FOLDS + 1)
    for number in range(1, FOLDS + 1 if length else 1):
        begins = decisions[number * length]
        is_last = number == FOLDS
        ends = decisions[-1] + 1 if is_last else decisions[(number + 1) * length]
        is_train = training.known <= begins - EMBARGO
        if is_train.sum() >= FEWEST_ROWS:
            yield is_train, (training.decision >= begins) & (training.decision < ends)


def coefficients(training: Training, configuration: Configuration) -> Array:
    """Information coefficient of a configuration in each fold."""
    found = []
    for is_train, is_test in folds(training):
        places, fitted = fitted_on(training, is_train, configuration)
        tested = training[is_test]
        found.append(information_coefficient(fitted.predict(tested.features[:, places]), tested))
    return np.array(found)


def fitted_on(training: Training, rows: Array, configuration: Configuration) -> tuple[Array, Any]:
    """A configuration fitted on some of the rows, and the places of the features it took."""
    is_whole = configuration.features == "all"
    places = np.arange(len(training.names)) if is_whole else strongest(training[rows])
    seen = replace(
        training.seeded(configuration.learner),
        names=tuple(training.names[place] for place in places),
        features=training.features[:, places],
        parameters=configuration.settings,
    )
    return places, MODULES[configuration.learner].fit(seen[rows])


def strongest(training: Training) -> Array:
    """Places of the half of the features that go most with the target, up or down."""
    features = standardise(training.features).matrix(training.features)
    size = np.abs(features.T @ (training.target - training.target.mean()))
    return np.sort(np.argsort(-size, kind="stable")[: (len(size) + 1) // 2])


def information_coefficient(forecast: Array, tested: Training) -> float:
    """Mean over decisions of the correlation of forecast and target across assets; 0 where none is defined.

    Left out are decisions of fewer than FEWEST_ASSETS, and those at which either does not move.
    """
    found = []
    for decision in np.unique(tested.decision):
        rows = tested.decision == decision
        pair = forecast[rows], tested.target[rows]
        if rows.sum() >= FEWEST_ASSETS and min(np.ptp(pair[0]), np.ptp(pair[1])) > 1e-12:
            found.append(np.corrcoef(*pair)[0, 1])
    return float(np.mean(found)) if found else 0.0


def _lower_quartile(found: Array) -> float:
    return float(np.quantile(found, 0.25)) if len(found) else 0.0


def _walked(training: Training) -> dict[str, Array]:
    """The whole space."""
    return {name: coefficients(training, one) for name, one in space().items()}


def _sampled(training: Training) -> dict[str, Array]:
    """As much of the space as the budget allows, where Optuna's sampler looks, by the training's seed."""
    try:
        import optuna  # an extra; the grid does without
    except ModuleNotFoundError:
        raise ValueError("sampler 'optuna' needs its extra: portfolio-warehouse[optuna]") from None

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, Array] = {}

    def lower_quartile(trial: Any) -> float:
        name = trial.suggest_categorical("configuration", list(space()))
        if name not in found:
            found[name] = coefficients(training, space()[name])
        return _lower_quartile(found[name])

    sampler = optuna.samplers.TPESampler(seed=int(training.chance.integers(2**31)))
    optuna.create_study(direction="maximize", sampler=sampler).optimize(lower_quartile, n_trials=BUDGET)
    return {name: found[name] for name in space() if name in found}
