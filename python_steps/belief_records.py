"""Which test spans are known at an instant, and the records of strategies that they make."""

from typing import NamedTuple

import numpy as np

from python_steps import sharpe
from python_steps.belief_inputs import Study

Array = np.ndarray

PATIENCE = 14 * 86_400_000_000  # microseconds


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


def spans_at(study: Study, instant: int) -> Spans:
    """The test spans known at `instant`, for each strategy and asset and for each class."""
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


def sum_assets(values: Array, assets: Array) -> Array:
    """Sum over the chosen assets, one by one."""
    whole = np.zeros((values.shape[0], values.shape[2]), dtype=values.dtype)
    for asset in np.flatnonzero(assets):
        whole += values[:, asset]
    return whole


def whole_net(study: Study, spans: Spans) -> tuple[Array, Array, Array]:
    """Known test decisions, mean net return of strategies there over all assets, and where there is one."""
    columns, rows = _rows(study, spans)
    rows &= spans.groups[-1][study.window_of[columns]] & study.listed[:, columns]
    net = np.where(rows, np.take(study.net, columns, axis=2), 0.0)
    count = sum_assets(rows.astype(np.int64), study.groups[-1])
    return columns, sum_assets(net, study.groups[-1]) / np.maximum(count, 1), count > 0


def record_of(study: Study, spans: Spans) -> Record:
    """The test records that the known spans make."""
    columns, rows = _rows(study, spans)
    window = study.window_of[columns]
    in_group = [rows & known[window] & study.listed[:, columns] for known in spans.groups]
    counts = [
        sum_assets(part.astype(np.int64), assets) for part, assets in zip(in_group, study.groups, strict=True)
    ]
    has = _units(rows, counts) > 0

    def units(source: Array, is_mean: bool) -> Array:
        values = np.where(rows, np.take(source, columns, axis=2), 0.0)
        sums = [
            sum_assets(np.where(part, values, 0.0), assets) / (np.maximum(count, 1) if is_mean else 1)
            for part, assets, count in zip(in_group, study.groups, counts, strict=True)
        ]
        return _units(values, sums)

    net = units(study.net, is_mean=True)
    mean, ratio, error, known = by_window(net, has, window)
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


def by_window(net: Array, has: Array, window: Array) -> tuple[Array, Array, Array, Array]:
    """Mean, per-period Sharpe and its error in each known window, and which windows these are."""
    known, starts, lengths = np.unique(window, return_index=True, return_counts=True)
    offsets = np.arange(lengths.max(initial=0))
    is_inside = offsets < lengths[:, None]
    index = np.where(is_inside, starts[:, None] + offsets, 0)
    found = sharpe.moments(np.take(net, index, axis=2), np.take(has, index, axis=2) & is_inside)
    error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
    return found.mean, found.sharpe, error, known
