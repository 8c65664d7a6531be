"""Inference on Sharpe ratios of per-period returns: errors, deflation, overfitting, stability.

Undefined is NaN, never 0 and never infinite. Kurtosis is never in excess: a normal distribution has 3.
A Sharpe ratio is per period here; times the root of the periods per year it is annual.
"""

from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

Array = np.ndarray

NO_DEVIATION = 1e-15
MINIMUM_CONFIGURATIONS = 10
MINIMUM_REGIME = 30
MINIMUM_RESOLVED = 50
EULER = 0.5772156649015329


class Moments(NamedTuple):
    """Of series along a last axis that is gone; NaN where undefined, but for `observations`."""

    observations: Array
    mean: Array
    sharpe: Array
    skew: Array
    kurtosis: Array


def moments(returns: Array, known: Array | None = None) -> Moments:
    """Moments along the last axis, over the entries that are `known` (all, if None).

    The deviation in the Sharpe has n - 1 below it; skew and kurtosis are of the sample. Fewer than
    two returns, or a deviation of at most 1e-15, leave Sharpe, skew and kurtosis undefined.
    Raises ValueError where a known return is not finite.
    """
    known = np.ones(returns.shape, dtype=bool) if known is None else known
    values = np.where(known, returns, 0.0)
    if not np.isfinite(values).all():
        raise ValueError("moments: a return is not finite")
    count = known.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = values.sum(axis=-1) / count
        centred = np.where(known, values - mean[..., None], 0.0)
        squares = centred * centred
        second = squares.sum(axis=-1)
        deviation = np.sqrt(second / (count - 1))
        defined = (count >= 2) & (deviation > NO_DEVIATION)
        variance = np.where(defined, second / count, np.nan)
        skew = (squares * centred).sum(axis=-1) / count / variance**1.5
        kurtosis = (squares * squares).sum(axis=-1) / count / variance**2
        return Moments(count, mean, np.where(defined, mean / deviation, np.nan), skew, kurtosis)


def sharpe(returns: Array) -> float:
    """Mean over deviation, per period; undefined below two returns or without deviation."""
    return float(moments(np.asarray(returns, dtype=float)).sharpe)


def _variance_factor(sharpe: Array, skew: Array, kurtosis: Array) -> Array:
    factor = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return np.where(factor > 0, factor, np.nan)


def sharpe_error(sharpe: Array, observations: Array, skew: Array, kurtosis: Array) -> Array:
    """Standard error of a per-period Sharpe (Mertens 2002). Undefined below two observations."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(_variance_factor(sharpe, skew, kurtosis) / (np.asarray(observations) - 1))
    return np.where(np.asarray(observations) >= 2, error, np.nan)


def probabilistic_sharpe(
    sharpe: Array, benchmark: Array | float, observations: Array, skew: Array, kurtosis: Array
) -> Array:
    """Probability that the true per-period Sharpe is above `benchmark` (Bailey and López de Prado 2012)."""
    return ndtr((sharpe - benchmark) / sharpe_error(sharpe, observations, skew, kurtosis))


def expected_maximum(trials: int) -> float:
    """Expected largest of `trials` independent standard normals; 0 for one trial.

    Bailey and López de Prado 2014; 2.3 % too high at ten trials, below 1 % at a thousand.
    Raises ValueError below one trial.
    """
    if trials < 1:
        raise ValueError(f"expected_maximum: {trials} trials, at least 1 is expected")
    if trials == 1:
        return 0.0
    return float((1 - EULER) * ndtri(1 - 1 / trials) + EULER * ndtri(1 - 1 / (trials * np.e)))


def deflated_benchmark(variance: float, trials: int) -> float:
    """Per-period Sharpe that the best of `trials` without skill is expected to show.

    `variance` is that of the trials' per-period Sharpes; one trial needs none.
    """
    return 0.0 if trials == 1 else float(np.sqrt(variance)) * expected_maximum(trials)


def effective_trials(correlation: float, trials: int) -> int:
    """How many independent trials `trials` with that mean correlation are worth, rounded up to be strict.

    r + (1 - r) N (López de Prado 2018, in the form of Bailey and López de Prado 2014); a negative mean
    correlation counts as none. All of them where it is undefined.
    """
    if not np.isfinite(correlation):
        return trials
    mean = min(max(correlation, 0.0), 1.0)
    return int(np.ceil(mean + (1 - mean) * trials))


def mean_correlation(returns: Array, known: Array) -> float:
    """Mean correlation between pairs of the series (S by T) that move and are known as often as any.

    Undefined with fewer than two of these.
    """
    counts = known.sum(axis=1)
    longest = counts == counts.max(initial=2)
    common = returns[longest][:, known[longest].all(axis=0)]
    moving = common[np.ptp(common, axis=1) > NO_DEVIATION] if common.size else common[:0]
    if len(moving) < 2:
        return float("nan")
    # With unit variance, the variance of the sum is S + S (S - 1) r.
    standard = (moving - moving.mean(axis=1, keepdims=True)) / moving.std(axis=1, keepdims=True)
    whole = np.zeros(standard.shape[1])
    for series in standard:
        whole += series
    size = len(moving)
    return float((whole @ whole / len(whole) - size) / (size * (size - 1)))


def luck_variance(variance: float, errors: Array) -> float:
    """Variance that trials' per-period Sharpes would have if none had skill; undefined where `variance` is.

    The spread that was seen, but no more than sampling explains: what goes beyond the mean squared error is
    true difference, and a trial that truly loses is no reason to doubt one that earns. Trials that move
    together spread less than their errors, and then the spread counts.
    """
    defined = errors[np.isfinite(errors)]
    return min(variance, float(np.mean(defined**2))) if len(defined) else variance


def deflated_sharpe(
    sharpe: Array, variance: float, trials: int, observations: Array, skew: Array, kurtosis: Array
) -> Array:
    """Probabilistic Sharpe against what `trials` trials would show by luck (Bailey and López de Prado 2014).

    Undefined where the variance of the trials' Sharpes is, unless there was one trial only.
    """
    benchmark = deflated_benchmark(variance, trials)
    return probabilistic_sharpe(sharpe, benchmark, observations, skew, kurtosis)


def minimum_track_record(
    sharpe: Array, benchmark: Array | float, skew: Array, kurtosis: Array, confidence: float = 0.95
) -> Array:
    """Periods after which the Sharpe is believed to be above `benchmark` (Bailey and López de Prado 2012).

    A Sharpe that is not above the benchmark never will be: undefined, so NaN and not infinite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.where(sharpe > benchmark, sharpe - benchmark, np.nan)
        return 1 + _variance_factor(sharpe, skew, kurtosis) * (ndtri(confidence) / above) ** 2


def minimum_backtest_length(sharpe: Array, trials: int) -> Array:
    """Periods after which the best of `trials` trials without skill shows no such Sharpe any more.

    (E[max] / Sharpe)² (Bailey, Borwein, López de Prado and Zhu 2014). In a shorter record it may be that of
    the luckiest. A Sharpe that is not above 0 asks for no such length: undefined.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return (expected_maximum(trials) / np.where(sharpe > 0, sharpe, np.nan)) ** 2


def cv_stability(sharpes: Array, errors: Array) -> Array:
    """1 where sampling error explains the spread of Sharpes between windows, towards 0 where it does not.

    min(1, (K - 1) / Q) with Cochran's Q about the mean weighted by 1 / error², along the last axis
    (1 - I² of meta-analysis). Windows without a Sharpe or an error are left out; undefined below two.
    """
    defined = np.isfinite(sharpes) & np.isfinite(errors) & (np.nan_to_num(errors) > 0)
    count = defined.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(defined, 1 / errors**2, 0.0)
        values = np.where(defined, sharpes, 0.0)
        centre = (precision * values).sum(axis=-1) / precision.sum(axis=-1)
        spread = (precision * (values - centre[..., None]) ** 2).sum(axis=-1)
        stability = np.where(spread > count - 1, (count - 1) / spread, 1.0)
    return np.where(count >= 2, stability, np.nan)


def train_test_gap(train: Array, test: Array) -> float:
    """Mean over windows of (train - test) / (|train| + |test| + 1), annual Sharpes: in (-1, 1), 0 is none.

    Windows where one is undefined are left out; undefined where none is left.
    """
    train, test = np.asarray(train, dtype=float), np.asarray(test, dtype=float)
    defined = np.isfinite(train) & np.isfinite(test)
    if not defined.any():
        return float("nan")
    train, test = train[defined], test[defined]
    return float(np.mean((train - test) / (np.abs(train) + np.abs(test) + 1)))


def max_drawdown(returns: Array) -> Array:
    """Worst fall of compounded returns along the last axis from their peak, the start included; at most 0."""
    wealth = np.cumprod(1 + returns, axis=-1)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=-1), 1.0)
    return np.minimum((wealth / peak - 1).min(axis=-1, initial=0.0), 0.0)


def profit_probability(sharpe: Array, error: Array, prior_deviation: float, span: int | float) -> Array:
    """Probability that the mean return of the next `span` periods is above 0.

    The true per-period Sharpe is normal about 0 with `prior_deviation` before, and about
    k sharpe with variance k error² after, k = prior² / (prior² + error²); the Sharpe of the span scatters
    about it with variance 1 / span. Undefined where Sharpe or error is.
    """
    kept = prior_deviation**2 / (prior_deviation**2 + error**2)
    return ndtr(kept * sharpe / np.sqrt(kept * error**2 + 1 / span))


def calibrate(probability: float, forecasts: Array, came_true: Array) -> float:
    """What past forecasts like `probability` were worth: isotonic regression of outcomes on forecasts.

    Linear between distinct forecasts, level outside them. Undefined below fifty resolved forecasts.
    """
    from scipy.optimize import isotonic_regression  # here: most commands import this module, few calibrate

    if len(forecasts) < MINIMUM_RESOLVED or not np.isfinite(probability):
        return float("nan")
    levels, group, counts = np.unique(forecasts, return_inverse=True, return_counts=True)
    hits = np.bincount(group, weights=came_true.astype(float))
    fitted = isotonic_regression(hits / counts, weights=counts.astype(float)).x
    return float(np.clip(np.interp(probability, levels, fitted), 0.0, 1.0))


def brier_score(forecasts: Array, came_true: Array) -> float:
    """Mean squared error of forecast probabilities (Brier 1950): 0.25 is that of a coin, 0 the best.

    Undefined forecasts are left out; undefined where none is left.
    """
    is_made = np.isfinite(forecasts)
    return float(np.mean((forecasts - came_true)[is_made] ** 2)) if is_made.any() else float("nan")


def regime_consistency(returns: Array, regimes: Array) -> float:
    """Worst over best probabilistic Sharpe of the regimes with at least 30 returns; in [0, 1].

    `regimes` are filtered labels, one for each return. Undefined with fewer than two such regimes.
    """
    found = []
    for regime in sorted(set(regimes)):
        part = moments(returns[regimes == regime])
        if part.observations >= MINIMUM_REGIME and np.isfinite(part.sharpe):
            found.append(
                float(probabilistic_sharpe(part.sharpe, 0.0, part.observations, part.skew, part.kurtosis))
            )
    if len(found) < 2 or not np.isfinite(found).all() or max(found) <= 0:
        return float("nan")
    return min(found) / max(found)


def cscv_pbo(
    returns: Array,
    blocks: int = 16,
    metric: str = "sharpe",
    minimum_configurations: int = MINIMUM_CONFIGURATIONS,
) -> float:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    `returns` is periods by configurations. Every half of the blocks chooses its best configuration; the
    share of halves for which that one's logit of relative rank in the other half is <= 0 is the PBO
    (Bailey, Borwein, López de Prado, Zhu 2016). `metric` is 'sharpe' or 'mean'.

    Conventions: a logit of exactly 0 counts as overfit; ties share their average rank, and the first of
    equal best is chosen; the oldest periods that fill no block are left out; configurations that never
    move are left out; within a half, one without deviation ranks as 0. Undefined below ten
    configurations, which are too few to act on, and below two periods a block.
    """
    logits = _cscv_logits(returns, blocks, metric, minimum_configurations)
    return float(np.mean(logits <= 0)) if len(logits) else float("nan")


def _cscv_logits(returns: Array, blocks: int, metric: str, minimum_configurations: int) -> Array:
    returns = returns[:, np.ptp(returns, axis=0) > NO_DEVIATION] if len(returns) else returns
    periods, configurations = returns.shape
    length = periods // blocks
    if configurations < max(2, minimum_configurations) or length < 2:
        return np.empty(0)
    folded = returns[periods - blocks * length :].reshape(blocks, length, configurations)
    rates = _half_metrics(folded, metric)
    best = rates.argmax(axis=1)
    others = rates[::-1]  # masks ascend, so the complement of the first is the last
    chosen = np.take_along_axis(others, best[:, None], axis=1)
    rank = (others < chosen).sum(axis=1) + ((others == chosen).sum(axis=1) + 1) / 2
    return np.log(rank / (configurations + 1 - rank))


def _half_metrics(folded: Array, metric: str) -> Array:
    """Metric of each half of the blocks, halves by configurations, in ascending order of bit mask."""
    blocks, length, _ = folded.shape
    masks = _halves(blocks)
    count = blocks // 2 * length
    if metric == "mean":
        return _sums_by_mask(folded.sum(axis=1), masks) / count
    centre = folded.mean(axis=(0, 1))  # keeps the squares small, so that their difference is exact enough
    shifted = folded - centre
    first = _sums_by_mask(shifted.sum(axis=1), masks) / count
    second = _sums_by_mask((shifted * shifted).sum(axis=1), masks) / count
    variance = second - first * first
    variance *= count / (count - 1)
    second *= 1e-12
    is_still = variance <= second + NO_DEVIATION**2
    variance[is_still] = np.inf
    first += centre
    return np.divide(first, np.sqrt(variance, out=variance), out=first)


@cache
def _halves(blocks: int) -> Array:
    """Bit masks of all halves of the blocks, ascending."""
    return np.sort([sum(1 << block for block in half) for half in combinations(range(blocks), blocks // 2)])


def _sums_by_mask(block_sums: Array, masks: Array) -> Array:
    """Sum of the blocks in each mask, from tables of all subsets of the lower and of the upper blocks."""
    lower = len(block_sums) // 2
    low, high = _subset_sums(block_sums[:lower]), _subset_sums(block_sums[lower:])
    return low[masks & ((1 << lower) - 1)] + high[masks >> lower]


def _subset_sums(block_sums: Array) -> Array:
    table = np.zeros((1, block_sums.shape[1]))
    for row in block_sums:
        table = np.concatenate([table, table + row])
    return table
