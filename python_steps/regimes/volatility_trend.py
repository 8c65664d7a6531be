"""Volatility against its own past, and the sign of the trend: a rule, so there is nothing to fit."""

import math
from bisect import bisect_right, insort

import numpy as np
import pandas as pd
from scipy.special import ndtr

from python_steps.regimes._filtering import UNKNOWN, in_order, rows

VOLATILITY_DECISIONS = 20
TREND_DECISIONS = 100
HIGH_QUANTILE = 0.8


def detect(market: pd.Series) -> pd.DataFrame:
    """Regime at each decision, from the market's returns up to and including it.

    `market` is the equal-weighted simple return of the universe per decision, without gaps, indexed by
    decision_at. Returns decision_at, regime and the three probabilities, in order of decision_at.

    Volatility is high when that of the last 20 decisions is above its 0.8-quantile to date; the trend is
    up when the mean of the last 100 is above 0. risk_off is high and not up, risk_on is up and not high,
    neutral the rest: the rule says so, also where another one is likelier. Probabilities take both as
    independent: up has Φ(mean / standard error); high rises with the rank of today's volatility among all
    to date, in straight lines through 0, 0.5 at the 0.8-quantile, and 1. Until 100 decisions are there, it
    is neutral with 1/3 each. Raises ValueError where a return is not finite.
    """
    market = in_order(market, "volatility_trend")
    returns = [float(value) for value in market]
    seen: list[float] = []
    states = []
    for end in range(1, len(returns) + 1):
        if end >= VOLATILITY_DECISIONS:
            insort(seen, _mean_and_deviation(returns[end - VOLATILITY_DECISIONS : end])[1])
        states.append(_state(returns[:end][-TREND_DECISIONS:], seen))
    chances = np.array([probabilities for _, probabilities in states]).reshape(-1, 3)
    return rows(market, [regime for regime, _ in states], chances)


def _state(recent: list[float], seen: list[float]) -> tuple[str, tuple[float, float, float]]:
    """Regime and probabilities, from the last hundred returns and the sorted volatilities to date."""
    if len(recent) < TREND_DECISIONS:
        return "neutral", (UNKNOWN, UNKNOWN, UNKNOWN)
    mean, deviation = _mean_and_deviation(recent)
    volatility = _mean_and_deviation(recent[-VOLATILITY_DECISIONS:])[1]
    is_up, is_high = mean > 0, volatility > _quantile(seen, HIGH_QUANTILE)
    up = float(ndtr(mean / deviation * math.sqrt(TREND_DECISIONS))) if deviation > 0 else float(is_up)
    high = _probability_high(bisect_right(seen, volatility) / len(seen))
    risk_on, risk_off = up * (1 - high), high * (1 - up)
    regime = {(True, False): "risk_off", (False, True): "risk_on"}.get((is_high, is_up), "neutral")
    return regime, (risk_on, 1 - risk_on - risk_off, risk_off)


def _probability_high(rank: float) -> float:
    if rank <= HIGH_QUANTILE:
        return 0.5 * rank / HIGH_QUANTILE
    return 0.5 + 0.5 * (rank - HIGH_QUANTILE) / (1 - HIGH_QUANTILE)


def _mean_and_deviation(values: list[float]) -> tuple[float, float]:
    """With exactly rounded sums, so that the bits depend on the values alone."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _quantile(ordered: list[float], share: float) -> float:
    """Linear between the order statistics, like numpy's default."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
