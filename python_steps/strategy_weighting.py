"""Scores, and from scores the weights of strategies within each asset: rules 3 and 4 of the specification.

Arrays are assets by strategies. Sums over strategies run in order, one by one, so that a strategy whose
weight is zero changes no bit of another's.
"""

import numpy as np

from python_steps.policy import Score, StrategyWeights

Array = np.ndarray

BISECTIONS = 50


def score(
    sharpe: Array, error: Array, turnover: Array, drawdown: Array, stability: Array, charges: Score
) -> Array:
    """Adjusted Sharpe less charges for turnover, drawdown and instability.

    `sharpe` and its `error` are annual, `turnover` in full turns a month, `drawdown` a fraction of at least
    0. The adjusted Sharpe is sharpe tau² / (tau² + error²). An undefined stability counts as none at all: it
    has not been shown. Undefined where Sharpe or error is.
    """
    prior = charges.sharpe_deviation**2
    instability = 1 - np.where(np.isfinite(stability), stability, 0.0)
    adjusted = sharpe * prior / (prior + error**2)
    return (
        adjusted
        - charges.turnover * turnover
        - charges.drawdown * drawdown
        - charges.instability * instability
    )


def strategy_weights(scores: Array, adopted: Array, previous: Array, knobs: StrategyWeights) -> Array:
    """Weights of the adopted strategies of each asset; what is missing to one is cash.

    `scores` are finite wherever `adopted` is true, `previous` are the last decision's weights (zeros where
    there were none). Returns an array of the same shape. A strategy that is not adopted is 0 at once.
    Raises ValueError where an adopted strategy has no score.
    """
    if not np.isfinite(scores[adopted]).all():
        raise ValueError("strategy_weights: an adopted strategy has no score")
    weights = softmax(scores, adopted, knobs.beta)
    weights = smooth(weights, adopted, previous, knobs.smoothing)
    weights = clip(weights, knobs.clip)
    weights = cap(normalise(weights), knobs.cap)
    return spread(weights, knobs.entropy)


def softmax(scores: Array, adopted: Array, beta: float) -> Array:
    """exp(beta score) over the adopted, to sum one; zeros where nothing is adopted."""
    best = np.max(np.where(adopted, scores, -np.inf), axis=-1, keepdims=True, initial=-np.inf)
    best = np.where(np.isfinite(best), best, 0.0)
    return normalise(np.where(adopted, np.exp(beta * np.where(adopted, scores - best, 0.0)), 0.0))


def smooth(target: Array, adopted: Array, previous: Array, alpha: float) -> Array:
    """alpha target + (1 - alpha) previous, over the adopted.

    What the adopted weighed before is brought to sum one first, so that the share of a strategy now
    rejected, or of cash, does not slow the rest down; where they weighed nothing, the target stands.
    """
    held = np.where(adopted, previous, 0.0)
    before = np.where(total(held) > 0, normalise(held), target)
    return alpha * target + (1 - alpha) * before


def clip(weights: Array, least: float) -> Array:
    """Zero for what is below `least`; where all of an asset's weights are, they stay."""
    kept = np.where(weights >= least, weights, 0.0)
    return np.where(total(kept) > 0, kept, weights)


def cap(weights: Array, most: float) -> Array:
    """No weight above `most`; the excess is shared among the others that have weight, in proportion to it.

    What finds no place is cash: the sum falls to K times `most` where that is below one.
    """
    wanted = total(weights)
    is_capped = np.zeros(weights.shape, dtype=bool)
    for _ in range(weights.shape[-1]):
        is_over = weights > most
        if not is_over.any():
            break
        is_capped |= is_over
        free = np.where(is_capped, 0.0, weights)
        room = wanted - most * is_capped.sum(axis=-1, keepdims=True)
        share = np.where(total(free) > 0, room / np.where(total(free) > 0, total(free), 1.0), 0.0)
        weights = np.where(is_capped, most, free * share)
    return weights


def spread(weights: Array, floor: float) -> Array:
    """The least mix with equal weights over the K survivors whose entropy is at least floor · ln K.

    Entropy is that of the weights' shares in their own sum, and the equal weights have that sum too: cash
    neither counts as diversification nor grows, and the cap holds, since the mean is not above it. K = 1
    has no floor. The mix is found by bisection, a fixed number of times, from the side that meets the floor.
    """
    invested = total(weights)
    survives = weights > 0
    survivors = survives.sum(axis=-1, keepdims=True)
    equal = np.where(survives, invested / np.maximum(survivors, 1), 0.0)
    least = floor * np.log(np.maximum(survivors, 1))
    falls_short = (survivors > 1) & (entropy(weights) < least)
    if not falls_short.any():
        return weights
    below, above = np.zeros(invested.shape), np.ones(invested.shape)
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        is_met = entropy((1 - middle) * weights + middle * equal) >= least
        below, above = np.where(is_met, below, middle), np.where(is_met, middle, above)
    return np.where(falls_short, (1 - above) * weights + above * equal, weights)


def entropy(weights: Array) -> Array:
    """Shannon entropy, in nats, of the shares of the weights in their sum; 0 where the sum is."""
    shares = normalise(weights)
    return -total(shares * np.log(np.where(shares > 0, shares, 1.0)))


def normalise(weights: Array) -> Array:
    """Weights over their sum; zeros stay zeros."""
    whole = total(weights)
    return weights / np.where(whole > 0, whole, 1.0)


def total(values: Array) -> Array:
    """Sum over strategies, one after the other, with the axis kept."""
    if values.shape[-1] == 0:
        return np.zeros((*values.shape[:-1], 1))
    return np.cumsum(values, axis=-1)[..., -1:]
