"""Statistics of Sharpe ratios: what they promise. Published figures stand in reference_cases.json."""

import math

import numpy as np
import pytest
from scipy import stats

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


def test_kurtosis_in_excess_would_make_a_probabilistic_sharpe_too_sure():
    """Returns with fat tails: what `moments` says of them is not in excess, and the formula wants it so."""
    random = np.random.default_rng(6)
    returns = random.standard_t(4, size=60) * 0.01 + 0.006
    found = sharpe.moments(returns)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))
    assert found.kurtosis > 4
    tested = [
        float(sharpe.probabilistic_sharpe(found.sharpe, 0.0, 60, found.skew, kurtosis))
        for kurtosis in (found.kurtosis, found.kurtosis - 3)
    ]
    by_hand = found.sharpe * math.sqrt(59)
    by_hand /= math.sqrt(1 - found.skew * found.sharpe + (found.kurtosis - 1) / 4 * found.sharpe**2)
    assert tested[0] == pytest.approx(stats.norm.cdf(by_hand))
    assert tested[1] > tested[0] + 0.002
    assert sharpe.moments(random.normal(size=200_000)).kurtosis == pytest.approx(3, abs=0.05)


def test_excess_kurtosis_would_miss_the_published_figure():
    """The case psr-nonnormal of reference_cases.json, with the mistake made: 0.913 becomes 0.920."""
    ratio = 1.585 / math.sqrt(12)
    assert sharpe.probabilistic_sharpe(ratio, 0, 24, -2.448, 10.164) == pytest.approx(0.9132, abs=1e-4)
    assert sharpe.probabilistic_sharpe(ratio, 0, 24, -2.448, 10.164 - 3) > 0.919


def test_the_backtest_must_be_longer_the_more_was_tried_and_the_lower_the_sharpe():
    lengths = [float(sharpe.minimum_backtest_length(0.1, trials)) for trials in (1, 2, 10, 100)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert sharpe.minimum_backtest_length(0.05, 10) == pytest.approx(4 * lengths[2])
    assert np.isnan(sharpe.minimum_backtest_length(np.array([0.0, -0.1, np.nan]), 10)).all()


def test_the_best_of_trials_without_skill_shows_its_sharpe_within_the_minimum_length():
    """Simulated: the mean best of 20 worthless trials over that many periods is about the Sharpe."""
    length = round(float(sharpe.minimum_backtest_length(0.1, 20)))
    random = np.random.default_rng(9)
    best = [sharpe.moments(random.normal(size=(20, length))).sharpe.max() for _ in range(300)]
    assert np.mean(best) == pytest.approx(0.1, rel=0.05)


def test_the_brier_score_is_the_mean_squared_error_of_what_was_forecast():
    assert sharpe.brier_score(np.array([0.5, 0.5]), np.array([True, False])) == 0.25
    assert sharpe.brier_score(np.array([1.0, 0.2, np.nan]), np.array([True, False, True])) == pytest.approx(
        0.02
    )
    assert math.isnan(sharpe.brier_score(np.array([np.nan]), np.array([True])))


RATIOS, LENGTHS, TRIALS = (0.0, 0.02, 0.05, 0.1, 0.2), (30, 63, 250, 1000), (1, 5, 60, 500)


@pytest.mark.parametrize("shape", [(0.0, 3.0), (-1.0, 8.0), (0.8, 12.0)], ids=str)
def test_each_part_of_the_confidence_falls_with_costs_with_trials_and_with_a_shorter_history(shape):
    """Costs lower a Sharpe; less history widens its error. A forecast is calibrated by a curve that rises."""
    for length in LENGTHS:
        errors = [sharpe.sharpe_error(ratio, length, *shape) for ratio in RATIOS]
        raw = [float(sharpe.profit_probability(*pair, 0.03, 63)) for pair in zip(RATIOS, errors, strict=True)]
        assert raw == sorted(raw)
        for trials in TRIALS:
            deflated = [sharpe.deflated_sharpe(ratio, 0.001, trials, length, *shape) for ratio in RATIOS]
            assert deflated == sorted(deflated)
    for ratio in RATIOS[1:]:
        errors = [sharpe.sharpe_error(ratio, length, *shape) for length in LENGTHS]
        raw = [float(sharpe.profit_probability(ratio, error, 0.03, 63)) for error in errors]
        assert raw == sorted(raw)
        for length in LENGTHS:
            deflated = [sharpe.deflated_sharpe(ratio, 0.001, trials, length, *shape) for trials in TRIALS]
            assert deflated == sorted(deflated, reverse=True)
        for trials in TRIALS:  # a Sharpe above what luck shows; below it a long record convicts
            if ratio > sharpe.deflated_benchmark(0.001, trials):
                said = [sharpe.deflated_sharpe(ratio, 0.001, trials, length, *shape) for length in LENGTHS]
                assert said == sorted(said)
