"""How far what was earned could have come out otherwise: intervals by stationary block bootstrap.

A record is a series of net returns per decision: of a strategy, the mean over a group's assets, in all
disjoint test spans known up to a window; or of the portfolio, up to the start of a window's test span; or of
one way to weigh strategies less the one in force, decision by decision, so that what both share is gone; or
of a benchmark, and of the portfolio less it. It is closed when its last profit is known, so the row of a
record is computed once and never changes. Draws are seeded by the name of the record, so neither other
records nor the order of runs change a bit.
"""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from python_steps.belief_replicates import SHORTEST_BLOCK, name_key
from python_steps.dependence import SHORTEST_RECORD, memory
from python_steps.executors import IN_TURN, Fan
from python_steps.sharpe import sharpe

Array = np.ndarray

LEVEL = 0.95
DRAWS = 500
NO_MOVE = 1e-6  # of the record's deviation: what rounding leaves of a draw that never moves
FEWEST_DEFINED = 0.9  # of the draws; an interval over fewer would leave out what it should show
WHOLE = "all"
OWN = "fill_to_fill"  # the scenario that measures the portfolio as benchmarks are measured
ABLATED = {"without_views": "allocator"}  # compared with the allocator; all else with the weighting in force
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


def strategy_records(returns: pd.DataFrame, spans: pd.DataFrame, windows: pd.DataFrame) -> Iterator[Record]:
    """Records of each strategy on each group of assets, one for each span that is known.

    `returns`: strategy, asset_group, decision_at, decision_number, net_return. `spans`: window_id,
    asset_group and known_at of all test spans up to the window's. `windows`: window_id, test_from_number and
    test_until_number of windows whose test spans do not overlap; later ones have higher ids.
    """
    returns = returns.sort_values("decision_number")
    returns = returns.assign(window_id=_window_of(returns["decision_number"], windows))
    spans = spans.sort_values("window_id")
    for (strategy, group), mine in returns[returns["window_id"] >= 0].groupby(["strategy", "asset_group"]):
        net, instants = mine["net_return"].to_numpy(dtype=float), mine["decision_at"].to_numpy()
        lengths = np.searchsorted(mine["window_id"], spans["window_id"], side="right")
        for length, span in zip(lengths, spans.itertuples(), strict=True):
            if length and span.asset_group == group:
                ends = pd.Timestamp(instants[0]), pd.Timestamp(instants[length - 1])
                window_id = int(span.window_id)
                yield Record("strategy", strategy, group, window_id, *ends, span.known_at, net[:length])


def portfolio_records(returns: pd.DataFrame, windows: pd.DataFrame, portfolio: str) -> Iterator[Record]:
    """Records of a portfolio (decision_at, net_return), one up to the start of each window's test span."""
    returns = returns.sort_values("decision_at", ignore_index=True)
    for window in windows.sort_values("test_from").itertuples():
        past = returns[returns["decision_at"] <= window.test_from]
        if len(past) and past["decision_at"].iloc[-1] == window.test_from:
            span = past["decision_at"].iloc[0], window.test_from, window.test_from
            net = past["net_return"].to_numpy(dtype=float)
            yield Record("portfolio", portfolio, WHOLE, int(window.window_id), *span, net)


def ensemble_records(
    returns: pd.DataFrame, windows: pd.DataFrame, portfolio: str, in_force: str
) -> Iterator[Record]:
    """Records of each ensemble's returns less those of its yardstick, to the start of each test span.

    `returns`: method, decision_at, net_return, invested, known_at, of one portfolio. A decision counts once
    its profits are known of all methods, and from where the yardstick first holds something. `windows` are
    those whose test spans do not overlap.
    """
    net = returns.pivot_table("net_return", "decision_at", "method", aggfunc="first").sort_index()
    known_at = returns.groupby("decision_at")["known_at"].max().sort_index()
    held = returns[returns["invested"] > 0].groupby("method")["decision_at"].min()
    for window in windows.sort_values("test_from").itertuples():
        known = net[(known_at <= window.test_from).to_numpy()]
        for method, yardstick in yardsticks(net.columns, in_force).items():
            begun = known[known.index >= held.get(yardstick, pd.NaT)]
            less = (begun[method] - begun[yardstick]).dropna()
            if len(less):
                ends = less.index[0], less.index[-1], window.test_from
                subject = f"{portfolio}: {method} - {yardstick}"
                yield Record(
                    "ensemble", subject, WHOLE, int(window.window_id), *ends, less.to_numpy(dtype=float)
                )


def benchmark_records(
    returns: pd.DataFrame, own: pd.DataFrame, windows: pd.DataFrame, portfolio: str
) -> Iterator[Record]:
    """Records of each benchmark, and of the portfolio less it, to the start of each test span.

    `returns`: benchmark, decision_at, net_return, known_at, of one portfolio. `own`: decision_at, net_return,
    known_at, is_active of the portfolio, measured the same way. Both count from where the portfolio first
    holds something, decisions of which all profits are known. `windows` are those whose test spans do not
    overlap.
    """
    net = returns.pivot_table("net_return", "decision_at", "benchmark", aggfunc="first").sort_index()
    own = own.set_index("decision_at").sort_index()
    net = net.assign(**{OWN: own["net_return"]})[net.index >= own.index[own["is_active"]].min()].dropna()
    known_at = pd.concat([returns.groupby("decision_at")["known_at"].max(), own["known_at"]])
    known_at = known_at.groupby(level=0).max().reindex(net.index)
    for window in windows.sort_values("test_from").itertuples():
        known = net[(known_at <= window.test_from).to_numpy()]
        for benchmark in [name for name in net.columns if name != OWN and len(known)]:
            place = WHOLE, int(window.window_id), known.index[0], known.index[-1], window.test_from
            alone = known[benchmark].to_numpy(dtype=float)
            yield Record("benchmark", f"{portfolio}: {benchmark}", *place, alone)
            beyond = known[OWN].to_numpy(dtype=float) - alone
            yield Record("benchmark", f"{portfolio}: {OWN} - {benchmark}", *place, beyond)


def yardsticks(methods: Iterable[str], in_force: str) -> dict[str, str]:
    """What each of these methods is compared with, where that is another one of them."""
    against = {method: ABLATED.get(method, in_force) for method in sorted(methods)}
    against = {method: one for method, one in against.items() if one in against and one != method}
    return {method: one for method, one in against.items() if method not in ABLATED.values()}


def bootstrap(
    records: Iterable[Record],
    past: pd.DataFrame,
    *,
    clock: str,
    plan: str,
    run_id: str,
    as_of: pd.Timestamp,
    decisions_per_year: float,
    fan: Fan = IN_TURN,
) -> pd.DataFrame:
    """Rows of steps.metric_intervals for the records known by `as_of` that have none in `past` yet."""
    said = set(past[list(KEYS[2:-1])].itertuples(index=False, name=None))
    fresh = [one for one in records if one.known_at <= as_of and one[: len(KEYS) - 3] not in said]
    draw = partial(_drawn, clock=clock, plan=plan, decisions_per_year=decisions_per_year)
    found = chain.from_iterable(fan("Records drawn", draw, fresh, len(fresh)))
    rows = [row | {"run_id": run_id} for row in found]
    columns = [*KEYS, *Interval._fields, "level", "draws", "block_length", "observations"]
    return pd.DataFrame(rows, columns=[*columns, "from_at", "until_at", "known_at", "run_id"])


def _drawn(record: Record, clock: str, plan: str, decisions_per_year: float) -> list[dict[str, Any]]:
    """The rows of one record, one for each metric."""
    length = block_length(record.returns)
    seed = np.random.SeedSequence(0, spawn_key=_spawn_key(clock, plan, record))
    key = record[: len(KEYS) - 3]
    return [
        dict(zip(KEYS, (clock, plan, *key, metric), strict=True))
        | found._asdict()
        | {"level": LEVEL, "draws": DRAWS, "block_length": length}
        | {"observations": len(record.returns), "from_at": record.from_at}
        | {"until_at": record.until_at, "known_at": record.known_at}
        for metric, found in intervals(record.returns, length, seed, decisions_per_year).items()
    ]


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
    covariances, lags, taper = found = memory(centred)
    spread = found.spread
    slope = 2 * float(np.sum(taper * lags * covariances[lags]))
    best = (slope * slope / (spread * spread)) ** (1 / 3) * periods ** (1 / 3) if spread else shortest
    return float(min(max(best, shortest), longest))


def stationary_blocks(
    periods: int, length: float, draws: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """Where the blocks of each draw start and end (draws by blocks), in a series laid twice end to end.

    Stationary bootstrap of Politis and Romano (1994): blocks of geometric length with mean `length`, laid
    round the end. Those of a draw are `periods` long together; what is cut off is empty.
    """
    expected = periods / length
    blocks = min(periods, math.ceil(expected + 8 * math.sqrt(expected)) + 8)  # the last is hardly reached
    reached = np.minimum(random.geometric(1 / length, (draws, blocks)).cumsum(axis=1), periods)
    reached[:, -1] = periods
    starts = random.integers(0, periods, (draws, blocks))
    ends = starts + reached
    ends[:, 1:] -= reached[:, :-1]
    return starts, ends


def _draw(returns: Array, length: float, random: np.random.Generator) -> tuple[Array, Array]:
    """Mean and deviation (n - 1) of each draw, from running sums, so that a block costs two looks."""
    periods, mean = len(returns), float(np.mean(returns))
    starts, ends = stationary_blocks(periods, length, DRAWS, random)
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


def _window_of(numbers: pd.Series, windows: pd.DataFrame) -> Array:
    """Id of the window whose test span holds each decision, -1 where none does."""
    windows = windows.sort_values("test_from_number")
    place = np.searchsorted(windows["test_from_number"], numbers, side="right") - 1
    until, ids = (np.append(windows[name], -1) for name in ("test_until_number", "window_id"))
    return np.where(numbers.to_numpy() < until[place], ids[place], -1)
