"""Fits a learner inside each train span, and forecasts the rows of its window with it."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from python_steps.belief_replicates import name_key
from python_steps.executors import IN_TURN, Fan
from python_steps.learner_code import PACKAGE, files
from python_steps.learners._training import Training
from python_steps.plugins import load

MINIMUM_ROWS = 100
NO_DEVIATION = 1e-12  # what is left of a constant by rounding is less
WINDOW = ["clock", "plan", "window_id"]
EXAMPLES = [*WINDOW, "symbol", "decision_at", "session_date", "is_train", "target", "label_known_at"]
FORECASTS = [
    "clock", "plan", "learner", "window_id", "symbol", "decision_at", "session_date",
    "forecast", "value", "is_train", "known_at", "run_id",
]  # fmt: skip
FITTED_MODELS = [
    "clock", "plan", "learner", "window_id", "model_id", "rows_trained", "parameters", "known_at", "run_id",
]  # fmt: skip
FEATURE_IMPORTANCES = [
    "clock", "plan", "learner", "window_id", "feature", "importance", "known_at", "run_id",
]  # fmt: skip


TUNING_TRIALS = [
    "clock", "plan", "learner", "window_id", "configuration", "folds", "mean_ic", "lower_quartile_ic",
    "is_chosen", "known_at", "run_id",
]  # fmt: skip


class Learner(NamedTuple):
    """What is fitted: the name its rows go by, the file it stands in, and its own parameters."""

    name: str
    source: str
    parameters: Mapping[str, Any]


class Window(NamedTuple):
    """What one window taught: rows of each table, less the learner and the run."""

    forecasts: pd.DataFrame
    model: pd.DataFrame
    importances: pd.DataFrame
    tried: pd.DataFrame


class Signals(NamedTuple):
    """Readings as an array of keys by signals; NaN where a signal had none."""

    names: list[str]
    keys: pd.MultiIndex
    values: np.ndarray


class Lesson(NamedTuple):
    """The rows of one window, in order of decision_at and symbol, `placed` in the readings that they have."""

    rows: pd.DataFrame
    signals: Signals


def learn(
    examples: pd.DataFrame,
    signals: Signals,
    windows: pd.DataFrame,
    learner: Learner,
    run_id: str,
    seed: int,
    fan: Fan = IN_TURN,
) -> dict[str, pd.DataFrame]:
    """Rows of steps.forecasts, fitted_models, feature_importances and tuning_trials, by those names.

    `examples` has clock, plan, window_id, symbol, decision_at, session_date, is_train, target (the label
    normalised by volatility; null unless is_train) and label_known_at (likewise). `signals` are the readings
    of the same clock (see to_signals). `windows` has clock, plan, window_id and known_at, all of one clock
    and plan. Windows with fewer than 100 training rows are skipped. `seed` is the policy's; what a learner
    draws hangs on it, and on the names of learner, plan and window. Only a learner that chooses among
    configurations, and says so in `tried`, has tuning trials.

    value = tanh(forecast / deviation of the in-sample forecasts), and 0 where these do not deviate. A
    forecast is known at the later of its decision and its window. Raises UnknownPlugin for the learner, and
    ValueError where `windows` mixes clocks or plans, or the learner does not have one of its parameters.
    """
    module = load(PACKAGE, learner.source)
    if len(windows[["clock", "plan"]].drop_duplicates()) > 1:
        raise ValueError("learn_forecasts: windows of more than one clock or plan")
    examples = placed(examples[EXAMPLES].merge(windows[[*WINDOW, "known_at"]], on=WINDOW), signals)
    by_window = examples.groupby("window_id", sort=True)
    lessons = (lesson_of(rows, signals) for _, rows in by_window)
    teach = partial(_one_window, learner=learner, seed=seed, code=_code_of(module))
    answers = fan(f"Windows of {learner.name} fitted", teach, lessons, by_window.ngroups)
    taught = [one for one in answers if one is not None]
    tables = {
        "forecasts": (FORECASTS, [one.forecasts for one in taught]),
        "fitted_models": (FITTED_MODELS, [one.model for one in taught]),
        "feature_importances": (FEATURE_IMPORTANCES, [one.importances for one in taught]),
        "tuning_trials": (TUNING_TRIALS, [one.tried for one in taught if len(one.tried)]),
    }
    return {name: _table(parts, columns, learner, run_id) for name, (columns, parts) in tables.items()}


def to_signals(readings: pd.DataFrame) -> Signals:
    """Readings of one clock laid out wide, once for all learners; raises ValueError where one stands twice.

    `readings` has signal, symbol, decision_at and value in [-1, +1] (null or no row where not valid).
    """
    keyed = readings.set_index(["symbol", "decision_at", "signal"])["value"]
    if keyed.index.has_duplicates:
        raise ValueError("learn_forecasts: readings: a signal, symbol and decision_at stands twice")
    wide = keyed.unstack("signal").sort_index().sort_index(axis=1)  # noqa: PD010 - a mean over repeats would hide them
    return Signals([str(name) for name in wide.columns], wide.index, wide.to_numpy(dtype=float))


def placed(examples: pd.DataFrame, signals: Signals) -> pd.DataFrame:
    """The examples with the place of their readings among the signals' keys, -1 where there are none."""
    keys = pd.MultiIndex.from_frame(examples[["symbol", "decision_at"]])
    return examples.assign(place=signals.keys.get_indexer(keys))


def lesson_of(rows: pd.DataFrame, signals: Signals) -> Lesson:
    """What a window is learned from and no more, so that it can be sent."""
    rows = rows.sort_values(["decision_at", "symbol"], ignore_index=True)
    is_read = rows["place"].to_numpy() >= 0
    values = signals.values[rows["place"].to_numpy()[is_read]]
    place = np.where(is_read, np.cumsum(is_read) - 1, -1)
    return Lesson(rows.assign(place=place), signals._replace(keys=signals.keys[:0], values=values))


def _one_window(lesson: Lesson, learner: Learner, seed: int, code: bytes) -> Window | None:
    """What one window teaches, or None where there is too little to learn from."""
    rows, signals = lesson
    module = load(PACKAGE, learner.source)
    is_fitted_on = (rows["is_train"].astype(bool) & rows["target"].notna()).to_numpy()
    if is_fitted_on.sum() < MINIMUM_ROWS:
        return None
    seen = to_training(rows, signals, is_fitted_on, learner, seed)
    fitted = module.fit(seen[is_fitted_on])
    forecast = fitted.predict(seen.features)
    parameters = json.dumps({"signals": seen.names, **fitted.parameters()}, sort_keys=True, allow_nan=False)
    said = rows.assign(forecast=forecast, value=to_values(forecast, is_fitted_on))
    said["known_at"] = rows[["decision_at", "known_at"]].max(axis=1)
    window = rows[[*WINDOW, "known_at"]].head(1)
    model: dict[str, Any] = {
        "model_id": _model_id(code, rows[is_fitted_on], seen.features[is_fitted_on], parameters),
        "rows_trained": int(is_fitted_on.sum()),
        "parameters": parameters,
    }
    shares = pd.DataFrame({"feature": seen.names, "importance": fitted.importances()})
    tried = pd.DataFrame(getattr(fitted, "tried", ()))
    said = said[[name for name in FORECASTS if name in said]]
    return Window(
        said, window.assign(**model), *(window.merge(part, how="cross") for part in (shares, tried))
    )


def to_training(
    rows: pd.DataFrame, signals: Signals, is_fitted_on: np.ndarray, learner: Learner, seed: int
) -> Training:
    """Rows of one window, in order of decision_at and symbol, as arrays."""
    features, names = to_features(rows, signals, is_fitted_on)
    instants, decision = np.unique(rows["decision_at"].to_numpy("datetime64[us]"), return_inverse=True)
    plan, window_id = rows["plan"].iloc[0], int(rows["window_id"].iloc[0])
    return Training(
        names=names,
        features=features,
        target=rows["target"].to_numpy(dtype=float),
        decision=decision,
        known=np.searchsorted(instants, rows["label_known_at"].to_numpy("datetime64[us]")),
        symbol=np.unique(rows["symbol"].to_numpy(dtype=str), return_inverse=True)[1],
        seed=np.random.SeedSequence(seed, spawn_key=(name_key(learner.source), name_key(plan), window_id)),
        parameters=learner.parameters,
    )


def to_features(
    rows: pd.DataFrame, signals: Signals, is_fitted_on: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows by signals, and the signals' names: those that had a reading in the train span, since what begins
    later must change nothing. `rows` are `placed`.
    """
    place = rows["place"].to_numpy()
    values = np.where((place >= 0)[:, None], signals.values[place], np.nan)
    is_there = np.isfinite(values[is_fitted_on]).any(axis=0)
    names = tuple(name for name, there in zip(signals.names, is_there, strict=True) if there)
    return np.ascontiguousarray(values[:, is_there]), names


def to_values(forecast: np.ndarray, is_fitted_on: np.ndarray) -> np.ndarray:
    """tanh of forecasts over the deviation of those in-sample, in [-1, +1]; 0 where these do not deviate."""
    deviation = float(np.std(forecast[is_fitted_on]))
    scaled = forecast / deviation if deviation > NO_DEVIATION else np.zeros(len(forecast))
    return np.clip(np.tanh(scaled), -1, 1)


def _code_of(module: ModuleType) -> bytes:
    """SHA-256 over the learner's files."""
    seen = hashlib.sha256()
    for file in files(Path(str(module.__file__))):
        seen.update(file.read_bytes())
    return seen.digest()


def _model_id(code: bytes, trained_on: pd.DataFrame, features: np.ndarray, parameters: str) -> str:
    """SHA-256 over the learner's code, its training data in order of key, and what was fitted."""
    seen = hashlib.sha256(code)
    places, symbols = pd.factorize(trained_on["symbol"], sort=True)
    seen.update("\n".join(symbols).encode())
    seen.update(places.tobytes())
    seen.update(trained_on["decision_at"].to_numpy("datetime64[us]").tobytes())
    seen.update(features.tobytes())
    seen.update(trained_on["target"].to_numpy(dtype=float).tobytes())
    seen.update(parameters.encode())
    return seen.hexdigest()


def _table(parts: list[pd.DataFrame], columns: list[str], learner: Learner, run_id: str) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=columns)
    whole = pd.concat(parts, ignore_index=True).assign(learner=learner.name, run_id=run_id)
    return whole[columns]
