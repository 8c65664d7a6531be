"""Three clusters of volatility, and a price on changing from one to another: a statistical jump model."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from python_steps.regimes._filtering import (
    UNKNOWN,
    bounded,
    in_order,
    likeliest,
    refitted,
    robust_deviation,
    rows,
)

Array = np.ndarray

STATES = 3
WINDOWS = (6, 14)  # decisions, as in the paper
WARM_UP = max(WINDOWS) - 1  # decisions without features
# Fixed before looking: a jump costs as much as ten decisions one deviation off in both features.
PENALTY = 20.0
ODDS = 63.0  # a state that is a whole penalty dearer is as unlikely as one jump a quarter
CALMEST = 0.01  # of the robust deviation; the log of 0 is none
ITERATIONS = 20
NO_DEVIATION = 1e-15


class Parameters(NamedTuple):
    """Features of returns in units of `deviation`, in units of their own `spread` around `middle`, and the
    centres of the states among them, a row each."""

    deviation: float
    middle: Array
    spread: Array
    centres: Array


def detect(market: pd.Series) -> pd.DataFrame:
    """Regime at each decision, from the market's returns up to and including it.

    `market` is the equal-weighted simple return of the universe per decision, without gaps, indexed by
    decision_at. Returns decision_at, regime and the three probabilities, in order of decision_at.

    The features x are the logs of the root mean square of the last 6 and of the last 14 returns. States s
    and their centres c minimise the sum of (x - c(s))², and of 20 for each jump to another state, over all
    returns known at decision 252 and then every 63 decisions; in order of rising volatility they are risk_on,
    neutral and risk_off. The state at a decision is the last one of the cheapest path up to it, which no
    later return traces back. A state's probability falls with the cost V of the cheapest path that ends in
    it: in proportion to 63^(-V / 20). Until there is a fit, or where most returns are 0, it is neutral with
    1/3 each.
    Source: Nystrup, Kolm and Lindström 2020; features of the past alone from Nystrup, Lindström and Madsen
    2020, of which those that tell of volatility. Raises ValueError where a return is not finite.
    """
    market = in_order(market, "jump_model")
    chances = refitted(market.to_numpy(dtype=float), fit, filtered)
    return rows(market, likeliest(chances), chances)


def filtered(returns: Array, parameters: Parameters) -> Array:
    """Probability of each state at each return, from those up to it; 1/3 while there are no features."""
    costs = path_costs(losses(returns, parameters))
    weights = ODDS ** ((costs.min(axis=1, keepdims=True) - costs) / PENALTY)
    unknown = np.full((len(returns) - len(costs), STATES), UNKNOWN)
    return np.concatenate([unknown, weights / weights.sum(axis=1, keepdims=True)])


def path_costs(charged: Array) -> Array:
    """Cost V of the cheapest path that ends in each state at each decision, the cheapest of all at 0.

    V(t, k) = loss(t, k) + min(V(t-1, k), min over j of V(t-1, j) + penalty): forward alone.
    """
    costs = np.empty_like(charged)
    before = np.zeros(STATES)
    for place, loss in enumerate(charged):
        before = loss + np.minimum(before, PENALTY)
        before -= before.min()
        costs[place] = before
    return costs


def fit(returns: Array, before: Parameters | None) -> Parameters | None:
    """Centres by coordinate descent over a whole span, in order of rising volatility.

    It begins at the centres before, and anew from thirds of the data, and keeps the cheaper end of the two.
    None where most returns are 0, or all features the same.
    """
    deviation = robust_deviation(returns)
    if deviation <= NO_DEVIATION:
        return None
    seen = features(returns, deviation)
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    if not (spread > NO_DEVIATION).all():
        return None
    scaled = (seen - middle) / spread
    starts = [_seed(scaled)]
    if before is not None:
        starts.append((before.centres * before.spread + before.middle - middle) / spread)
    centres = min((_descended(scaled, start) for start in starts), key=lambda end: end[1])[0]
    return Parameters(deviation, middle, spread, centres[np.argsort(centres.sum(axis=1), kind="stable")])


def _seed(scaled: Array) -> Array:
    """Centres of the calmest third of the past, the middle, and the roughest."""
    thirds = np.array_split(np.argsort(scaled.sum(axis=1), kind="stable"), STATES)
    return np.array([scaled[third].mean(axis=0) for third in thirds])


def _descended(scaled: Array, centres: Array) -> tuple[Array, float]:
    """Centres at rest, and the cost of the cheapest path among them."""
    states = np.full(len(scaled), -1)
    for _ in range(ITERATIONS):
        last, (states, cost) = states, cheapest_path(_squared_distances(scaled, centres))
        if (states == last).all():
            break
        centres = np.array(
            [
                scaled[states == state].mean(axis=0) if (states == state).any() else centres[state]
                for state in range(STATES)
            ]
        )
    return centres, cost


def cheapest_path(charged: Array) -> tuple[Array, float]:
    """States of the cheapest path over a whole span, traced back from its end, and its cost: for fits."""
    costs = path_costs(charged)
    states = np.empty(len(charged), dtype=int)
    state = int(np.argmin(costs[-1]))
    for place in range(len(charged) - 1, -1, -1):
        states[place] = state
        if place and costs[place - 1, state] > PENALTY:
            state = int(np.argmin(costs[place - 1]))
    jumps = int((states[1:] != states[:-1]).sum())
    return states, float(charged[np.arange(len(charged)), states].sum() + PENALTY * jumps)


def losses(returns: Array, parameters: Parameters) -> Array:
    """Squared distance of the features at each decision to the centre of each state."""
    scaled = (features(returns, parameters.deviation) - parameters.middle) / parameters.spread
    return _squared_distances(scaled, parameters.centres)


def _squared_distances(points: Array, centres: Array) -> Array:
    return ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)


def features(returns: Array, deviation: float) -> Array:
    """Log of the root mean square of the last 6 and 14 returns, a row from the fourteenth decision on.

    Summed lag by lag, so that the bits of a row depend on its own returns alone.
    """
    squares = bounded(returns, deviation) ** 2
    columns = []
    for window in WINDOWS:
        total = np.zeros(len(squares) - WARM_UP)
        for lag in range(window):
            total += squares[WARM_UP - lag : len(squares) - lag]
        columns.append(np.log(np.maximum(np.sqrt(total / window), CALMEST)))
    return np.stack(columns, axis=1)
