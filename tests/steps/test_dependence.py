"""Returns that share what moved them are worth fewer: a Sharpe of overlapping trades is not too sure."""

import numpy as np
import pytest

from python_steps import sharpe
from python_steps.dependence import effective_observations

WORLDS, PERIODS = 400, 1000


def overlapping(random: np.random.Generator, holding: int, periods: int = PERIODS) -> np.ndarray:
    """Profits of trades without edge, one begun in each period and held for `holding`."""
    reached = np.concatenate([[0.0], random.normal(size=periods + holding - 1).cumsum()])
    return reached[holding:] - reached[:-holding]


def shares_passed(holding: int) -> tuple[float, float]:
    """How many of the worlds pass a probabilistic Sharpe of 95 %: as published, and corrected."""
    random, passed = np.random.default_rng(holding), np.zeros(2)
    for _ in range(WORLDS):
        profits = overlapping(random, holding)
        found = sharpe.moments(profits)
        for place, count in enumerate((PERIODS, effective_observations(profits))):
            shape = (found.skew, found.kurtosis)
            passed[place] += sharpe.probabilistic_sharpe(found.sharpe, 0.0, count, *shape) > 0.95
    published, corrected = passed / WORLDS
    return float(published), float(corrected)


@pytest.mark.parametrize(("holding", "least", "most"), [(1, 0.02, 0.08), (5, 0.17, 0.27), (20, 0.32, 0.42)])
def test_overlapping_trades_without_edge_pass_as_published_and_not_corrected(
    holding: int, least: float, most: float
) -> None:
    """Where nothing overlaps both have their level; at 20 periods more than a third passes uncorrected."""
    published, corrected = shares_passed(holding)
    assert least <= published <= most
    assert 0.02 <= corrected <= 0.09


def test_overlapping_returns_are_worth_about_those_that_do_not() -> None:
    random = np.random.default_rng(4)
    found = [effective_observations(overlapping(random, 20)) for _ in range(100)]
    assert 35 < np.median(found) < 75  # fifty trades do not overlap


def test_independent_returns_and_those_that_undo_each_other_all_count() -> None:
    random = np.random.default_rng(5)
    shocks = random.normal(size=1001)
    assert effective_observations(shocks[1:] - 0.9 * shocks[:-1]) == 1000
    assert np.median([effective_observations(random.normal(size=1000)) for _ in range(50)]) > 900


@pytest.mark.parametrize("returns", [[], [0.1], [0.1] * 40, list(range(29))])
def test_what_is_too_short_or_never_moves_counts_as_it_is(returns: list[float]) -> None:
    assert effective_observations(np.array(returns, dtype=float)) == len(returns)
