"""How far what was earned could have come out otherwise: intervals by stationary block bootstrap.

A record is a series of net returns per decision: of a strategy, the mean over a group's assets, in all
disjoint test spans known up to a window; or of the portfolio, up to the start of a window's test span. It is
closed when its last profit is known, so the row of a record is computed once and never changes. Draws are
seeded by the name of the record, so neither other records nor the order of runs change a bit.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from python_steps.belief_records import PATIENCE, sum_assets
from python_steps.belief_replicates import SHORTEST_BLOCK, name_key
from python_steps.sharpe import sharpe

Array = np.ndarray

LEVEL = 0.95
DRAWS = 500
SHORTEST_RECORD = 30
NO_MOVE = 1e-6  # of the record's deviation: what rounding leaves of a draw that never moves
FEWEST_DEFINED = 0.9  # of the draws; an interval over fewer would leave out what it should show
WHOLE = "all"
KEYS = ("clock", "plan", "kind", "subject", "asset_group", "window_id", "metric")


class Record(NamedTuple):
    """Net returns per decision, in order of time, and what they are the record of."""

    kind: str
    subject: str
    asset_group: str
    window_id: int
    from_at: pd.Timestamp
    until_at: pd.Timestamp
    known_at: pd.Timestamp
    returns: Array


class Interval(NamedTuple):
    """Bounds that hold the truth with probability LEVEL; NaN with the reason in `undefined`."""

    estimate: float
    lower: float
    upper: float
    undefined: str | None


def strategy_records(
    pnl: pd.DataFrame, bars: pd.DataFrame, settled: pd.DataFrame, windows: pd.DataFrame, assets: pd.DataFrame
) -> Iterator[Record]:
    """Records of each strategy on each asset class and on all, one for each disjoint window with a profit.

    `pnl`: strategy, symbol, decision_at, decision_number and net_return of filled orders. `bars`: symbol and
    decision_number, wherever an order was given. `settled`: window_id, symbol, known_at of test spans whose
    orders are settled. `windows`: window_id, test_from, test_until and their numbers, disjoint ones alone.
    `assets`: symbol, asset_class, listed_at. An asset counts in a span if it was listed when that began.
    A span waits for all of its assets, but no longer than fourteen days; then it goes on without the missing.
    """
    windows = windows.sort_values("test_from", ignore_index=True)
    assets = assets.sort_values("symbol", ignore_index=True)
    counts, settled_at = _spans(bars, settled, windows, assets)
    panel = _panel(pnl, windows, assets)
    for group, is_member in _groups(assets):
        in_time, known_at = _group_spans(counts & is_member[:, None], settled_at, windows)
        rows = panel.has & in_time[:, panel.window]
        count = sum_assets(rows.astype(np.int64), is_member)
        mean = sum_assets(np.where(rows, panel.net, 0.0), is_member) / np.maximum(count, 1)
        for s, strategy in enumerate(panel.strategies):
            there = np.flatnonzero(count[s])
            for w in np.unique(panel.window[there]):
                at = there[panel.window[there] <= w]
                first, last, known = (
                    pd.Timestamp(t) for t in (panel.instants[at[0]], panel.instants[at[-1]], known_at[w])
                )
                window_id = int(windows["window_id"][w])
                yield Record("strategy", strategy, group, window_id, first, last, known, mean[s, at])


def portfolio_records(returns: pd.DataFrame, windows: pd.DataFrame, portfolio: str) -> Iterator[Record]:
    """Records of a portfolio (decision_at, net_return), one up to the start of each window's test span."""
    returns = returns.sort_values("decision_at", ignore_index=True)
    for window in windows.sort_values("test_from").itertuples():
        past = returns[returns["decision_at"] <= window.test_from]
        if len(past) and past["decision_at"].iloc[-1] == window.test_from:
            span = past["decision_at"].iloc[0], window.test_from, window.test_from
            net = past["net_return"].to_numpy(dtype=float)
            yield Record("portfolio", portfolio, WHOLE, int(window.window_id), *span, net)


def bootstrap(
    records: Iterator[Record],
    past: pd.DataFrame,
    *,
    clock: str,
    plan: str,
    run_id: str,
    as_of: pd.Timestamp,
    decisions_per_year: float,
) -> pd.DataFrame:
    """Rows of steps.metric_intervals for the records known by `as_of` that have none in `past` yet."""
    said = set(past[list(KEYS[2:-1])].itertuples(index=False, name=None))
    rows = []
    for record in records:
        key = record[: len(KEYS) - 3]
        if key in said or record.known_at > as_of:
            continue
        length = block_length(record.returns)
        seed = np.random.SeedSequence(0, spawn_key=_spawn_key(clock, plan, record))
        for metric, found in intervals(record.returns, length, seed, decisions_per_year).items():
            rows.append(
                dict(zip(KEYS, (clock, plan, *key, metric), strict=True))
                | found._asdict()
                | {"level": LEVEL, "draws": DRAWS, "block_length": length}
                | {"observations": len(record.returns), "from_at": record.from_at}
                | {"until_at": record.until_at, "known_at": record.known_at, "run_id": run_id}
            )
    columns = [*KEYS, *Interval._fields, "level", "draws", "block_length", "observations"]
    return pd.DataFrame(rows, columns=[*columns, "from_at", "until_at", "known_at", "run_id"])


def intervals(
    returns: Array, length: float, seed: np.random.SeedSequence, decisions_per_year: float
) -> dict[str, Interval]:
    """Percentile intervals of the mean per decision ('expected_return') and of the annual 'sharpe'.

    Stationary block bootstrap of Politis and Romano (1994): blocks of geometric length with mean `length`,
    laid round the end. Both metrics come from the same draws.
    """
    mean, ratio = float(np.mean(returns)), sharpe(returns) * math.sqrt(decisions_per_year)
    reason = _reason(returns, ratio)
    if reason is not None:
        return {name: _undefined(at, reason) for name, at in (("expected_return", mean), ("sharpe", ratio))}
    means, deviations = _draw(returns, length, np.random.default_rng(seed))
    moves = deviations > NO_MOVE * np.std(returns)
    ratios = means[moves] / deviations[moves] * math.sqrt(decisions_per_year)
    found = {"expected_return": _percentiles(mean, means), "sharpe": _undefined(ratio, "")}
    if len(ratios) < FEWEST_DEFINED * DRAWS:
        reason = f"{DRAWS - len(ratios)} of {DRAWS} draws have no deviation"
        return found | {"sharpe": _undefined(ratio, reason)}
    return found | {"sharpe": _percentiles(ratio, ratios)}


def block_length(returns: Array) -> float:
    """Mean length of blocks: Politis and White (2004), as corrected by Patton, Politis and White (2009).

    Never below the five decisions that a label spans, and never above a third of the record.
    """
    periods = len(returns)
    centred = returns - np.mean(returns) if periods else returns
    shortest, longest = float(SHORTEST_BLOCK), max(1.0, min(3 * math.sqrt(periods), periods / 3))
    variance = float(centred @ centred)
    if periods < SHORTEST_RECORD or variance == 0:
        return min(shortest, longest)
    beyond = max(5, math.ceil(math.sqrt(math.log10(periods))))
    furthest = math.ceil(math.sqrt(periods)) + beyond
    covariances = np.array([float(centred[k:] @ centred[: periods - k]) for k in range(furthest + 1)])
    is_small = np.abs(covariances / variance) < 2 * math.sqrt(math.log10(periods) / periods)
    quiet = np.lib.stride_tricks.sliding_window_view(is_small[1:], beyond).all(axis=1)
    last = int(np.argmax(quiet)) if quiet.any() else int(np.flatnonzero(~is_small[1:])[-1]) + 1
    lags = np.arange(1, min(2 * max(last, 1), furthest) + 1)
    taper = np.minimum(1.0, 2 * (1 - lags / lags[-1]))
    spread = covariances[0] + 2 * float(np.sum(taper * covariances[lags]))
    slope = 2 * float(np.sum(taper * lags * covariances[lags]))
    best = (slope * slope / (spread * spread)) ** (1 / 3) * periods ** (1 / 3) if spread else shortest
    return float(min(max(best, shortest), longest))


def _draw(returns: Array, length: float, random: np.random.Generator) -> tuple[Array, Array]:
    """Mean and deviation (n - 1) of each draw, from running sums, so that a block costs two looks."""
    periods, mean = len(returns), float(np.mean(returns))
    expected = periods / length
    blocks = min(periods, math.ceil(expected + 8 * math.sqrt(expected)) + 8)  # the last is hardly reached
    reached = np.minimum(random.geometric(1 / length, (DRAWS, blocks)).cumsum(axis=1), periods)
    reached[:, -1] = periods
    starts = random.integers(0, periods, (DRAWS, blocks))
    ends = starts + reached
    ends[:, 1:] -= reached[:, :-1]
    centred = np.concatenate([returns, returns]) - mean
    sums = [np.concatenate([[0.0], np.cumsum(values)]) for values in (centred, centred * centred)]
    total, squares = ((sum_to[ends] - sum_to[starts]).sum(axis=1) for sum_to in sums)
    variance = np.maximum(squares - total * total / periods, 0.0) / (periods - 1)
    return mean + total / periods, np.sqrt(variance)


def _reason(returns: Array, ratio: float) -> str | None:
    """Why no interval can be had."""
    if len(returns) < SHORTEST_RECORD:
        return f"fewer than {SHORTEST_RECORD} returns"
    return None if math.isfinite(ratio) else "the returns have no deviation"


def _percentiles(estimate: float, draws: Array) -> Interval:
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(lower), float(upper), None)


def _undefined(estimate: float, reason: str) -> Interval:
    return Interval(estimate, math.nan, math.nan, reason)


def _spawn_key(clock: str, plan: str, record: Record) -> tuple[int, ...]:
    names = ("intervals", clock, plan, record.kind, record.subject, record.asset_group)
    return (*(name_key(name) for name in names), record.window_id)


def _groups(assets: pd.DataFrame) -> list[tuple[str, Array]]:
    classes = assets["asset_class"].to_numpy()
    return [*((name, classes == name) for name in sorted(set(classes))), (WHOLE, np.full(len(classes), True))]


def _window_of(numbers: pd.Series, windows: pd.DataFrame) -> Array:
    """Place of the window whose test span holds each decision, -1 where none does."""
    place = np.searchsorted(windows["test_from_number"].to_numpy(), numbers.to_numpy(), side="right") - 1
    until = np.append(windows["test_until_number"].to_numpy(), 0)
    return np.where(numbers.to_numpy() < until[place], place, -1)


class _Panel(NamedTuple):
    """Net returns of strategies by assets by test decisions, where there is one, and each one's window."""

    strategies: list[str]
    instants: Array
    window: Array
    net: Array
    has: Array


def _panel(pnl: pd.DataFrame, windows: pd.DataFrame, assets: pd.DataFrame) -> _Panel:
    pnl = pnl[_window_of(pnl["decision_number"], windows) >= 0]
    strategies = sorted(set(pnl["strategy"]))
    numbers, place = np.unique(pnl["decision_number"], return_inverse=True)
    instants = np.full(len(numbers), np.datetime64("NaT", "us"))
    instants[place] = pnl["decision_at"].to_numpy("datetime64[us]")
    net = np.zeros((len(strategies), len(assets), len(numbers)))
    has = np.zeros(net.shape, dtype=bool)
    codes = (_places(strategies, pnl["strategy"]), _places(assets["symbol"], pnl["symbol"]), place)
    net[codes], has[codes] = pnl["net_return"].to_numpy(dtype=float), True
    return _Panel(strategies, instants, _window_of(pd.Series(numbers), windows), net, has)


def _spans(
    bars: pd.DataFrame, settled: pd.DataFrame, windows: pd.DataFrame, assets: pd.DataFrame
) -> tuple[Array, Array]:
    """In which spans each asset counts, and when it was settled there, NaT where not yet; both A by W."""
    counts = np.zeros((len(assets), len(windows)), dtype=bool)
    window = _window_of(bars["decision_number"], windows)
    counts[_places(assets["symbol"], bars["symbol"])[window >= 0], window[window >= 0]] = True
    listed_at, test_from = (
        column.to_numpy("datetime64[us]") for column in (assets["listed_at"], windows["test_from"])
    )
    settled_at = np.full(counts.shape, np.datetime64("NaT", "us"))
    settled = settled[settled["window_id"].isin(windows["window_id"])]
    at = _places(assets["symbol"], settled["symbol"]), _places(windows["window_id"], settled["window_id"])
    settled_at[at] = settled["known_at"].to_numpy("datetime64[us]")
    return counts & (listed_at[:, None] <= test_from), settled_at


def _group_spans(counts: Array, settled_at: Array, windows: pd.DataFrame) -> tuple[Array, Array]:
    """Which assets that count in a span were settled in time, and when all spans up to it were known."""
    deadline = windows["test_until"].to_numpy("datetime64[us]") + np.timedelta64(PATIENCE, "us")
    in_time = counts & (settled_at <= deadline)  # NaT is not
    waited = np.where(in_time, settled_at, np.where(counts, deadline, windows["test_from"].to_numpy()))
    return in_time, np.maximum.accumulate(waited.max(axis=0))


def _places(names: Any, values: pd.Series) -> Array:
    return pd.Index(names).get_indexer(values)
