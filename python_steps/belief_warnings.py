"""What a report says about how far to believe a set of strategies, in words with the figures."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from python_steps.policy import Policy

LOW_STABILITY = 0.5
LOW_CONSISTENCY = 0.3
HIGH_PBO = 0.5
BELIEVED = 0.95  # of a deflated Sharpe; a chance of luck above one less this is too high
WHOLE = "all"


def warnings(overfit: pd.DataFrame, checks: pd.DataFrame, policy: Policy) -> list[str]:
    """Warnings from the rows of overfit_metrics and reality_checks at one decision.

    First those of the whole set, then those of strategies in order of rows. What is undefined warns of
    nothing.
    """
    whole = [row for row in overfit.itertuples() if row.strategy == WHOLE]
    said = [text for row in whole for text in _whole(row)]
    said += [
        text for row in checks.sort_values("benchmark", ascending=False).itertuples() for text in _luck(row)
    ]
    said += list(_short(overfit[overfit["strategy"] != WHOLE]))
    return said + [text for row in overfit.itertuples() for text in _one(row, policy)]


def _whole(row: Any) -> Iterator[str]:
    """Chances and length of the record that the strategies have together, as they were weighted."""
    if row.pbo > HIGH_PBO:
        yield (
            f"the best strategy of one half of the time is in the lower half of the others in the other half"
            f" more often than not (PBO {row.pbo:.2f} > {HIGH_PBO:.2f})"
        )
    if row.dsr < BELIEVED:
        yield (
            f"what the set earned may be the best of {row.trials} trials by luck (DSR {row.dsr:.2f} <"
            f" {BELIEVED:.2f}; {row.dsr_effective:.2f} if they are worth"
            f" {row.effective_trials:.0f} independent ones, by their correlation)"
        )
    if row.observations < row.min_backtest_length:
        yield (
            f"the record of the set is short: {row.observations:,.0f} decisions, and the best of {row.trials}"
            f" trials without skill may show its Sharpe within {_up(row.min_backtest_length)}"
        )
    if row.effective_observations < row.min_track_record:
        yield (
            f"the record of the set is short: worth {row.effective_observations:,.0f} independent decisions"
            f" of the {_up(row.min_track_record)} after which its Sharpe is believed to be above 0"
        )


def _luck(row: Any) -> Iterator[str]:
    if row.spa_consistent > 1 - BELIEVED:
        yield (
            f"the best of {row.strategies} strategies, {row.best}, beats {row.benchmark} by no more than luck"
            f" may (SPA {row.spa_consistent:.2f}, reality check {row.reality_check:.2f}; >"
            f" {1 - BELIEVED:.2f})"
        )


def _short(strategies: pd.DataFrame) -> Iterator[str]:
    """One line for all whose record is too short: there may be as many as there are strategies."""
    positive = strategies[strategies["min_track_record"].notna()]
    short = positive[positive["effective_observations"] < positive["min_track_record"]]
    if len(short):
        nearest = short.loc[(short["effective_observations"] / short["min_track_record"]).idxmax()]
        yield (
            f"{len(short)} of {len(positive)} strategies with a Sharpe above 0 have too short a record to"
            f" believe it; nearest is {nearest['strategy']}, with {nearest['effective_observations']:,.0f}"
            f" independent decisions of {_up(nearest['min_track_record'])}"
        )


def _one(row: Any, policy: Policy) -> Iterator[str]:
    limit = policy.warnings.train_test_gap
    gap, stability, consistency = row.train_test_gap, row.cv_stability, row.regime_consistency
    if gap > limit:
        yield f"{row.strategy} shows potential overfitting (gap {gap:.2f} > {limit:.2f})"
    if stability < LOW_STABILITY:
        yield f"{row.strategy} is unstable across windows (stability {stability:.2f} < {LOW_STABILITY:.2f})"
    if consistency < LOW_CONSISTENCY:
        yield (
            f"{row.strategy} depends on the regime (consistency {consistency:.2f} < {LOW_CONSISTENCY:.2f})"
        )


def _up(decisions: float) -> str:
    return f"{math.ceil(decisions):,}"
