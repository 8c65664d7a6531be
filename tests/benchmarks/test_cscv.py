"""How long the probability of backtest overfitting takes, beside a loop over the splits in plain numpy."""

import time
from itertools import combinations

import numpy as np
import pytest

from python_steps import sharpe
from tests.benchmarks.results import record, show
from tests.benchmarks.yardsticks import cpu_seconds

pytestmark = pytest.mark.benchmark

STRATEGIES, DAYS, BLOCKS = 100, 5040, 16
SPLITS = 12_870
LOOPED = 60  # of the splits; each takes as long as any other


def logits_one_by_one(returns: np.ndarray, splits: list[tuple[int, ...]]) -> np.ndarray:
    """The logit of each split, as it is defined: both halves put together, and all their Sharpes."""
    blocks = np.split(returns, BLOCKS)
    found = []
    for half in splits:
        inside = np.concatenate([blocks[block] for block in half])
        outside = np.concatenate([blocks[block] for block in range(BLOCKS) if block not in half])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        others = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = (others < others[best]).sum() + ((others == others[best]).sum() + 1) / 2
        found.append(np.log(rank / (STRATEGIES + 1 - rank)))
    return np.array(found)


def test_a_loop_over_all_splits_takes_hundreds_of_times_as_long(capsys):
    returns = np.random.default_rng(1).standard_normal((DAYS, STRATEGIES)) * 0.01
    every = list(combinations(range(BLOCKS), BLOCKS // 2))
    assert len(every) == SPLITS
    chosen = every[:: SPLITS // LOOPED]
    place = {sum(1 << block for block in half): number for number, half in enumerate(chosen)}
    logits = sharpe._cscv_logits(returns, BLOCKS, "sharpe", sharpe.MINIMUM_CONFIGURATIONS)
    mine = [
        (place[mask], logit)
        for mask, logit in zip(sharpe._halves(BLOCKS), logits, strict=True)
        if mask in place
    ]
    begun = time.process_time()
    by_hand = logits_one_by_one(returns, chosen)
    looped = (time.process_time() - begun) / len(chosen) * SPLITS
    assert [logit for _, logit in sorted(mine)] == pytest.approx(by_hand)
    taken = cpu_seconds(lambda: sharpe.cscv_pbo(returns, BLOCKS))
    lines = [
        f"PBO of {STRATEGIES} strategies, {DAYS:,} days, {BLOCKS} blocks: {taken * 1e3:.0f} ms CPU; a loop"
        f" over its {SPLITS:,} splits: {looped:.1f} s, {looped / taken:,.0f} times as long."
    ]
    with capsys.disabled():
        show(record("Backtest overfitting", lines, "numpy"))
    assert looped / taken >= 500
