"""Fits a learner inside each train span, and forecasts the rows of its window with it."""

import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from python_steps.plugins import load

LEARNERS = "python_steps.learners"
MINIMUM_ROWS = 100
WINDOW = ["clock", "plan", "window_id"]
EXAMPLES = [*WINDOW, "symbol", "decision_at", "session_date", "is_train", "target"]
FORECASTS = [
    "clock", "plan", "learner", "window_id", "symbol", "decision_at", "session_date",
    "forecast", "value", "is_train", "known_at", "run_id",
]  # fmt: skip
FITTED_MODELS = [
    "clock", "plan", "learner", "window_id", "model_id", "rows_trained", "parameters", "known_at", "run_id",
]  # fmt: skip


class Signals(NamedTuple):
    """Readings as an array of keys by signals; NaN where a signal had none."""

    names: list[str]
    keys: pd.MultiIndex
    values: np.ndarray


def learn(
    examples: pd.DataFrame, readings: pd.DataFrame, windows: pd.DataFrame, learner: str, run_id: str
) -> dict[str, pd.DataFrame]:
    """Rows of steps.forecasts and steps.fitted_models, by those names, for `windows` of one clock and plan.

    `examples` has clock, plan, window_id, symbol, decision_at, session_date, is_train and target (the label
    normalised by volatility; null unless is_train). `readings` has clock, signal, symbol, decision_at and
    value in [-1, +1] (null where not valid, which counts as 0, the neutral reading). `windows` has clock,
    plan, window_id and known_at. Windows with fewer than 100 training rows are skipped.

    value = tanh(forecast / deviation of the in-sample forecasts), and 0 where these do not deviate. A
    forecast is known at the later of its decision and its window. Raises UnknownPlugin for the learner, and
    ValueError where `windows` mixes clocks or plans, or a reading stands twice.
    """
    module = load(LEARNERS, learner)
    if len(windows[["clock", "plan"]].drop_duplicates()) > 1:
        raise ValueError("learn_forecasts: windows of more than one clock or plan")
    clocks = set(windows["clock"])
    signals = to_signals(readings[readings["clock"].isin(clocks)])
    examples = examples[EXAMPLES].merge(windows[[*WINDOW, "known_at"]], on=WINDOW)
    forecasts, models = [], []
    for _, window in examples.groupby("window_id", sort=True):
        rows = window.sort_values(["decision_at", "symbol"], ignore_index=True)
        answer = _one_window(rows, signals, module)
        if answer is not None:
            forecasts.append(answer[0])
            models.append(answer[1])
    return {
        "forecasts": _table(forecasts, FORECASTS, learner, run_id),
        "fitted_models": _table(models, FITTED_MODELS, learner, run_id),
    }


def to_signals(readings: pd.DataFrame) -> Signals:
    """Readings of one clock laid out wide; raises ValueError where one stands twice."""
    keyed = readings.set_index(["symbol", "decision_at", "signal"])["value"]
    if keyed.index.has_duplicates:
        raise ValueError("learn_forecasts: readings: a signal, symbol and decision_at stands twice")
    wide = keyed.unstack("signal").sort_index().sort_index(axis=1)  # noqa: PD010 - a mean over repeats would hide them
    return Signals([str(name) for name in wide.columns], wide.index, wide.to_numpy(dtype=float))


def _one_window(
    rows: pd.DataFrame, signals: Signals, learner: ModuleType
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Forecasts and the model of one window, or None where there is too little to learn from."""
    is_fitted_on = (rows["is_train"].astype(bool) & rows["target"].notna()).to_numpy()
    if is_fitted_on.sum() < MINIMUM_ROWS:
        return None
    features, names = to_features(rows, signals, is_fitted_on)
    target = rows["target"].to_numpy(dtype=float)[is_fitted_on]
    fitted = learner.fit(features[is_fitted_on], target)
    forecast = fitted.predict(features)
    parameters = json.dumps({"signals": names, **fitted.parameters()}, sort_keys=True)
    said = rows.assign(forecast=forecast, value=to_values(forecast, is_fitted_on))
    said["known_at"] = rows[["decision_at", "known_at"]].max(axis=1)
    model: dict[str, Any] = {
        "model_id": _model_id(learner, rows[is_fitted_on], features[is_fitted_on], parameters),
        "rows_trained": int(is_fitted_on.sum()),
        "parameters": parameters,
    }
    return said, rows[["clock", "plan", "window_id", "known_at"]].head(1).assign(**model)


def to_features(
    rows: pd.DataFrame, signals: Signals, is_fitted_on: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Rows by signals, and the signals' names: those that had a reading in the train span, since what begins
    later must change nothing.
    """
    place = signals.keys.get_indexer(pd.MultiIndex.from_frame(rows[["symbol", "decision_at"]]))
    values = np.where((place >= 0)[:, None], signals.values[place], np.nan)
    is_there = np.isfinite(values[is_fitted_on]).any(axis=0)
    names = [name for name, there in zip(signals.names, is_there, strict=True) if there]
    return np.ascontiguousarray(np.nan_to_num(values[:, is_there], nan=0.0)), names


def to_values(forecast: np.ndarray, is_fitted_on: np.ndarray) -> np.ndarray:
    """tanh of forecasts over the deviation of those in-sample, in [-1, +1]; 0 where these do not deviate."""
    deviation = float(np.std(forecast[is_fitted_on]))
    scaled = forecast / deviation if deviation > 0 else np.zeros(len(forecast))
    return np.clip(np.tanh(scaled), -1, 1)


def _model_id(learner: ModuleType, trained_on: pd.DataFrame, features: np.ndarray, parameters: str) -> str:
    """SHA-256 over the learner's source, its training data in order of key, and what was fitted."""
    seen = hashlib.sha256(Path(str(learner.__file__)).read_bytes())
    seen.update("\n".join(trained_on["symbol"]).encode())
    seen.update(trained_on["decision_at"].to_numpy("datetime64[us]").tobytes())
    seen.update(features.tobytes())
    seen.update(trained_on["target"].to_numpy(dtype=float).tobytes())
    seen.update(parameters.encode())
    return seen.hexdigest()


def _table(parts: list[pd.DataFrame], columns: list[str], learner: str, run_id: str) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=columns)
    whole = pd.concat(parts, ignore_index=True).assign(learner=learner, run_id=run_id)
    return whole[columns]
