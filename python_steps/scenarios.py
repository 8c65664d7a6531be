"""What the assets may return next, drawn from what they last did: for allocators that look at tails.

A stationary block bootstrap (Politis and Romano 1994) over the decisions that all assets have: whole
cross-sections in blocks of a mean length, so that what moved together on a day or just after it stays
together; three decisions compounded make a scenario, as in the covariance, since closes are not simultaneous.
"""

import numpy as np

from python_steps.belief_replicates import name_key
from python_steps.covariances import DAYS, known_runs, overlapping_returns

COUNT = 1_000
BLOCK = 10  # mean length of a block, in decisions


def draw(returns: np.ndarray, seed: int, count: int = COUNT) -> np.ndarray:
    """`count` x N simple returns over DAYS decisions, from T x N simple returns per decision.

    Rows before the last unknown return of any column are not drawn from. The draws hang on `seed`, the number
    of rows and nothing else. Raises ValueError when there are fewer than DAYS such rows.
    """
    rows = int(known_runs(returns).min()) if returns.shape[1] else 0
    if rows < DAYS:
        raise ValueError(f"scenarios: {rows} rows that every asset has, at least {DAYS} are needed")
    path = returns[len(returns) - rows :][_places(rows, count * DAYS, seed)]
    return np.ascontiguousarray(overlapping_returns(path, DAYS)[::DAYS])


def _places(rows: int, length: int, seed: int) -> np.ndarray:
    """Rows to draw, in order: each is the one after the last, round the end, or begins a block anywhere."""
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(name_key("scenarios"),)))
    begins = random.random(length) < 1.0 / BLOCK
    begins[0] = True
    starts = random.integers(0, rows, length)
    block = np.maximum.accumulate(np.where(begins, np.arange(length), 0))
    return (starts[block] + np.arange(length) - block) % rows
