"""Statistics of Sharpe ratios: what they promise. Published figures stand in reference_cases.json."""

import math

import numpy as np
import pytest

from python_steps import sharpe


def test_no_trial_has_no_expected_maximum():
    with pytest.raises(ValueError, match="0 trials"):
        sharpe.expected_maximum(0)


def test_more_trials_never_raise_the_deflated_sharpe():
    found = [float(sharpe.deflated_sharpe(0.1, 0.001, n, 500, 0, 3)) for n in (1, 2, 5, 20, 100, 1000)]
    assert found == sorted(found, reverse=True)


def test_a_single_trial_needs_no_variance_and_several_do():
    assert sharpe.deflated_sharpe(0.1, math.nan, 1, 500, 0, 3) == sharpe.probabilistic_sharpe(
        0.1, 0, 500, 0, 3
    )
    assert math.isnan(sharpe.deflated_sharpe(0.1, math.nan, 2, 500, 0, 3))


def test_a_sharpe_below_its_benchmark_has_no_track_record_long_enough():
    assert math.isnan(sharpe.minimum_track_record(0.1, 0.1, 0, 3))


@pytest.mark.parametrize("returns", [[], [0.01], [0.01, 0.01, 0.01], [0.0, 0.0]])
def test_a_sharpe_without_deviation_is_undefined(returns):
    assert math.isnan(sharpe.sharpe(np.array(returns)))


def test_sharpe_skew_and_kurtosis_are_those_of_the_known_returns():
    found = sharpe.moments(np.array([[1.0, 2.0, 3.0, 6.0, np.nan]]), np.array([[True] * 4 + [False]]))
    assert found.observations == [4]
    assert found.sharpe[0] == pytest.approx(3 / math.sqrt(14 / 3))
    assert found.skew[0] == pytest.approx((-8 - 1 + 0 + 27) / 4 / 3.5**1.5)
    assert found.kurtosis[0] == pytest.approx((16 + 1 + 0 + 81) / 4 / 3.5**2)


def test_a_return_that_is_not_a_number_is_an_error():
    with pytest.raises(ValueError, match="not finite"):
        sharpe.moments(np.array([0.1, np.nan]))


def test_the_first_loss_counts_in_the_drawdown():
    assert sharpe.max_drawdown(np.array([-0.5])) == -0.5
    assert sharpe.max_drawdown(np.array([0.5, -0.2, 0.1])) == pytest.approx(-0.2)
    assert sharpe.max_drawdown(np.array([0.1, 0.1])) == 0


def test_pbo_is_zero_with_one_dominant_configuration():
    returns = np.random.default_rng(1).standard_normal((640, 12)) * 0.01
    returns[:, 5] += 0.01
    assert sharpe.cscv_pbo(returns) == 0


@pytest.mark.parametrize("shape", [(640, 9), (31, 12), (0, 12), (0, 0)])
def test_pbo_of_too_few_configurations_or_periods_is_undefined(shape):
    assert math.isnan(sharpe.cscv_pbo(np.random.default_rng(1).standard_normal(shape)))


def test_configurations_that_never_move_are_not_counted_by_pbo():
    returns = np.random.default_rng(1).standard_normal((640, 12))
    returns[:, :3] = 0
    assert math.isnan(sharpe.cscv_pbo(returns))


def test_stability_is_one_less_the_share_of_spread_beyond_error():
    assert sharpe.cv_stability(np.array([1.0, 1.0, 1.0]), np.ones(3)) == 1
    # Q = (4 + 0 + 4) / 1 = 8 with K - 1 = 2.
    assert sharpe.cv_stability(np.array([-2.0, 0.0, 2.0]), np.ones(3)) == pytest.approx(0.25)
    # Precisions 1 and 4: centre 0.8, Q = 0.64 + 4 · 0.04 = 0.8 < 1.
    assert sharpe.cv_stability(np.array([0.0, 1.0]), np.array([1.0, 0.5])) == 1
    assert math.isnan(sharpe.cv_stability(np.array([1.0, np.nan]), np.ones(2)))


def test_gap_is_bounded_signed_and_undefined_without_windows():
    assert sharpe.train_test_gap([2.0], [1.0]) == 0.25
    assert sharpe.train_test_gap([1.0, np.nan], [2.0, 3.0]) == -0.25
    assert math.isnan(sharpe.train_test_gap([np.nan], [1.0]))


def test_regime_consistency_is_the_worst_over_the_best():
    random = np.random.default_rng(3)
    returns = np.concatenate([random.normal(0.005, 0.01, 50), random.normal(0.0, 0.01, 50), np.ones(29)])
    labels = np.array(["risk_on"] * 50 + ["risk_off"] * 50 + ["neutral"] * 29)
    by_hand = [
        float(sharpe.probabilistic_sharpe(m.sharpe, 0, 50, m.skew, m.kurtosis))
        for m in (sharpe.moments(returns[:50]), sharpe.moments(returns[50:100]))
    ]
    assert sharpe.regime_consistency(returns, labels) == pytest.approx(min(by_hand) / max(by_hand))
    assert math.isnan(sharpe.regime_consistency(returns[:50], labels[:50]))


def test_the_next_span_is_a_coin_without_evidence_of_skill():
    assert sharpe.profit_probability(np.float64(0.0), np.float64(0.1), 0.03, 63) == 0.5
    few = sharpe.profit_probability(np.float64(0.1), np.float64(0.1), 0.03, 63)
    many = sharpe.profit_probability(np.float64(0.1), np.float64(0.02), 0.03, 63)
    assert 0.5 < few < many < 1


def test_calibration_needs_fifty_forecasts_and_never_falls():
    forecasts = np.repeat([0.4, 0.5, 0.6], 20)
    came_true = np.concatenate([np.arange(20) < 12, np.arange(20) < 8, np.arange(20) < 15])
    assert math.isnan(sharpe.calibrate(0.5, forecasts[:49], came_true[:49]))
    # 12 and 8 of 20 are out of order, so they are pooled: 20 of 40.
    assert sharpe.calibrate(0.45, forecasts, came_true) == pytest.approx(0.5)
    assert sharpe.calibrate(0.55, forecasts, came_true) == pytest.approx(0.625)
    assert sharpe.calibrate(0.99, forecasts, came_true) == pytest.approx(0.75)


def test_calibration_does_not_depend_on_the_order_of_forecasts():
    random = np.random.default_rng(5)
    forecasts, came_true = random.random(80), random.random(80) < 0.5
    order = random.permutation(80)
    assert sharpe.calibrate(0.5, forecasts, came_true) == sharpe.calibrate(
        0.5, forecasts[order], came_true[order]
    )


def test_twins_are_one_trial_and_strangers_are_all_of_them():
    random = np.random.default_rng(3)
    twin = random.normal(size=400)
    known = np.ones((3, 400), dtype=bool)
    assert sharpe.mean_correlation(np.stack([twin, 2 * twin, 3 * twin]), known) == pytest.approx(1)
    assert sharpe.effective_trials(1.0, 60) == 1
    assert sharpe.effective_trials(0.0, 60) == sharpe.effective_trials(-0.2, 60) == 60
    assert sharpe.effective_trials(float("nan"), 60) == 60
    assert sharpe.effective_trials(0.5, 9) == 5


def test_mean_correlation_is_that_of_the_pairs_known_throughout():
    random = np.random.default_rng(4)
    returns = random.normal(size=(4, 300)) + random.normal(size=300)
    returns[2] = 0.0
    known = np.ones((4, 300), dtype=bool)
    known[3, :100] = False
    assert sharpe.mean_correlation(returns, known) == pytest.approx(np.corrcoef(returns[:2])[0, 1])
    assert math.isnan(sharpe.mean_correlation(returns[2:], known[2:]))
    assert math.isnan(sharpe.mean_correlation(np.empty((3, 0)), np.empty((3, 0), dtype=bool)))


def test_trials_that_truly_differ_do_not_raise_the_hurdle_of_luck():
    errors = np.array([0.05, 0.05, math.nan])
    assert sharpe.luck_variance(0.01, errors) == pytest.approx(0.0025)
    assert sharpe.luck_variance(0.001, errors) == 0.001
    assert math.isnan(sharpe.luck_variance(math.nan, errors))


def test_the_hurdle_of_luck_is_the_best_of_so_many_worthless_trials():
    """Against a simulation: 40 trials of 500 normal returns without skill."""
    random = np.random.default_rng(5)
    found = [sharpe.moments(random.normal(size=(40, 500))) for _ in range(200)]
    errors = sharpe.sharpe_error(found[0].sharpe, found[0].observations, found[0].skew, found[0].kurtosis)
    hurdle = sharpe.deflated_benchmark(sharpe.luck_variance(1.0, errors), 40)
    assert hurdle == pytest.approx(np.mean([one.sharpe.max() for one in found]), rel=0.05)
