"""Estimates how far a learner overfits: combinatorial purged cross-validation inside one train span a year.

Splits train on the future of what they test. That is a fair question to ask about overfit, and never a way to
make a profit: nothing downstream holds anything on these numbers.
"""

from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from python_steps import sharpe
from python_steps.cross_validation import (
    Split,
    combinatorial_paths,
    combinatorial_splits,
    group_numbers,
    known_by,
)
from python_steps.executors import IN_TURN, Fan
from python_steps.learn_forecasts import (
    MINIMUM_ROWS,
    Learner,
    Lesson,
    Signals,
    lesson_of,
    placed,
    to_training,
    to_values,
)
from python_steps.learner_code import PACKAGE
from python_steps.plugins import load

GROUPS, TESTED = 6, 2  # 15 splits, 5 paths
MINIMUM_PAIRS = 3
NO_DEVIATION = 1e-12
CPCV_METRICS = [
    "clock", "plan", "learner", "window_id", "unit", "number", "span", "metric", "value", "reason",
    "examples", "known_at", "run_id",
]  # fmt: skip


class Measure(NamedTuple):
    """A metric of one span of one split or path; NaN with a reason where undefined."""

    unit: str
    number: int
    span: str
    metric: str
    value: float
    reason: str | None
    examples: int


class Examined(NamedTuple):
    """A window, the examples that were known by its embargo, and how they are split."""

    window: dict[str, Any]
    lesson: Lesson
    splits: list[Split]


class Forecasts(NamedTuple):
    """What one split said of each row: the forecast, and the value in [-1, +1] made of it."""

    forecast: np.ndarray
    value: np.ndarray


def yearly(windows: pd.DataFrame) -> pd.DataFrame:
    """The first window of each calendar year among those with disjoint test spans.

    Windows are laid forward, so one that was first in its year stays it. `windows` is of one clock and plan,
    with is_disjoint and test_from.
    """
    ordered = windows[windows["is_disjoint"].astype(bool)].sort_values("test_from")
    return ordered.groupby(ordered["test_from"].dt.year).head(1)


def estimate(
    examples: pd.DataFrame,
    signals: Signals,
    windows: pd.DataFrame,
    learner: Learner,
    run_id: str,
    seed: int,
    fan: Fan = IN_TURN,
) -> pd.DataFrame:
    """Rows of steps.cpcv_metrics for each of `windows`, of one clock and plan.

    `examples`, `signals` and `seed` are those of learn_forecasts.learn; `windows` has clock, plan,
    window_id, test_from, embargo_at and known_at. What is split are the examples whose label was known by
    the embargo, in six groups of decisions, two tested at a time; the embargo after a test group is as long
    as the window's. Features, scaler and fit see the training rows of their split alone. A window with fewer
    than 100 examples or six decisions is skipped.

    Splits have the Pearson and the rank correlation of forecast and target (the normalised label), over all
    rows of the train and of the test span. Paths have them over the test spans put together, and
    label_sharpe: mean over deviation, across decisions, of the mean over assets of value times target, per
    decision and without costs. Known at the window's known_at. Raises UnknownPlugin for the learner.
    """
    load(PACKAGE, learner.source)
    examples = placed(examples, signals)
    wanted = windows.sort_values("window_id").to_dict("records")
    laid = (_laid(examples, signals, window) for window in wanted)
    examined = [one for one in laid if one is not None]
    splits = [(one.lesson, split) for one in examined for split in one.splits]
    forecast = partial(_forecasts, learner=learner, seed=seed)
    said = iter(fan(f"Splits of {learner.name} fitted", forecast, splits, len(splits)))
    tables = []
    for window, lesson, mine in examined:
        table = pd.DataFrame(_measures(lesson.rows, mine, list(islice(said, len(mine)))))
        keys = {key: window[key] for key in ("clock", "plan", "window_id", "known_at")}
        tables.append(table.assign(**keys, learner=learner.name, run_id=run_id))
    return (
        pd.concat(tables, ignore_index=True)[CPCV_METRICS] if tables else pd.DataFrame(columns=CPCV_METRICS)
    )


def _laid(examples: pd.DataFrame, signals: Signals, window: dict[str, Any]) -> Examined | None:
    """What is split of a window, or None where that is too small."""
    mine = (examples["window_id"] == window["window_id"]) & (examples["plan"] == window["plan"])
    rows = examples[mine & (examples["clock"] == window["clock"]) & examples["target"].notna()]
    rows = rows[known_by(rows["label_known_at"].to_numpy(), window["embargo_at"].to_datetime64())]
    if len(rows) < MINIMUM_ROWS or rows["decision_at"].nunique() < GROUPS:
        return None
    lesson = lesson_of(rows, signals)
    at, known_at = (lesson.rows[name].to_numpy() for name in ("decision_at", "label_known_at"))
    embargo = (window["test_from"] - window["embargo_at"]).to_timedelta64()
    return Examined(window, lesson, list(combinatorial_splits(at, known_at, GROUPS, TESTED, embargo)))


def _measures(rows: pd.DataFrame, splits: list[Split], said: list[Forecasts]) -> list[Measure]:
    """All measures of one window, of its splits and then of its paths."""
    decision_at, target = rows["decision_at"].to_numpy(), rows["target"].to_numpy(dtype=float)
    found: list[Measure] = []
    for split, forecasts in zip(splits, said, strict=True):
        for span, where in (("train", split.is_train), ("test", split.is_test)):
            found += _correlations("split", split.number, span, forecasts.forecast[where], target[where])
    for number, path in enumerate(_paths(splits, said, decision_at)):
        found += _correlations("path", number, "test", path.forecast, target)
        found.append(_label_sharpe(number, path.value, target, decision_at))
    return found


def _forecasts(question: tuple[Lesson, Split], learner: Learner, seed: int) -> Forecasts:
    """What a learner fitted on the training rows of a split says of each row; NaN where these are too few."""
    (rows, signals), split = question
    if split.is_train.sum() < MINIMUM_ROWS:
        return Forecasts(*np.full((2, len(rows)), np.nan))
    module = load(PACKAGE, learner.source)
    seen = to_training(rows, signals, split.is_train, learner, seed).seeded("cpcv", split.number)
    forecast = module.fit(seen[split.is_train]).predict(seen.features)
    return Forecasts(forecast, to_values(forecast, split.is_train))


def _paths(splits: list[Split], said: list[Forecasts], decision_at: np.ndarray) -> list[Forecasts]:
    """Test forecasts put together: on each path every row is tested once."""
    group, place = group_numbers(decision_at, GROUPS), np.arange(len(decision_at))
    forecasts, values = (np.stack(column) for column in zip(*said, strict=True))
    return [
        Forecasts(forecasts[path[group], place], values[path[group], place])
        for path in combinatorial_paths(GROUPS, TESTED)
    ]


def _correlations(
    unit: str, number: int, span: str, forecast: np.ndarray, target: np.ndarray
) -> list[Measure]:
    """Pearson and rank correlation of forecast and target."""
    reason = _unlearned(forecast) or _flat(forecast, "forecast") or _flat(target, "target")
    pairs = {
        "information_coefficient": (forecast, target),
        "rank_information_coefficient": (rankdata(forecast), rankdata(target)),
    }
    return [
        Measure(unit, number, span, metric, np.nan if reason else _correlation(*pair), reason, len(forecast))
        for metric, pair in pairs.items()
    ]


def _label_sharpe(number: int, value: np.ndarray, target: np.ndarray, decision_at: np.ndarray) -> Measure:
    """Mean over deviation of what a path's values earned in units of the label, decision by decision."""
    earned = pd.Series(value * target).groupby(decision_at).mean().to_numpy()
    reason = _unlearned(value) or _flat(earned, "value times target")
    ratio = np.nan if reason else sharpe.sharpe(earned)
    return Measure("path", number, "test", "label_sharpe", ratio, reason, len(value))


def _unlearned(said: np.ndarray) -> str | None:
    return None if np.isfinite(said).all() else f"fewer than {MINIMUM_ROWS} rows to learn from"


def _flat(values: np.ndarray, name: str) -> str | None:
    if len(values) < MINIMUM_PAIRS:
        return f"fewer than {MINIMUM_PAIRS} of {name}"
    return f"{name} does not move" if np.ptp(values) <= NO_DEVIATION else None


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])
