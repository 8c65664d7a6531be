"""Rules 3 and 4 by hand."""

import math

import numpy as np
import pytest

from python_steps.policy import Score, StrategyWeights
from python_steps.strategy_weighting import (
    cap,
    clip,
    entropy,
    in_regime,
    score,
    smooth,
    softmax,
    spread,
    strategy_weights,
)

KNOBS = StrategyWeights(beta=2.0, smoothing=0.3, clip=0.02, cap=0.5, entropy=0.8)
ALL = np.ones((1, 3), dtype=bool)


def row(*values):
    return np.array([values], dtype=float)


def weighted(scores, adopted, previous, knobs=KNOBS):
    """Rule 4 whole: softmax, then what is done to every weighting's answer."""
    return strategy_weights(softmax(scores, adopted, knobs.beta), adopted, previous, knobs)


def test_score_is_the_adjusted_sharpe_less_three_charges():
    charges = Score(turnover=0.1, drawdown=0.5, instability=0.5, sharpe_deviation=0.5)
    # 1 · 0.25 / (0.25 + 0.25) - 0.1 · 2 - 0.5 · 0.1 - 0.5 · (1 - 0.8) = 0.5 - 0.2 - 0.05 - 0.1
    assert score(row(1), row(0.5), row(2), row(0.1), row(0.8), charges) == pytest.approx(0.15)
    assert score(row(1), row(0.5), row(2), row(0.1), row(math.nan), charges) == pytest.approx(-0.25)
    assert math.isnan(score(row(math.nan), row(0.5), row(2), row(0.1), row(0.8), charges)[0, 0])


def test_softmax_is_over_the_adopted_only():
    adopted = np.array([[True, True, False]])
    found = softmax(row(math.log(3) / 2, 0.0, 9.0), adopted, 2.0)
    assert found == pytest.approx(row(0.75, 0.25, 0.0))
    assert (softmax(row(1, 2, 3), ~ALL, 2.0) == 0).all()


def test_smoothing_brings_what_the_adopted_weighed_to_one_first():
    adopted = np.array([[True, True, False]])
    found = smooth(row(0.5, 0.5, 0.0), adopted, row(0.4, 0.0, 0.4), 0.3)
    assert found == pytest.approx(row(0.3 * 0.5 + 0.7 * 1.0, 0.15, 0.0))


def test_without_a_past_the_target_stands():
    assert smooth(row(0.2, 0.3, 0.5), ALL, row(0, 0, 0), 0.3) == pytest.approx(row(0.2, 0.3, 0.5))


def test_weak_weights_are_clipped_unless_all_are_weak():
    assert (clip(row(0.0199, 0.02, 0.9), 0.02) == row(0, 0.02, 0.9)).all()
    assert (clip(row(0.01, 0.01, 0.01), 0.02) == row(0.01, 0.01, 0.01)).all()


def test_the_excess_over_the_cap_is_shared_in_proportion():
    assert cap(row(0.7, 0.2, 0.1), 0.5) == pytest.approx(row(0.5, 1 / 3, 1 / 6))


def test_sharing_the_excess_may_cap_another():
    assert cap(row(0.6, 0.3, 0.1), 0.4) == pytest.approx(row(0.4, 0.4, 0.2))


def test_excess_without_a_place_is_cash():
    assert cap(row(1.0, 0.0, 0.0), 0.5) == pytest.approx(row(0.5, 0, 0))
    assert cap(row(0.6, 0.4, 0.0), 0.3) == pytest.approx(row(0.3, 0.3, 0.0))


def test_the_mix_with_equal_weight_is_the_least_that_meets_the_floor():
    weights = row(0.9, 0.08, 0.02)
    found = spread(weights, 0.8)
    assert entropy(found)[0, 0] >= 0.8 * math.log(3)
    share = (0.9 - found[0, 0]) / (0.9 - 1 / 3)
    less = (1 - share + 1e-9) * weights + (share - 1e-9) * row(1, 1, 1) / 3
    assert entropy(less)[0, 0] < 0.8 * math.log(3)
    assert found.sum() == pytest.approx(1)


def test_what_meets_the_floor_already_is_not_touched():
    weights = row(0.4, 0.35, 0.25)
    assert (spread(weights, 0.8) == weights).all()


def test_entropy_is_of_shares_and_mixing_keeps_cash_and_cap():
    assert entropy(row(0.2, 0.2, 0.0))[0, 0] == pytest.approx(math.log(2))
    found = spread(row(0.3, 0.01, 0.0), 0.8)
    assert found.sum() == pytest.approx(0.31)
    assert found[0, 2] == 0
    assert found.max() <= 0.3


def test_a_lone_survivor_has_the_cap_and_no_floor():
    adopted = np.array([[False, True, False]])
    found = weighted(row(math.nan, 0.3, math.nan), adopted, row(0.5, 0.5, 0.0))
    assert (found == row(0.0, 0.5, 0.0)).all()


def test_a_rejected_strategy_is_zero_at_once_and_nothing_adopted_is_all_cash():
    found = weighted(row(1.0, 0.5, 0.2), np.array([[False, True, True]]), row(0.5, 0.3, 0.2))
    assert found[0, 0] == 0
    assert (weighted(row(1.0, 0.5, 0.2), ~ALL, row(0.5, 0.3, 0.2)) == 0).all()


def test_the_whole_chain_by_hand():
    # Softmax 0.75, 0.25; smoothed with 0.5, 0.5: 0.575, 0.425; capped: 0.5, 0.5.
    found = weighted(row(math.log(3) / 2, 0.0), ALL[:, :2], row(0.5, 0.5))
    assert found == pytest.approx(row(0.5, 0.5))


@pytest.mark.parametrize("seed", range(20))
def test_weights_obey_cap_sum_and_floor_whatever_the_scores(seed):
    random = np.random.default_rng(seed)
    adopted = random.random((30, 12)) < random.random((30, 1))
    found = weighted(random.normal(0, 2, (30, 12)), adopted, random.random((30, 12)) / 12)
    survivors = (found > 0).sum(axis=1)
    assert (found[~adopted] == 0).all()
    assert (found >= 0).all()
    assert (found <= 0.5 + 1e-12).all()
    assert found.sum(axis=1) == pytest.approx(np.minimum(1.0, 0.5 * survivors))
    assert (
        entropy(found)[:, 0] >= np.where(survivors > 1, 0.8 * np.log(np.maximum(survivors, 1)), 0) - 1e-12
    ).all()


def test_an_absent_strategy_and_another_asset_change_no_bit():
    random = np.random.default_rng(2)
    scores, previous = random.normal(0, 1, (4, 13)), random.random((4, 13))
    adopted = random.random((4, 13)) < 0.8
    adopted[:, 6] = False
    whole = weighted(scores, adopted, previous)
    part = weighted(*(np.delete(part, 6, axis=1)[:2] for part in (scores, adopted, previous)))
    assert (np.delete(whole, 6, axis=1)[:2] == part).all()


def test_a_share_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="no share"):
        strategy_weights(row(math.nan, 1, 1), ALL, row(0, 0, 0), KNOBS)


def test_no_row_is_touched_because_another_is_over_the_cap_twice():
    rows = np.random.default_rng(1).dirichlet(np.full(7, 0.4), 400)
    for most in (0.2, 0.3, 0.4, 0.5):
        assert (cap(rows, most) == np.concatenate([cap(line[None], most) for line in rows])).all()


def test_no_more_moves_in_one_decision_than_the_limit_on_change():
    before, target = row(0.5, 0.3, 0.2), row(0.0, 0.1, 0.9)
    assert smooth(target, ALL, before, 0.3, 0.1) == pytest.approx(before + (target - before) / 7)
    assert (smooth(target, ALL, before, 0.3, 0.21) == smooth(target, ALL, before, 0.3)).all()
    moved = np.abs(smooth(target, ALL, before, 1.0, 0.05) - before).sum() / 2
    assert moved == pytest.approx(0.05)


def test_a_regime_counts_by_its_decisions_against_the_whole_record():
    # Z = 84 / (84 + 252) = 1/4: 2 · 1/4 + 1 · 3/4; variance 0.5² / 16 + (1 - 1/16) 0.2²
    sharpe, error = in_regime(row(1.0), row(0.2), row(2.0), row(0.5), row(84), 252)
    assert sharpe == pytest.approx(1.25)
    assert error == pytest.approx(math.sqrt(0.25 / 16 + 0.04 * 15 / 16))
    for own, its_error in ((math.nan, 0.5), (2.0, math.nan)):
        sharpe, error = in_regime(row(1.0), row(0.2), row(own), row(its_error), row(84), 252)
        assert (sharpe, error) == (1.0, 0.2)


def test_the_error_in_a_regime_is_what_draws_show():
    """Of independent returns, a third of them in the regime: error² of the shrunk mean is that of draws."""
    random = np.random.default_rng(1)
    draws = random.normal(0, 1, (20_000, 300))
    own, whole = draws[:, :100].mean(axis=1), draws.mean(axis=1)
    said = in_regime(whole, np.array(300**-0.5), own, np.array(100**-0.5), np.array(100), 200)
    assert said[1] == pytest.approx(said[0].std(), rel=0.03)
