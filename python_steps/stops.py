"""Rule 9: stop conditions, their latches, and what they do to the weights (formulas.md, section 11).

Drawdown sends all to cash, save what the policy names as defensive; daily loss, the surges and a solver that
fails halve what is risky, once even if several do; staleness, divergence and missing data hold the previous
weights. Cash wins; hold with halve is half the previous. A decision's level is the worst of its conditions':
0 normal, 1 reduced (held or halved), 2 cash with defensive assets, 3 all out.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from python_steps import policy
from python_steps.least_distance import volatility
from python_steps.limits import Limits
from python_steps.projection import shed

ACTIONS = {
    "drawdown": "cash",
    "deep_drawdown": "cash",
    "daily_loss": "halve",
    "staleness": "hold",
    "divergence": "hold",
    "volatility_surge": "halve",
    "correlation_surge": "halve",
    "missing_rate": "hold",
    "solver_failures": "halve",
}
FALLS = ("drawdown", "deep_drawdown", "daily_loss")  # at or below their limit, the others at or above
DRAWDOWNS = ("drawdown", "deep_drawdown")
SURGES = ("volatility_surge", "correlation_surge")  # what `hysteresis` speaks of
NORMAL, REDUCED, SHELTERED, ALL_OUT = range(4)
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

    @property
    def level(self) -> int:
        """How far it degrades the decision. A value that cannot be known, or is gone, is all out."""
        if self.latched_at is None:
            return NORMAL
        if self.condition == "deep_drawdown" or (self.condition == "drawdown" and _is_lost(self.value)):
            return ALL_OUT
        return SHELTERED if self.condition == "drawdown" else REDUCED


@dataclass
class Latch:
    """The decision at which a condition latched (microseconds), and the decisions made since then."""

    at: int
    age: int = 0


@dataclass
class Stops:
    """State between two decisions. Whether a live decision was made is told by its own resets.

    `disarmed` are surges that were released and have not been calm since; `fallbacks` says of each decision
    since the release of solver_failures whether it was made by the fallback.
    """

    high_water_mark: float = 1.0
    latches: dict[str, Latch] = field(default_factory=dict)
    was_live: bool = False
    disarmed: set[str] = field(default_factory=set)
    fallbacks: list[bool] = field(default_factory=list)

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
        and above 0 triggers the drawdown; a condition that was not measured triggers nothing. Only
        conditions that the policy gives a limit have a verdict.
        """
        for latch in self.latches.values():
            latch.age += 1
        latched = self.latches.keys() & SURGES
        released = self._release(at, is_backtest, wanted.simulated_reset, resets)
        self.disarmed |= latched & released.keys()
        if "solver_failures" in released:
            self.fallbacks.clear()
        if math.isfinite(value) and value > 0:
            self.high_water_mark = value if "drawdown" in released else max(self.high_water_mark, value)
        fall = self.drawdown(value)
        values = {**measured, **dict.fromkeys(DRAWDOWNS, fall), "daily_loss": net_return}
        values["solver_failures"] = self._failed(wanted.solver_failures)
        return [
            self._verdict(name, _known(values.get(name)), limit, at, wanted, released.get(name))
            for name in ACTIONS
            if (limit := limit_of(wanted, name)) is not None
        ]

    def drawdown(self, value: float) -> float:
        """Value over the high-water mark, less 1."""
        return value / self.high_water_mark - 1.0

    def _failed(self, asked: policy.SolverFailures | None) -> float | None:
        """Share of the last decisions, this one not made yet, that were made by the fallback."""
        return None if asked is None else sum(self.fallbacks[-asked.decisions :]) / asked.decisions

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
        wanted: policy.Stops,
        reset_by: str | None,
    ) -> Verdict:
        reached = found is not None and (
            found <= limit + ROUNDING if condition in FALLS else found >= limit - ROUNDING
        )
        if condition in DRAWDOWNS and _is_lost(found):
            reached = True
        if wanted.hysteresis is None or is_calm(found, limit, wanted.hysteresis):
            self.disarmed.discard(condition)
        if reached and condition not in self.latches and condition not in self.disarmed:
            self.latches[condition] = Latch(at)
        latch = self.latches.get(condition)
        verdict = Verdict(condition, found, limit, reached, latch.at if latch else None, reset_by, "none")
        return verdict._replace(action=_action(verdict, wanted)) if latch else verdict


def is_calm(value: float | None, limit: float, hysteresis: float) -> bool:
    """Whether a surge has fallen so far below its limit that it may latch again."""
    return value is not None and value < limit * (1.0 - hysteresis) - ROUNDING


def limit_of(wanted: policy.Stops, condition: str) -> float | None:
    """The policy's limit of a condition; None where it is off."""
    if condition == "solver_failures":
        return None if wanted.solver_failures is None else wanted.solver_failures.limit
    limit = getattr(wanted, {"staleness": "staleness_hours"}.get(condition, condition))
    return None if limit is None else float(limit)


def stopped(
    weights: np.ndarray, previous: np.ndarray, verdicts: list[Verdict], wanted: policy.Stops, limits: Limits
) -> np.ndarray:
    """Risky weights after the stops. Held weights that fees left above the most they may sum to are lowered.

    `weights` and `previous` are in the order of `limits.symbols`. No size grows but by holding the previous.
    """
    actions = {verdict.action for verdict in verdicts}
    if "cash" in actions:
        return np.zeros(len(weights))
    if "hold" in actions:
        weights = shed(previous, limits.gross)
    if "defend" in actions and wanted.defensive is not None:
        weights = _sheltered(weights, wanted.defensive, limits)
    return weights / 2 if "halve" in actions else weights


def _sheltered(weights: np.ndarray, defensive: policy.Defensive, limits: Limits) -> np.ndarray:
    """What of the weights is defensive, lowered to its own limit and, without exception, to all others."""
    is_kept = np.isin(np.array(limits.symbols, dtype=object), defensive.symbols)
    capped = np.clip(weights, limits.lower, limits.upper)
    kept = shed(np.where(is_kept, capped, 0.0), defensive.limit)
    for group in limits.groups:
        kept[group.members] = shed(kept[group.members], group.limit)
    if limits.net is not None:
        low, high = limits.net
        kept = np.where(kept > 0, _lowered(kept, kept > 0, high), _lowered(kept, kept < 0, -low))
    risk = volatility(kept, limits.factor)
    return (
        kept * (limits.volatility / risk)
        if limits.volatility is not None and risk > limits.volatility
        else kept
    )


def _lowered(weights: np.ndarray, side: np.ndarray, most: float) -> np.ndarray:
    """The weights, those of one side lowered to exceed the other side by no more than `most`."""
    others = float(np.abs(weights[~side]).sum())
    return np.where(side, shed(np.where(side, weights, 0.0), most + others), weights)


def _action(verdict: Verdict, wanted: policy.Stops) -> str:
    """What a latched condition does."""
    is_sheltered = verdict.level == SHELTERED and wanted.defensive is not None
    return "defend" if is_sheltered else ACTIONS[verdict.condition]


def _is_lost(fall: float | None) -> bool:
    """Whether the value that a drawdown was measured from is not finite and above 0."""
    return fall is None or not math.isfinite(fall) or fall <= -1.0


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
