"""What strategies are judged from: the tables of one portfolio, and the same as arrays."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

Array = np.ndarray

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class WeighInputs:
    """Tables of one portfolio, one clock and one plan, with their whole history, as published.

    decisions: those to be made now (decision_at). assets: symbol, asset_class, listed_at (from when it counts
    in sums over assets; its own record counts in full from then). strategy_pnl, positions,
    windows (walk_forward_windows), window_metrics, regimes (of the policy's detector). fitted: names of the
    strategies that were fitted. variant_of: by variant, the strategy it is one of. past_weights:
    steps.strategy_weights of all earlier decisions of the portfolio, empty where there are none; it carries
    the smoothing, and the ensemble's own record, from one run to the next. past_ensembles:
    steps.ensemble_weights likewise, which carries the smoothing of every ensemble.
    """

    decisions: pd.DataFrame
    assets: pd.DataFrame
    strategy_pnl: pd.DataFrame
    positions: pd.DataFrame
    windows: pd.DataFrame
    window_metrics: pd.DataFrame
    regimes: pd.DataFrame
    fitted: frozenset[str]
    variant_of: Mapping[str, str]
    past_weights: pd.DataFrame
    past_ensembles: pd.DataFrame = field(default_factory=pd.DataFrame)


class Study(NamedTuple):
    """The inputs as arrays of strategies (S) by assets (A) by decisions (D) or disjoint windows (W).

    Instants are microseconds. `groups` (G by A) says which assets each class holds, and last the whole set.
    `usable` marks the filled profits in test spans, known by the span's metrics (`settled_at`); `held` is
    the position they were made with, `position` the one at the decision, NaN where there is none. `listed`
    (A by D) says where an asset counts in sums over assets, from `listed_at` on. `base_of` is the strategy
    that each is a variant of, or itself.
    """

    strategies: list[str]
    symbols: list[str]
    instants: Array
    groups: Array
    class_of: Array
    listed_at: Array
    listed: Array
    position: Array
    held: Array
    net: Array
    gross: Array
    turnover: Array
    is_trade: Array
    usable: Array
    window_of: Array
    test_from: Array
    test_until: Array
    settled_at: Array
    first_known_at: Array
    train_sharpe: Array
    test_sharpe: Array
    regime: Array
    is_fitted: Array
    base_of: list[str]


def study_of(inputs: WeighInputs) -> Study:
    """The tables as arrays. Raises ValueError where a key stands twice."""
    assets = inputs.assets.drop_duplicates("symbol").sort_values("symbol")
    pnl = inputs.strategy_pnl[inputs.strategy_pnl["status"] == "filled"]
    strategies = sorted({*inputs.positions["strategy"].unique(), *pnl["strategy"].unique()})
    symbols = list(assets["symbol"])
    decided = [micros(table["decision_at"]) for table in (pnl, inputs.positions, inputs.decisions)]
    instants = np.unique(np.concatenate(decided))
    windows = inputs.windows[inputs.windows["is_disjoint"].astype(bool)].sort_values("test_from")
    test_from, test_until = micros(windows["test_from"]), micros(windows["test_until"])
    window_of = np.searchsorted(test_from, instants, side="right") - 1
    is_inside = (window_of >= 0) & (instants < np.append(test_until, 0)[window_of])
    window_of = np.where(is_inside, window_of, -1)
    at = _Placer(strategies, symbols, instants, "strategy_pnl", pnl)
    known_at = at("known_at", NEVER)
    metrics = _window_arrays(inputs.window_metrics, strategies, symbols, windows["window_id"].to_numpy())
    settled_at, first_known_at = metrics[0], np.full(metrics[0].shape, NEVER)
    usable = np.zeros(known_at.shape, dtype=bool)
    for window in range(len(windows)):
        columns = np.flatnonzero(window_of == window)
        part = known_at[:, :, columns]
        usable[:, :, columns] = (part < NEVER) & (part <= settled_at[:, :, window, None])
        first_known_at[:, :, window] = part.min(axis=2, initial=NEVER)
    # A span without metrics is settled at NEVER, and is never known.
    classes = assets["asset_class"].to_numpy()
    names = sorted(set(classes))
    listed_at = micros(assets["listed_at"])
    groups = np.array([*(classes == name for name in names), np.ones(len(classes), dtype=bool)])
    return Study(
        strategies=strategies,
        symbols=symbols,
        instants=instants,
        groups=groups,
        class_of=np.array([names.index(name) for name in classes], dtype=int),
        listed_at=listed_at,
        listed=listed_at[:, None] <= instants,
        position=_Placer(strategies, symbols, instants, "positions", inputs.positions)("position", np.nan),
        held=at("position", 0.0),
        net=at("net_return", 0.0),
        gross=at("gross_return", 0.0),
        turnover=at("turnover", 0.0),
        is_trade=at("is_trade", False),
        usable=usable,
        window_of=window_of,
        test_from=test_from,
        test_until=test_until,
        settled_at=settled_at,
        first_known_at=first_known_at,
        train_sharpe=metrics[1],
        test_sharpe=metrics[2],
        regime=_regimes(inputs.regimes, instants),
        is_fitted=np.isin(strategies, sorted(inputs.fitted)),
        base_of=[inputs.variant_of.get(strategy, strategy) for strategy in strategies],
    )


class _Placer:
    """Puts columns of a table into arrays of strategies by symbols by decisions, less foreign keys."""

    def __init__(
        self, strategies: list[str], symbols: list[str], instants: Array, name: str, table: pd.DataFrame
    ) -> None:
        codes = [
            pd.Index(strategies, dtype="str").get_indexer(table["strategy"].astype("str")),
            pd.Index(symbols, dtype="str").get_indexer(table["symbol"].astype("str")),
            _find(instants, micros(table["decision_at"])),
        ]
        is_here = np.logical_and.reduce([code >= 0 for code in codes])
        self.shape = (len(strategies), len(symbols), len(instants))
        self.table, self.is_here = table, is_here
        self.flat = np.ravel_multi_index([code[is_here] for code in codes], self.shape)
        is_taken = np.zeros(math.prod(self.shape), dtype=bool)
        is_taken[self.flat] = True
        if is_taken.sum() < len(self.flat):
            raise ValueError(f"weigh_strategies: {name}: a strategy, symbol and decision_at stands twice")

    def __call__(self, column: str, empty: float | bool) -> Array:
        is_instant = isinstance(self.table[column].dtype, np.dtype) and self.table[column].dtype.kind == "M"
        found = micros(self.table[column]) if is_instant else self.table[column].to_numpy(type(empty))
        placed = np.full(self.shape, empty, dtype=found.dtype)
        placed.ravel()[self.flat] = found[self.is_here]
        return placed


def micros(instants: pd.Series) -> Array:
    """Instants as whole microseconds since 1970."""
    return pd.to_datetime(instants).to_numpy("datetime64[us]").astype(np.int64)


def _find(ordered: Array, values: Array) -> Array:
    """Place of each value in `ordered`, -1 where it is not there."""
    place = np.minimum(np.searchsorted(ordered, values), max(len(ordered) - 1, 0))
    return np.where(ordered[place] == values, place, -1) if len(ordered) else np.full(len(values), -1)


def _window_arrays(
    metrics: pd.DataFrame, strategies: list[str], symbols: list[str], windows: Array
) -> tuple[Array, Array, Array]:
    """When the test metrics were known, and train and test Sharpes known by then; S by A by W."""
    arrays = []
    for span in ("test", "train"):
        part = metrics[(metrics["span"] == span) & metrics["window_id"].isin(windows)]
        order = np.argsort(windows)
        window = (
            order[np.searchsorted(windows, part["window_id"].to_numpy(), sorter=order)] if len(part) else []
        )
        instants = pd.Series(np.asarray(window, dtype=np.int64)).to_numpy("datetime64[us]")
        keyed = part.assign(decision_at=instants)
        at = _Placer(strategies, symbols, np.arange(len(windows)), "window_metrics", keyed)
        arrays += [at("known_at", NEVER), at("sharpe", np.nan)]
    settled_at, test, train_known_at, train = arrays
    return settled_at, np.where(train_known_at <= settled_at, train, np.nan), test


def _regimes(regimes: pd.DataFrame, instants: Array) -> Array:
    """Regime at each instant, empty where there is none."""
    ordered = regimes.sort_values("decision_at")
    labels = np.append(ordered["regime"].to_numpy(dtype=object), "")
    return labels[_find(micros(ordered["decision_at"]), instants)].astype(str)


def past_weights(past: pd.DataFrame, study: Study, wanted: Array) -> Array:
    """Weights in force, S by A by D, at the decisions before the first one wanted; NaN elsewhere."""
    if past.empty or not len(wanted):
        return np.full(study.position.shape, np.nan)
    before = past[micros(past["decision_at"]) < wanted[0]]
    return _Placer(study.strategies, study.symbols, study.instants, "strategy_weights", before)(
        "weight", np.nan
    )


def last_weights(weights: Array) -> Array:
    """The last weights each asset had, A by S; zeros where it had none."""
    is_there = np.isfinite(weights).any(axis=0)
    last = weights.shape[2] - 1 - np.argmax(is_there[:, ::-1], axis=1)
    found = weights[:, np.arange(weights.shape[1]), last].T
    return np.where(np.isfinite(found), found, 0.0)


def last_ensembles(past: pd.DataFrame, weights: Array, study: Study, methods: list[str]) -> Array:
    """Weights of each ensemble at the last decision that has any (methods by A by S), zeros where none has.

    `past` is steps.ensemble_weights; `weights` (S by A by D), of the one in force, say which decision it is.
    """
    found = np.zeros((len(methods), len(study.symbols), len(study.strategies)))
    decided = np.flatnonzero(np.isfinite(weights).any(axis=(0, 1)))
    if past.empty or not len(decided):
        return found
    last = past[(micros(past["decision_at"]) == study.instants[decided[-1]]) & past["method"].isin(methods)]
    places = [
        pd.Index(names, dtype="str").get_indexer(last[column].astype("str"))
        for names, column in ((methods, "method"), (study.symbols, "symbol"), (study.strategies, "strategy"))
    ]
    is_here = np.logical_and.reduce([place >= 0 for place in places])
    found[tuple(place[is_here] for place in places)] = last["weight"].to_numpy()[is_here]
    return found
