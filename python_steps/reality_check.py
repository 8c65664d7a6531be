"""Whether the best of many strategies beats a benchmark by more than the best of so many would by luck.

White (2000), "A reality check for data snooping", and Hansen (2005), "A test for superior predictive
ability", over the stationary bootstrap that bootstrap_intervals.py draws from. All strategies share their
draws, so what they have in common stays in common.
"""

import math
from math import nan
from typing import NamedTuple

import numpy as np

from python_steps.belief_replicates import name_key
from python_steps.bootstrap_intervals import block_length, stationary_blocks
from python_steps.dependence import SHORTEST_RECORD
from python_steps.sharpe import NO_DEVIATION

Array = np.ndarray

DRAWS = 1000


class RealityCheck(NamedTuple):
    """What the tests say of a set of strategies against one benchmark; NaN with the reason in `undefined`.

    The values are probabilities that the best gain is luck: `reality_check` of White, the others of Hansen,
    who weighs each gain by its deviation and leaves out (lower), judges (consistent) or keeps (upper)
    strategies that are far behind. `best` is the strategy with the greatest mean gain.
    """

    benchmark: str
    best: str | None
    mean_gain: float
    strategies: int
    observations: int
    block_length: float
    reality_check: float
    spa_lower: float
    spa_consistent: float
    spa_upper: float
    undefined: str | None


def check(gains: Array, names: list[str], benchmark: str, seed: int) -> RealityCheck:
    """Test gains over `benchmark` (S by T, per period) of the strategies `names`.

    Strategies whose gains never move are left out. Blocks are as long as the median strategy asks for. The
    draws depend on `seed`, the name of the benchmark and the number of periods alone.
    """
    is_moving = np.ptp(gains, axis=1) > NO_DEVIATION if gains.size else np.zeros(len(gains), dtype=bool)
    moving, periods = gains[is_moving], gains.shape[1]
    if not len(moving) or periods < SHORTEST_RECORD:
        reason = f"fewer than {SHORTEST_RECORD} returns" if len(moving) else "no strategy differs from it"
        return RealityCheck(benchmark, None, nan, len(moving), periods, nan, nan, nan, nan, nan, reason)
    length = float(np.median([block_length(one) for one in moving]))
    key = (name_key("reality_check"), name_key(benchmark), periods)
    seeds = np.random.SeedSequence(seed, spawn_key=key)
    means = moving.mean(axis=1)
    best = int(np.argmax(means))
    name = [one for one, moves in zip(names, is_moving, strict=True) if moves][best]
    values = p_values(moving, length, np.random.default_rng(seeds))
    return RealityCheck(benchmark, name, float(means[best]), len(moving), periods, length, *values, None)


def p_values(gains: Array, length: float, random: np.random.Generator) -> tuple[float, float, float, float]:
    """Values of White's reality check, and of Hansen's test: lower, consistent and upper.

    `gains` is S by T, of series that move. A deviation is that of the drawn means. A set in which nothing
    gains has values of 1 in Hansen's test, whose statistic is never below 0.
    """
    periods = gains.shape[1]
    means = gains.mean(axis=1)
    centred = gains - means[:, None]
    drawn = _counts(periods, length, random) @ centred.T / periods  # draws by S, about 0
    error = drawn.std(axis=0)
    error = np.where(error > 0, error, np.inf)
    white = drawn.max(axis=1) >= means.max()
    scaled, moved = means / error, drawn / error
    far_behind = scaled < -math.sqrt(2 * math.log(math.log(periods)))
    statistic = max(0.0, float(scaled.max()))
    # Added to what was drawn: how far a strategy stays behind where its own mean is not taken away.
    behind = (np.minimum(scaled, 0.0), np.where(far_behind, scaled, 0.0), np.zeros(len(means)))
    lower, consistent, upper = (
        float(np.mean(np.maximum((moved + kept).max(axis=1), 0.0) >= statistic)) for kept in behind
    )
    return float(np.mean(white)), lower, consistent, upper


def _counts(periods: int, length: float, random: np.random.Generator) -> Array:
    """How often each draw has each period (draws by periods)."""
    starts, ends = stationary_blocks(periods, length, DRAWS, random)
    row, goes_round = np.arange(DRAWS)[:, None] * (periods + 1), ends > periods
    begun, over = (
        np.bincount((row + places).ravel(), minlength=DRAWS * (periods + 1)).reshape(DRAWS, -1)
        for places in (starts, ends - periods * goes_round)
    )
    steps = begun - over
    steps[:, 0] += goes_round.sum(axis=1)
    return steps.cumsum(axis=1)[:, :periods].astype(float)
