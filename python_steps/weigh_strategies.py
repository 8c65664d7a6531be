"""How far to believe each strategy on each asset, and what they say together, at each decision.

Rules 2, 5 and 8 of the specification; rules 3 and 4 are strategy_weighting.py, the statistics sharpe.py.

What is fitted (gates, scores, returns per unit of position, overfit metrics, confidence) changes only when
another test span becomes known, and is carried in between. Views, and the smoothing of strategy weights,
move at every decision. A test span is used for an asset and a strategy once its window_metrics row is
known, with the profits known by that row. A class, or the whole set, waits until the span is known for each
of its assets that has profits in it, so that no sum is taken over half of them; after fourteen days it goes
on without those missing.

Every sum runs over exactly what is known at the decision: over time in arrays of the known test decisions,
over assets and strategies one by one, where an absent one adds zero. So later rows, or the order of rows,
change no bit.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from python_steps import sharpe
from python_steps.policy import Policy
from python_steps.strategy_weighting import score, strategy_weights, total

Array = np.ndarray

PATIENCE = 14 * 86_400_000_000  # microseconds
DRAWS = 200
SHORTEST_BLOCK = 5
NEVER = np.iinfo(np.int64).max
LOW_STABILITY = 0.5
LOW_CONSISTENCY = 0.3
OVERFIT = [
    "train_test_gap", "cv_stability", "regime_consistency", "psr", "dsr", "pbo", "min_track_record",
]  # fmt: skip


@dataclass(frozen=True)
class WeighInputs:
    """Tables of one portfolio, one clock and one plan, with their whole history, as published.

    decisions: those to be made now (decision_at). assets: symbol, asset_class, listed_at (from when it counts
    in sums over assets; its own record counts in full from then). strategy_pnl, positions,
    windows (walk_forward_windows), window_metrics, regimes (of the policy's detector). fitted: names of the
    strategies that were fitted. past_weights: steps.strategy_weights of all earlier decisions of the
    portfolio, empty where there are none; it carries the smoothing, and the ensemble's own record, from one
    run to the next.
    """

    decisions: pd.DataFrame
    assets: pd.DataFrame
    strategy_pnl: pd.DataFrame
    positions: pd.DataFrame
    windows: pd.DataFrame
    window_metrics: pd.DataFrame
    regimes: pd.DataFrame
    fitted: frozenset[str]
    past_weights: pd.DataFrame


class Study(NamedTuple):
    """The inputs as arrays of strategies (S) by assets (A) by decisions (D) or disjoint windows (W).

    Instants are microseconds. `groups` (G by A) says which assets each class holds, and last the whole set.
    `usable` marks the filled profits in test spans, known by the span's metrics (`settled_at`); `held` is
    the position they were made with, `position` the one at the decision, NaN where there is none. `listed`
    (A by D) says where an asset counts in sums over assets, from `listed_at` on.
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


class Spans(NamedTuple):
    """The test spans known at an instant: `pairs` S by A by W, `groups` G by W."""

    pairs: Array
    groups: Array


class Record(NamedTuple):
    """Test records of strategies (S) and units (U: assets, classes, the whole set) over T known decisions.

    `net`, `gross`, `size` (of the position) and `has` are S by U by T; a class's net is the mean of its
    assets', its gross and size their sums. `window_mean` and `window_sharpe` are S by U by known windows.
    """

    columns: Array
    rows: Array
    net: Array
    gross: Array
    size: Array
    has: Array
    trades: Array
    turnover: Array
    known_windows: Array
    window_mean: Array
    window_sharpe: Array
    stability: Array


class Evidence(NamedTuple):
    """What is believed until another test span is known; arrays A by S, replicates S by A by draws."""

    adopted: Array
    reason: Array
    is_pooled: Array
    trades: Array
    drawdown: Array
    expected_net: Array
    windows: Array
    negative: Array
    score: Array
    expected_return: Array
    overfit: Array
    confidence: tuple[float, float, float]
    replicates: Array


def weigh(
    inputs: WeighInputs, policy: Policy, portfolio: str, run_id: str, decisions_per_year: float, trials: int
) -> dict[str, pd.DataFrame]:
    """Rows of steps.strategy_gates, overfit_metrics, strategy_weights, expected_returns and confidences.

    Keyed by table name, for the decisions asked for, in order of key; NaN is undefined. `trials` counts the
    configurations ever tried. An asset and strategy has a row where it has a position at the decision. An
    uninterrupted run and one resumed with `past_weights` give the same bits.
    Raises ValueError where a key stands twice.
    """
    study = _study(inputs)
    wanted = np.unique(_micros(inputs.decisions["decision_at"]))
    weights = _past_weights(inputs.past_weights, study, wanted)
    previous = _last_weights(weights)
    judge = _Judge(study, policy, decisions_per_year, trials)
    found: list[Evidence] = []
    places, views = [], []
    for instant in wanted:
        evidence = judge.at(int(instant), weights)
        if not found or found[-1] is not evidence:
            found.append(evidence)
        now = int(np.searchsorted(study.instants, instant))
        position = study.position[:, :, now].T
        is_there = np.isfinite(position)
        new = strategy_weights(evidence.score, evidence.adopted & is_there, previous, policy.weights)
        previous = np.where(is_there.any(axis=1)[:, None], new, previous)
        weights[:, :, now] = np.where(is_there, new, np.nan).T
        views.append(_view(evidence, np.where(is_there, new * position, 0.0)))
        places.append(len(found) - 1)
    tables = _Tables(study, wanted, found, np.array(places, dtype=int), portfolio, run_id)
    return {
        "strategy_gates": tables.gates(),
        "overfit_metrics": tables.overfit(trials),
        "strategy_weights": tables.weights(weights),
        "expected_returns": tables.views(views),
        "confidences": tables.confidences(),
    }


def warnings(overfit: pd.DataFrame, policy: Policy) -> list[str]:
    """What a report says about rows of overfit_metrics, in words with figures, in order of rows."""
    limit = policy.warnings.train_test_gap
    said = []
    for row in overfit.itertuples():
        gap, stability, consistency = row.train_test_gap, row.cv_stability, row.regime_consistency
        if gap > limit:
            said.append(f"{row.strategy} shows potential overfitting (gap {gap:.2f} > {limit:.2f})")
        if stability < LOW_STABILITY:
            said.append(f"{row.strategy} is unstable across windows (stability {stability:.2f} < 0.50)")
        if consistency < LOW_CONSISTENCY:
            said.append(f"{row.strategy} depends on the regime (consistency {consistency:.2f} < 0.30)")
    return said


# From tables to arrays


def _study(inputs: WeighInputs) -> Study:
    assets = inputs.assets.drop_duplicates("symbol").sort_values("symbol")
    pnl = inputs.strategy_pnl[inputs.strategy_pnl["status"] == "filled"]
    strategies = sorted({*inputs.positions["strategy"].unique(), *pnl["strategy"].unique()})
    symbols = list(assets["symbol"])
    decided = [_micros(table["decision_at"]) for table in (pnl, inputs.positions, inputs.decisions)]
    instants = np.unique(np.concatenate(decided))
    windows = inputs.windows[inputs.windows["is_disjoint"].astype(bool)].sort_values("test_from")
    test_from, test_until = _micros(windows["test_from"]), _micros(windows["test_until"])
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
    listed_at = _micros(assets["listed_at"])
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
    )


class _Placer:
    """Puts columns of a table into arrays of strategies by symbols by decisions, less foreign keys."""

    def __init__(
        self, strategies: list[str], symbols: list[str], instants: Array, name: str, table: pd.DataFrame
    ) -> None:
        codes = [
            pd.Index(strategies, dtype="str").get_indexer(table["strategy"].astype("str")),
            pd.Index(symbols, dtype="str").get_indexer(table["symbol"].astype("str")),
            _find(instants, _micros(table["decision_at"])),
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
        found = _micros(self.table[column]) if is_instant else self.table[column].to_numpy(type(empty))
        placed = np.full(self.shape, empty, dtype=found.dtype)
        placed.ravel()[self.flat] = found[self.is_here]
        return placed


def _micros(instants: pd.Series) -> Array:
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
    return labels[_find(_micros(ordered["decision_at"]), instants)].astype(str)


def _past_weights(past: pd.DataFrame, study: Study, wanted: Array) -> Array:
    """Weights in force, S by A by D, at the decisions before the first one wanted; NaN elsewhere."""
    if past.empty or not len(wanted):
        return np.full(study.position.shape, np.nan)
    before = past[_micros(past["decision_at"]) < wanted[0]]
    return _Placer(study.strategies, study.symbols, study.instants, "strategy_weights", before)(
        "weight", np.nan
    )


def _last_weights(weights: Array) -> Array:
    """The last weights each asset had, A by S; zeros where it had none."""
    is_there = np.isfinite(weights).any(axis=0)
    last = weights.shape[2] - 1 - np.argmax(is_there[:, ::-1], axis=1)
    found = weights[:, np.arange(weights.shape[1]), last].T
    return np.where(np.isfinite(found), found, 0.0)


# What is known, and the records it makes


def _spans(study: Study, instant: int) -> Spans:
    pairs = (study.settled_at <= instant) & (study.test_until <= instant)
    pairs &= (study.listed_at <= instant)[:, None]
    counts = study.listed_at[:, None] <= study.test_from
    awaited = np.any((study.first_known_at <= instant) & ~pairs, axis=0) & counts
    is_there = np.any(pairs, axis=0) & counts
    waits = np.array([awaited[assets].any(axis=0) for assets in study.groups])
    begun = np.array([is_there[assets].any(axis=0) for assets in study.groups])
    return Spans(pairs, begun & (~waits | (study.test_until + PATIENCE <= instant)))


def _rows(study: Study, spans: Spans) -> tuple[Array, Array]:
    """Known test decisions (T), and which strategy and asset has a profit there (S by A by T)."""
    is_known = np.append(spans.pairs.any(axis=(0, 1)), False)[study.window_of]
    columns = np.flatnonzero(is_known)
    rows = np.take(study.usable, columns, axis=2)
    rows &= np.take(spans.pairs, study.window_of[columns], axis=2)
    has_any = rows.any(axis=(0, 1))
    return columns[has_any], np.compress(has_any, rows, axis=2)


def _sum_assets(values: Array, assets: Array) -> Array:
    """Sum over the chosen assets, one by one."""
    whole = np.zeros((values.shape[0], values.shape[2]), dtype=values.dtype)
    for asset in np.flatnonzero(assets):
        whole += values[:, asset]
    return whole


def _whole_net(study: Study, spans: Spans) -> tuple[Array, Array]:
    """Mean net return over all assets, strategies by known test decisions, and where there is one."""
    columns, rows = _rows(study, spans)
    rows &= spans.groups[-1][study.window_of[columns]] & study.listed[:, columns]
    net = np.where(rows, np.take(study.net, columns, axis=2), 0.0)
    count = _sum_assets(rows.astype(np.int64), study.groups[-1])
    return _sum_assets(net, study.groups[-1]) / np.maximum(count, 1), count > 0


def _record(study: Study, spans: Spans) -> Record:
    columns, rows = _rows(study, spans)
    window = study.window_of[columns]
    in_group = [rows & known[window] & study.listed[:, columns] for known in spans.groups]
    counts = [
        _sum_assets(part.astype(np.int64), assets)
        for part, assets in zip(in_group, study.groups, strict=True)
    ]
    has = _units(rows, counts) > 0

    def units(source: Array, is_mean: bool) -> Array:
        values = np.where(rows, np.take(source, columns, axis=2), 0.0)
        sums = [
            _sum_assets(np.where(part, values, 0.0), assets) / (np.maximum(count, 1) if is_mean else 1)
            for part, assets, count in zip(in_group, study.groups, counts, strict=True)
        ]
        return _units(values, sums)

    net = units(study.net, is_mean=True)
    mean, ratio, error, known = _by_window(net, has, window)
    periods = np.maximum(has.sum(axis=2), 1)
    return Record(
        columns=columns,
        rows=rows,
        net=net,
        gross=units(study.gross, is_mean=False),
        size=units(np.abs(study.held), is_mean=False),
        has=has,
        trades=units(study.is_trade, is_mean=False).sum(axis=2).astype(np.int64),
        turnover=units(study.turnover, is_mean=True).sum(axis=2) / periods,
        known_windows=known,
        window_mean=mean,
        window_sharpe=ratio,
        stability=sharpe.cv_stability(ratio, error),
    )


def _units(assets: Array, groups: list[Array]) -> Array:
    return np.ascontiguousarray(np.concatenate([assets, np.stack(groups, axis=1)], axis=1))


def _by_window(net: Array, has: Array, window: Array) -> tuple[Array, Array, Array, Array]:
    """Mean, per-period Sharpe and its error in each known window, and which windows these are."""
    known, starts, lengths = np.unique(window, return_index=True, return_counts=True)
    offsets = np.arange(lengths.max(initial=0))
    is_inside = offsets < lengths[:, None]
    index = np.where(is_inside, starts[:, None] + offsets, 0)
    found = sharpe.moments(np.take(net, index, axis=2), np.take(has, index, axis=2) & is_inside)
    error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
    return found.mean, found.sharpe, error, known


# What is believed


class _Judge:
    """Evidence at an instant, made again only when other test spans are known."""

    def __init__(self, study: Study, policy: Policy, decisions_per_year: float, trials: int) -> None:
        self.study, self.policy, self.per_year, self.trials = study, policy, decisions_per_year, trials
        self.key: tuple[bytes, bytes] | None = None
        self.evidence: Evidence
        self.forecasts: dict[int, Array] = {}

    def at(self, instant: int, weights: Array) -> Evidence:
        spans = _spans(self.study, instant)
        key = (spans.pairs.tobytes(), spans.groups.tobytes())
        if key != self.key:
            self.key, self.evidence = key, self._judge(spans, weights)
        return self.evidence

    def _judge(self, spans: Spans, weights: Array) -> Evidence:
        record = _record(self.study, spans)
        found = sharpe.moments(record.net, record.has)
        error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
        overfit, confidence = self._overfit(record, spans, found, weights)
        unit, is_pooled = self._judged_on(record)

        def judged(values: Array) -> Array:
            return np.take_along_axis(values, unit, axis=1)

        drawdown = judged(sharpe.max_drawdown(record.net))
        counts = judged((np.isfinite(record.window_mean)).sum(axis=2))
        negative = judged((record.window_mean < 0).sum(axis=2))
        root = math.sqrt(self.per_year)
        scores = score(
            judged(found.sharpe) * root,
            judged(error) * root,
            judged(record.turnover) * self.per_year / 12,
            -drawdown,
            judged(record.stability),
            self.policy.score,
        )
        size = record.size.sum(axis=2)
        earned = np.where(size > 0, record.gross.sum(axis=2) / np.where(size > 0, size, 1.0), np.nan)
        trades, expected_net = judged(record.trades), judged(found.mean)
        reason = self._reasons(trades, drawdown, expected_net, counts, negative, scores, overfit[:-1, 4])
        adopted = reason == "adopted"
        return Evidence(
            adopted=adopted.T,
            reason=reason.T,
            is_pooled=is_pooled.T,
            trades=trades.T,
            drawdown=np.where(counts > 0, drawdown, np.nan).T,
            expected_net=expected_net.T,
            windows=counts.T,
            negative=negative.T,
            score=scores.T,
            expected_return=judged(earned).T,
            overfit=overfit,
            confidence=confidence,
            replicates=self._replicates(record, unit, adopted),
        )

    def _judged_on(self, record: Record) -> tuple[Array, Array]:
        """The unit each strategy and asset is judged on: itself, or its class where it traded too little."""
        assets = len(self.study.symbols)
        is_pooled = record.trades[:, :assets] < self.policy.gates.minimum_trades
        return np.where(is_pooled, assets + self.study.class_of, np.arange(assets)), is_pooled

    def _reasons(
        self,
        trades: Array,
        drawdown: Array,
        expected_net: Array,
        windows: Array,
        negative: Array,
        scores: Array,
        dsr: Array,
    ) -> Array:
        """'adopted', or every gate that failed, with figures; S by A."""
        gates, chosen = self.policy.gates, self.policy.strategies
        reasons = np.empty(trades.shape, dtype=object)
        for s, strategy in enumerate(self.study.strategies):
            for a in range(trades.shape[1]):
                failed = []
                if chosen != "all" and strategy not in chosen:
                    failed.append("not chosen by the policy")
                if windows[s, a] < gates.minimum_windows:
                    failed.append(f"{windows[s, a]} windows < {gates.minimum_windows}")
                if trades[s, a] < gates.minimum_trades:
                    failed.append(f"{trades[s, a]} trades < {gates.minimum_trades}")
                if -drawdown[s, a] > gates.maximum_drawdown:
                    failed.append(f"drawdown {-drawdown[s, a]:.1%} > {gates.maximum_drawdown:.1%}")
                if not expected_net[s, a] > 0:
                    failed.append(_expected(expected_net[s, a]))
                if negative[s, a] > gates.maximum_negative_share * windows[s, a]:
                    failed.append(f"{negative[s, a]} of {windows[s, a]} windows negative")
                if not dsr[s] >= gates.minimum_dsr:
                    failed.append(_deflated(dsr[s], gates.minimum_dsr))
                if not failed and not np.isfinite(scores[s, a]):
                    failed.append("Sharpe undefined")
                reasons[s, a] = "; ".join(failed) or "adopted"
        return reasons

    def _overfit(
        self, record: Record, spans: Spans, found: sharpe.Moments, weights: Array
    ) -> tuple[Array, tuple[float, float, float]]:
        """Columns OVERFIT for each strategy and last for the whole set; and the confidence.

        A strategy stands on its mean net return over all assets. The row of the whole set stands on the
        ensemble, the strategies weighted as they were in force at each decision, and has the PBO.
        """
        series = [(record.net[s, -1], record.has[s, -1]) for s in range(len(self.study.strategies))]
        ensemble = self._ensemble(record, spans, weights)
        defined = found.sharpe[:, -1][np.isfinite(found.sharpe[:, -1])]
        variance = float(np.var(defined, ddof=1)) if len(defined) > 1 else float("nan")
        rows = [self._evidence_row(record, one, variance) for one in (*series, ensemble)]
        overfit = np.array(rows)
        overfit[:-1, 0] = [self._gap(s, spans) for s in range(len(series))]
        is_there = record.has[:, -1].any(axis=0)
        overfit[-1, 5] = sharpe.cscv_pbo(np.ascontiguousarray(record.net[:, -1, is_there].T))
        return overfit, self._confidence(record, spans, ensemble, overfit[-1])

    def _evidence_row(self, record: Record, series: tuple[Array, Array], variance: float) -> list[float]:
        """Columns OVERFIT of one series over the record's decisions; gap and PBO are left undefined."""
        net, has = series
        found = sharpe.moments(net, has)
        _, ratio, error, _ = _by_window(
            net[None, None], has[None, None], self.study.window_of[record.columns]
        )
        labels = self.study.regime[record.columns]
        is_labelled = has & (labels != "")
        shape = (found.skew, found.kurtosis)
        dsr = sharpe.deflated_sharpe(found.sharpe, variance, self.trials, found.observations, *shape)
        return [
            float("nan"),
            float(sharpe.cv_stability(ratio[0, 0], error[0, 0])),
            sharpe.regime_consistency(net[is_labelled], labels[is_labelled]),
            float(sharpe.probabilistic_sharpe(found.sharpe, 0.0, found.observations, *shape)),
            float(dsr),
            float("nan"),
            float(sharpe.minimum_track_record(found.sharpe, 0.0, *shape)),
        ]

    def _gap(self, strategy: int, spans: Spans) -> float:
        """Train-test gap of a fitted strategy, from annual Sharpes averaged over assets in each window."""
        if not self.study.is_fitted[strategy]:
            return float("nan")
        pairs = spans.pairs[strategy] & spans.groups[-1]
        pairs &= self.study.listed_at[:, None] <= self.study.test_from
        both: list[Array] = []
        for source in (self.study.train_sharpe, self.study.test_sharpe):
            is_defined = pairs & np.isfinite(source[strategy])
            both.append(np.array([_mean(source[strategy, part, w]) for w, part in enumerate(is_defined.T)]))
        return sharpe.train_test_gap(*both)

    def _ensemble(self, record: Record, spans: Spans, weights: Array) -> tuple[Array, Array]:
        """Net return of the strategies as weighted then, mean over assets, and where there is one."""
        used = np.take(weights, record.columns, axis=2)
        rows = record.rows & spans.groups[-1][self.study.window_of[record.columns]] & np.isfinite(used)
        net = np.where(rows, used * np.take(self.study.net, record.columns, axis=2), 0.0)
        by_asset = np.zeros(net.shape[1:])
        for strategy in net:
            by_asset += strategy
        count = rows.any(axis=0).sum(axis=0)
        everything = _sum_assets(by_asset[None], self.study.groups[-1])[0]
        return everything / np.maximum(count, 1), count > 0

    def _confidence(
        self, record: Record, spans: Spans, ensemble: tuple[Array, Array], row: Array
    ) -> tuple[float, float, float]:
        """Confidence, raw and calibrated probability that the ensemble's next span is profitable.

        Without a record of its own the raw probability is that of the prior, one half. Without a deflated
        Sharpe or a PBO there is no evidence, and the confidence is 0.
        """
        raw = float(self._probability(*ensemble))
        raw = raw if math.isfinite(raw) else 0.5
        forecasts, came_true = self._resolved(record, spans)
        calibrated = sharpe.calibrate(raw, forecasts, came_true)
        evidence = float(row[4] * (1 - row[5]))
        believed = calibrated if math.isfinite(calibrated) else raw
        return min(believed, evidence) if math.isfinite(evidence) else 0.0, raw, calibrated

    def _probability(self, net: Array, has: Array) -> Array:
        """Probability that the next test span is profitable, from a record of net returns."""
        found = sharpe.moments(net, has)
        error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
        prior = self.policy.score.sharpe_deviation / math.sqrt(self.per_year)
        # All test spans are laid out alike, and a record means that the first one is over.
        span = max(1, int((self.study.window_of == 0).sum()))
        return sharpe.profit_probability(found.sharpe, error, prior, span)

    def _resolved(self, record: Record, spans: Spans) -> tuple[Array, Array]:
        """Forecasts made for each strategy at the start of each span known by now, and whether it made money.

        A strategy without a record then, or that never moved in the span, made no forecast.
        """
        forecasts, came_true = [], []
        for place, window in enumerate(record.known_windows):
            if not spans.groups[-1, window]:
                continue
            forecast = self._forecast(int(window))
            is_scored = np.isfinite(forecast) & np.isfinite(record.window_sharpe[:, -1, place])
            forecasts.append(forecast[is_scored])
            came_true.append(record.window_mean[is_scored, -1, place] > 0)
        if not forecasts:
            return np.empty(0), np.empty(0)
        return np.concatenate(forecasts), np.concatenate(came_true)

    def _forecast(self, window: int) -> Array:
        """Probability of a profitable span for each strategy, as it was known when the span began."""
        if window not in self.forecasts:
            spans = _spans(self.study, int(self.study.test_from[window]))
            self.forecasts[window] = self._probability(*_whole_net(self.study, spans))
        return self.forecasts[window]

    def _replicates(self, record: Record, unit: Array, adopted: Array) -> Array:
        """Block-bootstrap replicates of the return per unit of position; zeros where nothing is adopted.

        Circular moving blocks over the decisions at which the asset or its class has a record; the same
        draws for all strategies of an asset, so that what they share stays shared. The seed depends on the
        policy's, the symbol and the number of those decisions alone.
        """
        replicates = np.zeros((*adopted.shape, DRAWS))
        for a in np.flatnonzero(adopted.any(axis=0)):
            both = [a, len(self.study.symbols) + self.study.class_of[a]]
            is_there = record.has[:, both].any(axis=(0, 1))
            starts, length = _blocks(int(is_there.sum()), self.policy.seed, self.study.symbols[a])
            for s in np.flatnonzero(adopted[:, a]):
                gross = _block_sums(record.gross[s, unit[s, a]][is_there], length)[starts].sum(axis=1)
                size = _block_sums(record.size[s, unit[s, a]][is_there], length)[starts].sum(axis=1)
                replicates[s, a] = np.where(size > 0, gross / np.where(size > 0, size, 1.0), 0.0)
        return replicates


def _expected(value: float) -> str:
    return f"expected net {value * 1e4:.2f} bp <= 0" if math.isfinite(value) else "expected net undefined"


def _deflated(value: float, least: float) -> str:
    if math.isfinite(value):
        return f"deflated Sharpe {value:.3f} < {least:.3f}"
    return "deflated Sharpe undefined"


def _mean(values: Array) -> float:
    return math.fsum(values) / len(values) if len(values) else float("nan")


def _blocks(periods: int, seed: int, symbol: str) -> tuple[Array, int]:
    """Starts of the blocks of each draw (draws by blocks), and their length, max(5, T^(1/3))."""
    length = max(SHORTEST_BLOCK, math.ceil(periods ** (1 / 3)))
    key = (_number("views"), _number(symbol), periods)
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return random.integers(0, periods, size=(DRAWS, math.ceil(periods / length))), length


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def _block_sums(values: Array, length: int) -> Array:
    """Sum of the `length` values from each place on, round the end."""
    wrapped = np.concatenate([values, np.resize(values, length)])
    sums = np.zeros(len(values))
    for offset in range(length):
        sums += wrapped[offset : offset + len(values)]
    return sums


def _view(evidence: Evidence, exposure: Array) -> tuple[Array, Array, Array]:
    """Rule 5 for each asset: view, standard error and shrunk view; `exposure` is weight times position."""
    earned = np.where(exposure != 0, evidence.expected_return, 0.0)
    view = total(exposure * earned)[:, 0]
    draws = np.zeros(evidence.replicates.shape[1:])
    for s, replicate in enumerate(evidence.replicates):
        draws += exposure[:, s, None] * replicate
    error = draws.std(axis=1, ddof=1)
    is_up = view > 0
    kept = np.maximum(0.0, 1 - (error / np.where(is_up, view, 1.0)) ** 2)
    return view, error, np.where(is_up, kept * view, 0.0)


# From arrays to tables


class _Tables:
    """Rows for the decisions wanted, from what was believed at each."""

    def __init__(
        self,
        study: Study,
        wanted: Array,
        found: list[Evidence],
        places: Array,
        portfolio: str,
        run_id: str,
    ) -> None:
        self.study, self.wanted, self.found, self.places = study, wanted, found, places
        self.portfolio, self.run_id = portfolio, run_id
        self.now = np.searchsorted(study.instants, wanted)
        self.is_there = np.isfinite(np.take(study.position, self.now, axis=2)).transpose(2, 1, 0)
        self.decision, self.asset, self.strategy = np.nonzero(self.is_there)

    def gates(self) -> pd.DataFrame:
        return self._by_strategy(
            is_adopted=self._believed("adopted", bool),
            reason=self._reasons(),
            is_pooled=self._believed("is_pooled", bool),
            trades=self._believed("trades", np.int64),
            max_drawdown=self._believed("drawdown", float),
            expected_net_return=self._believed("expected_net", float),
            windows=self._believed("windows", np.int64),
            negative_windows=self._believed("negative", np.int64),
        )

    def weights(self, weights: Array) -> pd.DataFrame:
        here = (self.strategy, self.asset, self.now[self.decision])
        return self._by_strategy(
            score=self._believed("score", float),
            weight=weights[here],
            position=self.study.position[here],
            expected_return=self._believed("expected_return", float),
        )

    def views(self, views: list[tuple[Array, Array, Array]]) -> pd.DataFrame:
        decision, asset = np.nonzero(self.is_there.any(axis=2))
        view, error, shrunk = np.array(views).reshape(-1, 3, len(self.study.symbols)).transpose(1, 0, 2)
        here = (decision, asset)
        values = {"ensemble_view": view[here], "standard_error": error[here], "shrunk_view": shrunk[here]}
        return self._frame(decision, {"symbol": _text(self.study.symbols, asset), **values})

    def overfit(self, trials: int) -> pd.DataFrame:
        strategies = self.is_there.any(axis=1)
        decision, strategy = np.nonzero(np.append(strategies, np.ones((len(self.wanted), 1), bool), axis=1))
        stacked = np.array([evidence.overfit for evidence in self.found])
        values = stacked[self.places[decision], strategy] if len(decision) else np.empty((0, len(OVERFIT)))
        names = [*self.study.strategies, "all"]
        columns = {"strategy": _text(names, strategy), **dict(zip(OVERFIT, values.T, strict=True))}
        columns["trials"] = np.full(len(decision), trials, dtype=np.int64)
        return self._frame(decision, columns)

    def confidences(self) -> pd.DataFrame:
        believed = np.array([evidence.confidence for evidence in self.found]).reshape(-1, 3)[self.places]
        names = ("confidence", "raw_probability", "calibrated_probability")
        return self._frame(np.arange(len(self.wanted)), dict(zip(names, believed.T, strict=True)))

    def _believed(self, field: str, kind: type) -> Array:
        shape = (len(self.found), *self.is_there.shape[1:])
        stacked = np.array([getattr(evidence, field) for evidence in self.found], dtype=kind).reshape(shape)
        return stacked[self.places[self.decision], self.asset, self.strategy]

    def _reasons(self) -> pd.Series:
        stacked = [evidence.reason.ravel() for evidence in self.found]
        codes, names = pd.factorize(np.concatenate(stacked) if stacked else np.empty(0, dtype=object))
        here = (self.places[self.decision], self.asset, self.strategy)
        return _text(list(names), codes.reshape(len(self.found), *self.is_there.shape[1:])[here])

    def _by_strategy(self, **columns: Array | pd.Series) -> pd.DataFrame:
        keys = {
            "symbol": _text(self.study.symbols, self.asset),
            "strategy": _text(self.study.strategies, self.strategy),
        }
        return self._frame(self.decision, {**keys, **columns})

    def _frame(self, decision: Array, columns: dict[str, Array | pd.Series]) -> pd.DataFrame:
        instants = self.wanted[decision].astype("datetime64[us]")
        zeros = np.zeros(len(decision), dtype=int)
        first = {"portfolio": _text([self.portfolio], zeros), "decision_at": instants}
        last = {"known_at": instants, "run_id": _text([self.run_id], zeros)}
        return pd.DataFrame({**first, **columns, **last})


def _text(names: list[str], codes: Array) -> pd.Series:
    """Names by code, as a column of text."""
    return pd.Series(pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(names))).astype("str")
