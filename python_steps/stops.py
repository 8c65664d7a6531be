"""Rule 9: stop conditions, their latches, and what they do to the weights (formulas.md, section 11).

Drawdown sends all to cash; daily loss and the surges halve what is risky, once even if several do;
staleness and divergence hold the previous weights. Cash wins; hold with halve is half the previous.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from python_steps import policy
from python_steps.projection import shed

ACTIONS = {
    "drawdown": "cash",
    "daily_loss": "halve",
    "staleness": "hold",
    "divergence": "hold",
    "volatility_surge": "halve",
    "correlation_surge": "halve",
}
FALLS = ("drawdown", "daily_loss")  # these trigger at or below their limit, the others at or above
ROUNDING = 1e-12  # 0.8 / 1 - 1 is a little above -0.2 in binary, and must trigger
SIMULATED = "simulated"
FIRST_LIVE = "first_live"


class Reset(NamedTuple):
    """An operator's release of a latch (microseconds)."""

    at: int
    by: str


class Verdict(NamedTuple):
    """One condition at one decision; a row of stop_conditions."""

    condition: str
    value: float | None
    limit: float
    is_triggered: bool
    latched_at: int | None
    reset_by: str | None
    action: str


@dataclass
class Latch:
    """The decision at which a condition latched (microseconds), and the decisions made since then."""

    at: int
    age: int = 0


@dataclass
class Stops:
    """State between two decisions. Whether a live decision was made is told by its own resets."""

    high_water_mark: float = 1.0
    latches: dict[str, Latch] = field(default_factory=dict)
    was_live: bool = False

    def judge(
        self,
        at: int,
        is_backtest: bool,
        value: float,
        net_return: float,
        measured: dict[str, float | None],
        wanted: policy.Stops,
        resets: dict[str, list[Reset]],
    ) -> list[Verdict]:
        """Release, then measure, then latch. `value` is net asset value; `measured` the other conditions.

        The first live decision clears every latch and re-bases the mark. A value that is not finite
        and above 0 triggers the drawdown; a condition that was not measured triggers nothing.
        """
        for latch in self.latches.values():
            latch.age += 1
        released = self._release(at, is_backtest, wanted.simulated_reset, resets)
        if math.isfinite(value) and value > 0:
            self.high_water_mark = value if "drawdown" in released else max(self.high_water_mark, value)
        values = {**measured, "drawdown": self.drawdown(value), "daily_loss": net_return}
        return [
            self._verdict(name, values.get(name), limit_of(wanted, name), at, value, released)
            for name in ACTIONS
        ]

    def drawdown(self, value: float) -> float:
        """Value over the high-water mark, less 1."""
        return value / self.high_water_mark - 1.0

    def _release(
        self, at: int, is_backtest: bool, patience: int, resets: dict[str, list[Reset]]
    ) -> dict[str, str]:
        """Who released what at this decision; the latches are gone."""
        if not is_backtest and not self.was_live:
            self.was_live = True
            self.latches.clear()
            return dict.fromkeys(ACTIONS, FIRST_LIVE)
        released: dict[str, str] = {}
        for condition, latch in self.latches.items():
            by = [reset.by for reset in resets.get(condition, []) if latch.at < reset.at <= at]
            if by:
                released[condition] = by[-1]
            elif is_backtest and latch.age >= patience:
                released[condition] = SIMULATED
        for condition in released:
            del self.latches[condition]
        return released

    def _verdict(
        self,
        condition: str,
        found: float | None,
        limit: float,
        at: int,
        value: float,
        released: dict[str, str],
    ) -> Verdict:
        if found is not None and not math.isfinite(found):
            found = None if math.isnan(found) else found
        reached = found is not None and (
            found <= limit + ROUNDING if condition in FALLS else found >= limit - ROUNDING
        )
        if condition == "drawdown" and not (math.isfinite(value) and value > 0):
            reached = True
        if reached and condition not in self.latches:
            self.latches[condition] = Latch(at)
        latch = self.latches.get(condition)
        return Verdict(
            condition,
            found,
            limit,
            reached,
            latch.at if latch else None,
            released.get(condition),
            ACTIONS[condition] if latch else "none",
        )


def limit_of(wanted: policy.Stops, condition: str) -> float:
    """The policy's limit of a condition."""
    return float(wanted.staleness_hours if condition == "staleness" else getattr(wanted, condition))


def stopped(weights: np.ndarray, previous: np.ndarray, verdicts: list[Verdict]) -> np.ndarray:
    """Risky weights after the stops. Held weights that fees left above 1 in sum are brought back to 1."""
    actions = {verdict.action for verdict in verdicts}
    if "cash" in actions:
        return np.zeros(len(weights))
    if "hold" in actions:
        weights = shed(previous, 1.0)
    return weights / 2 if "halve" in actions else weights
