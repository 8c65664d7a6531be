"""What detectors share: returns in order, parameters fitted anew on what is known, and the rows they give."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

Array = np.ndarray
Parameters = TypeVar("Parameters")

REGIMES = ("risk_on", "neutral", "risk_off")
UNKNOWN = 1 / 3
# Fixed before looking: a year of decisions before the first fit, and a quarter between fits.
FIRST_FIT = 252
NEXT_FIT = 63
OUTERMOST = 10.0  # robust deviations; a return beyond them counts as this one, as in market_surges


def in_order(market: pd.Series, detector: str) -> pd.Series:
    """Returns by decision_at. Raises ValueError where one is not finite."""
    if not np.isfinite(market.to_numpy(dtype=float)).all():
        raise ValueError(f"{detector}: a market return is not finite")
    return market.sort_index()


def robust_deviation(returns: Array) -> float:
    """1.4826 times the median absolute return: the deviation of a normal one around 0. One outlier cannot
    move it; it is 0 where most returns are."""
    return 1.4826 * float(np.median(np.abs(returns)))


def bounded(returns: Array, deviation: float) -> Array:
    """Returns in units of `deviation`, at most OUTERMOST from 0."""
    return np.clip(returns / deviation, -OUTERMOST, OUTERMOST)


def refitted(
    returns: Array,
    fit: Callable[[Array, Parameters | None], Parameters | None],
    filtered: Callable[[Array, Parameters], Array],
) -> Array:
    """Probabilities of REGIMES at each decision, by parameters fitted on the returns known by then alone.

    `fit` gets all returns known at its decision, the first time 252 of them and then every 63 decisions, with
    the parameters before, and gives None where nothing can be told apart; `filtered` gives the probabilities
    at each of the returns it gets, from those up to it. What was said before a fit stays. Each regime has
    probability 1/3 until there are parameters.
    """
    chances = np.full((len(returns), len(REGIMES)), UNKNOWN)
    parameters = None
    for known in range(FIRST_FIT, len(returns) + 1, NEXT_FIT):
        parameters, until = fit(returns[:known], parameters), known + NEXT_FIT - 1
        if parameters is not None:
            chances[known - 1 : until] = filtered(returns[:until], parameters)[known - 1 : until]
    return chances


def likeliest(chances: Array) -> list[str]:
    """The regime of highest probability at each decision; neutral where it is as likely as another."""
    neutral_first = [1, 0, 2]
    return [REGIMES[neutral_first[place]] for place in np.argmax(chances[:, neutral_first], axis=1)]


def rows(market: pd.Series, regimes: list[str], chances: Array) -> pd.DataFrame:
    """What a detector gives: decision_at, regime, and the probability of each of REGIMES."""
    said = {"decision_at": market.index, "regime": pd.Series(regimes, dtype="str")}
    parts = {f"{name}_probability": chances[:, place] for place, name in enumerate(REGIMES)}
    return pd.DataFrame(said | parts)
