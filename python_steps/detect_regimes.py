"""Regimes of the market by every detector there is, side by side."""

import math

import numpy as np
import pandas as pd

from python_steps.plugins import discover
from python_steps.regimes._filtering import REGIMES, UNKNOWN

DETECTORS = "python_steps.regimes"
PROBABILITIES = [f"{regime}_probability" for regime in REGIMES]
SAID = ["regime", *PROBABILITIES]
BEFORE_ANY_RETURN = ["neutral", *[UNKNOWN] * len(REGIMES)]


def detect_all(decision_returns: pd.DataFrame, decisions: pd.Series, clock: str, run_id: str) -> pd.DataFrame:
    """Rows of steps.regimes for each of `decisions` and each detector, in that order.

    `decision_returns` has clock, symbol, decision_at and simple_return (null at an asset's first mark),
    with the whole history up to the decisions; `decisions` are the instants asked for. A decision at which
    nothing has a return takes the regime of the one before; before the first return it is neutral, with 1/3
    each. `probability` is that of the regime said.
    """
    market = market_returns(decision_returns[decision_returns["clock"] == clock])
    wanted = pd.DatetimeIndex(decisions).unique().sort_values()
    rows = [
        _at(wanted, detector.detect(market)).assign(detector=name)
        for name, detector in discover(DETECTORS).items()
    ]
    regimes = pd.concat(rows, ignore_index=True).assign(clock=clock, run_id=run_id)
    regimes["known_at"] = regimes["decision_at"]
    regimes = regimes.sort_values(["detector", "decision_at"], ignore_index=True)
    chances = regimes[PROBABILITIES].to_numpy()
    said = regimes["regime"].map({regime: place for place, regime in enumerate(REGIMES)}).to_numpy(dtype=int)
    regimes["probability"] = chances[np.arange(len(regimes)), said]
    keys, known = ["clock", "detector", "decision_at"], ["known_at", "run_id"]
    return regimes[[*keys, "regime", "probability", *PROBABILITIES, *known]]


def market_returns(decision_returns: pd.DataFrame) -> pd.Series:
    """Equal-weighted mean of the simple returns there are at each decision, indexed by decision_at.

    Sums are exactly rounded: neither the order of symbols nor later rows change a bit.
    """
    known = decision_returns.dropna(subset=["simple_return"]).sort_values("decision_at", kind="stable")
    instants, starts = np.unique(known["decision_at"].to_numpy(), return_index=True)
    parts = np.split(known["simple_return"].to_numpy(dtype=float), starts[1:]) if len(known) else []
    means = [math.fsum(part) / len(part) for part in parts]
    return pd.Series(means, index=pd.DatetimeIndex(instants, name="decision_at"), dtype="float64")


def _at(wanted: pd.DatetimeIndex, detected: pd.DataFrame) -> pd.DataFrame:
    """The last detected state at or before each wanted decision."""
    place = pd.DatetimeIndex(detected["decision_at"]).searchsorted(wanted, side="right")
    states = pd.DataFrame([BEFORE_ANY_RETURN], columns=SAID)
    states = pd.concat([states, detected[SAID]], ignore_index=True)
    return states.iloc[place].reset_index(drop=True).assign(decision_at=wanted)
