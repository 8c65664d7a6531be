"""Multiplicative weights over test spans: never far behind the best strategy in hindsight, whatever comes.

w ∝ exp(η G), G being what a strategy gained in the spans known by now, each gain within ±b. With
η = √(8 ln K / t) / 2b for the t-th span, the regret against the best of K after T spans is at most
2b (2 √(T ln K / 2) + √(ln K / 8)): Cesa-Bianchi and Lugosi (2006), theorem 2.3, which does not ask for T
beforehand. A gain is the span's profit over its standard error, so that no strategy leads by its volatility.
"""

import numpy as np

from python_steps.policy import StrategyWeights
from python_steps.strategy_weighting import normalise, total
from python_steps.weightings import Shown
from python_steps.weightings._gains import gains

Array = np.ndarray

MOST = 3.0  # standard errors that a span can gain or lose


def weigh(shown: Shown, adopted: Array, knobs: StrategyWeights) -> Array:
    """Shares of the adopted strategies for the span to come; zeros where nothing is adopted."""
    gained, spans = gains(shown.spans, adopted, MOST)
    return _shares(_summed(gained)[..., -1], adopted, _rate(spans + 1, adopted))


def regret(shown: Shown, adopted: Array) -> tuple[Array, Array, Array]:
    """Spans, regret and its bound for each asset, had it been played since the first span.

    Regret is what the best of the adopted gained in all, less what shares made before each span gained in it,
    in standard errors. Spans that are known of nobody adopted are no rounds.
    """
    gained, spans = gains(shown.spans, adopted, MOST)
    is_round = (adopted[..., None] & np.isfinite(shown.spans)).any(axis=-2)
    rounds = np.cumsum(is_round, axis=-1)
    before = _summed(gained)
    won = np.zeros(adopted.shape[:-1])
    for span in range(shown.spans.shape[-1]):
        shares = _shares(before[..., span], adopted, _rate(np.maximum(rounds[..., span], 1), adopted))
        won += total(shares * gained[..., span])[..., 0]
    best = np.max(np.where(adopted, before[..., -1], -np.inf), axis=-1, initial=-np.inf)
    return spans, np.where(adopted.any(axis=-1), best - won, 0.0), bound(spans, adopted.sum(axis=-1))


def bound(spans: Array, strategies: Array) -> Array:
    """The most that regret can be after so many spans, with so many strategies."""
    experts = np.log(np.maximum(strategies, 1))
    return 2 * MOST * (2 * np.sqrt(spans * experts / 2) + np.sqrt(experts / 8))


def _summed(gained: Array) -> Array:
    """Gains before each span, and last after all of them."""
    return np.concatenate([np.zeros((*gained.shape[:-1], 1)), np.cumsum(gained, axis=-1)], axis=-1)


def _rate(rounds: Array, adopted: Array) -> Array:
    return (np.sqrt(8 * np.log(np.maximum(adopted.sum(axis=-1), 1)) / rounds) / (2 * MOST))[..., None]


def _shares(gained: Array, adopted: Array, rate: Array) -> Array:
    best = np.max(np.where(adopted, gained, -np.inf), axis=-1, keepdims=True, initial=-np.inf)
    lead = np.where(adopted, gained - np.where(np.isfinite(best), best, 0.0), 0.0)
    return normalise(np.where(adopted, np.exp(rate * lead), 0.0))
