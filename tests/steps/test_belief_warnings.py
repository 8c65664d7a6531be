"""Warnings say who, and how far, with the figures; and nothing where there is nothing to say."""

import math

import pandas as pd

from python_steps.belief_warnings import warnings
from python_steps.policy import load

POLICY = load("global")[1]
FINE = {
    "train_test_gap": 0.1, "cv_stability": 0.9, "regime_consistency": 0.8, "pbo": math.nan, "dsr": 0.99,
    "dsr_effective": 0.99, "trials": 60, "effective_trials": 12.0, "min_backtest_length": 300.0,
    "min_track_record": 400.0, "observations": 900.0, "effective_observations": 850.0,
}  # fmt: skip
LUCKY = {"strategies": 40, "best": "momentum", "spa_consistent": 0.34, "reality_check": 0.51}


def said(checks: list[dict] | None = None, **changed: dict[str, float]) -> list[str]:
    """Warnings where the whole set and two strategies are fine, but for what is `changed` in each."""
    rows = [FINE | {"strategy": name} | changed.get(name, {}) for name in ("all", "momentum", "ridge")]
    found = checks or [LUCKY | {"benchmark": "cash", "spa_consistent": 0.01}]
    return warnings(pd.DataFrame(rows), pd.DataFrame(found), POLICY)


def test_a_set_to_be_believed_has_no_warning_and_one_without_a_record_neither() -> None:
    assert said() == []
    nothing = dict.fromkeys(FINE, math.nan) | {"trials": 60}
    unknown = LUCKY | {"benchmark": "cash", "spa_consistent": math.nan, "best": None}
    assert said([unknown], all=nothing, momentum=nothing, ridge=nothing) == []


def test_a_strategy_is_named_with_its_gap_its_stability_and_its_consistency() -> None:
    assert said(
        ridge={"train_test_gap": 0.31},
        momentum={"cv_stability": 0.41},
        all={"regime_consistency": 0.12},
    ) == [
        "all depends on the regime (consistency 0.12 < 0.30)",
        "momentum is unstable across windows (stability 0.41 < 0.50)",
        "ridge shows potential overfitting (gap 0.31 > 0.20)",
    ]


def test_the_whole_set_says_how_likely_it_is_overfit_and_what_the_trials_are_worth() -> None:
    assert said(all={"pbo": 0.62, "dsr": 0.32, "dsr_effective": 0.55}) == [
        "the best strategy of one half of the time is in the lower half of the others in the other half"
        " more often than not (PBO 0.62 > 0.50)",
        "what the set earned may be the best of 60 trials by luck (DSR 0.32 < 0.95; 0.55 if they are worth"
        " 12 independent ones, by their correlation)",
    ]


def test_a_short_record_says_how_long_it_is_and_how_long_it_should_be() -> None:
    assert said(all={"min_backtest_length": 1200.4, "min_track_record": 851.2}) == [
        "the record of the set is short: 900 decisions, and the best of 60 trials without skill may show its"
        " Sharpe within 1,201",
        "the record of the set is short: worth 850 independent decisions of the 852 after which its Sharpe is"
        " believed to be above 0",
    ]
    assert said(momentum={"min_track_record": 1000.0}, ridge={"min_track_record": 9000.0}) == [
        "2 of 2 strategies with a Sharpe above 0 have too short a record to believe it; nearest is momentum,"
        " with 850 independent decisions of 1,000"
    ]


def test_the_best_of_the_set_is_said_to_be_luck_against_each_benchmark() -> None:
    checks = [LUCKY | {"benchmark": name} for name in ("always_long", "cash")]
    assert said(checks) == [
        f"the best of 40 strategies, momentum, beats {name} by no more than luck may (SPA 0.34, reality check"
        " 0.51; > 0.05)"
        for name in ("cash", "always_long")
    ]
