"""How far a strategy's return per unit of position could have come out otherwise, by block bootstrap."""

import hashlib
import math

import numpy as np

from python_steps.belief_inputs import Study
from python_steps.belief_records import Record

Array = np.ndarray

DRAWS = 200
SHORTEST_BLOCK = 5


def replicates(study: Study, record: Record, unit: Array, adopted: Array, seed: int) -> Array:
    """Block-bootstrap replicates of the return per unit of position; zeros where nothing is adopted.

    Circular moving blocks over the decisions at which the asset or its class has a record; the same
    draws for all strategies of an asset, so that what they share stays shared. The seed depends on the
    policy's (`seed`), the symbol and the number of those decisions alone.
    """
    drawn = np.zeros((*adopted.shape, DRAWS))
    for a in np.flatnonzero(adopted.any(axis=0)):
        both = [a, len(study.symbols) + study.class_of[a]]
        is_there = record.has[:, both].any(axis=(0, 1))
        starts, length = _blocks(int(is_there.sum()), seed, study.symbols[a])
        for s in np.flatnonzero(adopted[:, a]):
            gross = _block_sums(record.gross[s, unit[s, a]][is_there], length)[starts].sum(axis=1)
            size = _block_sums(record.size[s, unit[s, a]][is_there], length)[starts].sum(axis=1)
            drawn[s, a] = np.where(size > 0, gross / np.where(size > 0, size, 1.0), 0.0)
    return drawn


def _blocks(periods: int, seed: int, symbol: str) -> tuple[Array, int]:
    """Starts of the blocks of each draw (draws by blocks), and their length, max(5, T^(1/3))."""
    length = max(SHORTEST_BLOCK, math.ceil(periods ** (1 / 3)))
    key = (name_key("views"), name_key(symbol), periods)
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return random.integers(0, periods, size=(DRAWS, math.ceil(periods / length))), length


def name_key(name: str) -> int:
    """A name as part of a seed: what is drawn depends on names alone, never on their order."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def _block_sums(values: Array, length: int) -> Array:
    """Sum of the `length` values from each place on, round the end."""
    wrapped = np.concatenate([values, np.resize(values, length)])
    sums = np.zeros(len(values))
    for offset in range(length):
        sums += wrapped[offset : offset + len(values)]
    return sums
