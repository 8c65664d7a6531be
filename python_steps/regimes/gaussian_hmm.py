"""Three hidden states with normal returns: calm, mixed and rough; filtered, and fitted on the past alone."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from python_steps.regimes._filtering import bounded, in_order, likeliest, refitted, robust_deviation, rows

Array = np.ndarray

STATES = 3
STAY = 0.98  # where fits begin, and the one transition of the prior
SEED_DECISIONS = 20
ITERATIONS = 50
LEAST_GAIN = 0.01  # in log likelihood, below which a fit has come to rest
NO_DEVIATION = 1e-15

START = np.full(STATES, 1 / STATES)
PRIOR_TRANSITIONS = np.where(np.eye(STATES, dtype=bool), STAY, (1 - STAY) / (STATES - 1))


class Parameters(NamedTuple):
    """Of returns in units of `deviation`: transitions[i, j] is the probability of j after i; the first state
    is any, with 1/3."""

    deviation: float
    transitions: Array
    means: Array
    variances: Array


def detect(market: pd.Series) -> pd.DataFrame:
    """Regime at each decision, from the market's returns up to and including it.

    `market` is the equal-weighted simple return of the universe per decision, without gaps, indexed by
    decision_at. Returns decision_at, regime and the three probabilities, in order of decision_at.

    A hidden Markov chain of three states, each with a mean and a variance of returns. Its parameters are
    fitted on all returns known at decision 252 and then every 63 decisions; the states are ordered by
    variance inside each fit, and in that order are risk_on, neutral and risk_off. The probability is the
    filtered P(state | returns up to the decision), never the smoothed one; the regime is the likeliest.
    Until there is a fit, or where most returns are 0, it is neutral with 1/3 each.
    Source: Hamilton 1989; Rabiner 1989, section III. Raises ValueError where a return is not finite.
    """
    market = in_order(market, "gaussian_hmm")
    chances = refitted(market.to_numpy(dtype=float), fit, filtered)
    return rows(market, likeliest(chances), chances)


def filtered(returns: Array, parameters: Parameters) -> Array:
    """P(state at t | returns up to t), a row for each return: the forward recursion, in logs."""
    observed = bounded(returns, parameters.deviation)
    log_transitions = np.log(parameters.transitions)
    log_states = np.empty((len(observed), STATES))
    before = np.log(START)
    for place, log_density in enumerate(_log_densities(observed, parameters)):
        joint = before + log_density
        log_states[place] = joint - np.logaddexp.reduce(joint)
        before = np.logaddexp.reduce(log_states[place][:, None] + log_transitions, axis=0)
    states = np.exp(log_states)
    return states / states.sum(axis=1, keepdims=True)


def fit(returns: Array, before: Parameters | None) -> Parameters | None:
    """Parameters by expectation and maximisation over a whole span, in order of variance.

    It begins at the parameters before, and anew from the data, and keeps the likelier end of the two. None
    where most returns are 0.
    """
    deviation = robust_deviation(returns)
    if deviation <= NO_DEVIATION:
        return None
    observed = bounded(returns, deviation)
    starts = [_seed(observed, deviation)] + ([] if before is None else [before])
    ends = [_maximised(observed, start) for start in starts]
    best = max(ends, key=lambda end: end[1])[0]
    order = np.argsort(best.variances, kind="stable")
    return Parameters(
        deviation, best.transitions[np.ix_(order, order)], best.means[order], best.variances[order]
    )


def _seed(observed: Array, deviation: float) -> Parameters:
    """No drift, and the variances of the calmest third of the past, the middle, and the roughest."""
    squares = np.concatenate([[0.0], np.cumsum(observed**2)])
    recent = squares[SEED_DECISIONS:] - squares[:-SEED_DECISIONS]
    thirds = np.array_split(np.argsort(recent, kind="stable"), STATES)
    latest = [observed[third + SEED_DECISIONS - 1] for third in thirds]
    variances = [(1 + (part**2).sum()) / (1 + len(part)) for part in latest]
    return Parameters(deviation, PRIOR_TRANSITIONS, np.zeros(STATES), np.array(variances))


def _maximised(observed: Array, parameters: Parameters) -> tuple[Parameters, float]:
    """Parameters at rest, and the log likelihood of those one step before."""
    likelihood = -np.inf
    for _ in range(ITERATIONS):
        last = likelihood
        parameters, likelihood = step(observed, parameters)
        if likelihood - last < LEAST_GAIN:
            break
    return parameters, likelihood


def step(observed: Array, parameters: Parameters) -> tuple[Parameters, float]:
    """One step of expectation and maximisation, and the log likelihood of the parameters it began with.

    Each state counts one return of mean 0 and variance 1 beside its own, and each row of the transitions one
    of the prior's, so that a state that was hardly seen stays a state.
    """
    states, transitions, likelihood = _expected(observed, parameters)
    weights = 1 + states.sum(axis=0)
    means = (states * observed[:, None]).sum(axis=0) / weights
    around = (states * (observed[:, None] - means) ** 2).sum(axis=0)
    counts = transitions + PRIOR_TRANSITIONS
    fitted = Parameters(
        parameters.deviation,
        counts / counts.sum(axis=1, keepdims=True),
        means,
        (1 + means**2 + around) / weights,
    )
    return fitted, likelihood


def _expected(observed: Array, parameters: Parameters) -> tuple[Array, Array, float]:
    """State at each return and number of each transition, expected given the whole span that is fitted on;
    and its log likelihood (Rabiner 1989, section III)."""
    log_densities = _log_densities(observed, parameters)
    highest = log_densities.max(axis=1, keepdims=True)
    densities = np.exp(log_densities - highest).T
    moves = parameters.transitions[:, :, None] * densities[None, :, 1:]
    first = START * densities[:, 0]
    forward = np.concatenate(
        [first[:, None], (first[:, None, None] * _running_products(moves)).sum(axis=0)], axis=1
    )
    forward /= forward.sum(axis=0)
    back = _running_products(moves.transpose(1, 0, 2)[:, :, ::-1])[:, :, ::-1].sum(axis=0)
    backward = np.concatenate([back, np.ones((STATES, 1))], axis=1)
    states = forward * backward
    states /= states.sum(axis=0)
    pairs = forward[:, None, :-1] * moves
    likelihood = np.log(first.sum()) + np.log(pairs.sum(axis=(0, 1))).sum() + highest.sum()
    pairs = pairs * backward[None, :, 1:]
    pairs /= pairs.sum(axis=(0, 1))
    return states.T, pairs.sum(axis=2), float(likelihood)


def _running_products(matrices: Array) -> Array:
    """Product of all matrices up to each one, each scaled to sum 1; the last axis counts them.

    By doubling (Hillis and Steele 1986): log2(n) products of whole arrays in place of n small ones.
    """
    products, span = matrices / matrices.sum(axis=(0, 1)), 1
    while span < products.shape[2]:
        joined = (products[:, :, None, :-span] * products[None, :, :, span:]).sum(axis=1)
        products = np.concatenate([products[:, :, :span], joined / joined.sum(axis=(0, 1))], axis=2)
        span *= 2
    return products


def _log_densities(observed: Array, parameters: Parameters) -> Array:
    """Log of the normal density of each return in each state."""
    return -0.5 * (
        np.log(2 * np.pi * parameters.variances)
        + (observed[:, None] - parameters.means) ** 2 / parameters.variances
    )
