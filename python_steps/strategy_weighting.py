"""Scores, and the weights of strategies within each asset: rules 3 and 4 of the specification.

One of the weightings says what share each strategy should have; what is done to the answers of all of them
stands here. Arrays are assets by strategies. Sums over strategies run in order, one by one, so that a
strategy whose weight is zero changes no bit of another's.
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


def in_regime(
    whole: Array, error: Array, own: Array, own_error: Array, count: Array, prior: float
) -> tuple[Array, Array]:
    """Sharpe and its error in a regime, shrunk to those of the whole record by their counts.

    Credibility (Bühlmann 1967): Z own + (1 - Z) whole, with Z = n / (n + prior) and n (`count`) the record's
    decisions in the regime. As the regime's decisions are part of the record, with error² in proportion to
    1/n the covariance of the two is the variance of the whole, and error² is Z² own² + (1 - Z²) whole². Where
    the regime's own is undefined, the whole stands.
    """
    is_known = np.isfinite(own) & np.isfinite(own_error)
    share = np.where(is_known, count / (count + prior), 0.0)
    sharpe = share * np.where(is_known, own, 0.0) + (1 - share) * whole
    variance = share**2 * np.where(is_known, own_error, 0.0) ** 2 + (1 - share**2) * error**2
    return sharpe, np.sqrt(variance)


def strategy_weights(target: Array, adopted: Array, previous: Array, knobs: StrategyWeights) -> Array:
    """Weights of the adopted strategies of each asset; what is missing to one is cash.

    `target` are the shares that a weighting wants, zero where `adopted` is not; `previous` are the last
    decision's weights (zeros where there were none). Returns an array of the same shape. A strategy that is
    not adopted is 0 at once. Raises ValueError where a share is no number.
    """
    if not np.isfinite(target).all():
        raise ValueError("strategy_weights: an adopted strategy has no share")
    weights = smooth(target, adopted, previous, knobs.smoothing, knobs.change)
    weights = clip(weights, knobs.clip)
    weights = cap(normalise(weights), knobs.cap)
    return spread(weights, knobs.entropy)


def softmax(scores: Array, adopted: Array, beta: float) -> Array:
    """exp(beta score) over the adopted, to sum one; zeros where nothing is adopted."""
    best = np.max(np.where(adopted, scores, -np.inf), axis=-1, keepdims=True, initial=-np.inf)
    best = np.where(np.isfinite(best), best, 0.0)
    return normalise(np.where(adopted, np.exp(beta * np.where(adopted, scores - best, 0.0)), 0.0))


def smooth(
    target: Array, adopted: Array, previous: Array, alpha: float, change: float | None = None
) -> Array:
    """alpha target + (1 - alpha) previous, over the adopted, alpha so small that at most `change` moves.

    What the adopted weighed before is brought to sum one first, so that the share of a strategy now
    rejected, or of cash, does not slow the rest down; where they weighed nothing, the target stands. What
    moves is half the sum of the changes.
    """
    held = np.where(adopted, previous, 0.0)
    before = np.where(total(held) > 0, normalise(held), target)
    share: float | Array = alpha
    if change is not None:
        moved = total(np.abs(target - before)) / 2
        share = np.where(moved * alpha > change, change / np.where(moved > 0, moved, 1.0), alpha)
    return share * target + (1 - share) * before


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
        shared = np.where(is_capped, most, free * share)
        weights = np.where(is_over.any(axis=-1, keepdims=True), shared, weights)  # others are not touched
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
    short = falls_short[..., 0]
    uneven, even, enough = weights[short], equal[short], least[short]
    below, above = np.zeros(enough.shape), np.ones(enough.shape)
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        is_met = entropy((1 - middle) * uneven + middle * even) >= enough
        below, above = np.where(is_met, below, middle), np.where(is_met, middle, above)
    found = weights.copy()
    found[short] = (1 - above) * uneven + above * even
    return found


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
