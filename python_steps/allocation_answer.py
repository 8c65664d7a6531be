"""One decision's answer: the allocator's where it can be had, else cash or a fallback, with the reason.

Allocators know long weights only. Where shorts are allowed, an asset that is expected to fall is shown to
them as its mirror, which returns the opposite: its returns, covariances, view and previous weight with the
sign turned. What they would hold of the mirror is sold short of the asset. So each of them can be asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd

from python_steps import covariances, shadow_prices
from python_steps.allocators import VIEW, ask, believed
from python_steps.least_distance import Region, closest
from python_steps.limits import Limits
from python_steps.policy import Policy
from python_steps.projection import nearest, raw_region, with_room
from python_steps.scenarios import draw

NO_VALUE = "cash, because net asset value is not finite and above 0"
SLACK = 1e-6  # what an allocator's weights may miss 0 and a sum of 1 by before they are refused

Estimator = Callable[[np.ndarray], np.ndarray]


class Risk(NamedTuple):
    """Covariance per decision over the assets that `measured` masks, or why there is none.

    `returns` are the last simple returns per decision of all assets (T x N, NaN where unknown).
    """

    measured: np.ndarray
    covariance: np.ndarray
    problem: str | None
    returns: np.ndarray


class Answer(NamedTuple):
    """What the allocator said, stage by stage, in the order of the symbols.

    `prices` are shadow prices by stage and name of limit: of the allocator's own problem, in what it
    maximises per decision, and of the raw weights, in weight (shadow_prices.py).
    """

    risk_based: np.ndarray
    views: np.ndarray
    raw: np.ndarray
    status: str
    fallback_mode: str | None
    reason: str
    conflicts: tuple[str, ...] = ()
    prices: Mapping[str, Mapping[str, float]] = {}


@dataclass(frozen=True, eq=False)
class Situation:
    """What one decision knows: arrays are in the order of `symbols`, which are sorted.

    Views below 0 expect a fall; unless shorts are allowed they are as good as none.
    """

    symbols: list[str]
    classes: list[str]
    previous: np.ndarray
    view: np.ndarray
    error: np.ndarray
    shrunk: np.ndarray
    has_views: bool
    cost_rate: np.ndarray
    excluded: np.ndarray
    barred: np.ndarray
    confidence: float
    allows_shorts: bool = False

    @property
    def sides(self) -> np.ndarray:
        """-1 for what allocators see the mirror of: by its view, or as it is held where it has none."""
        if not self.allows_shorts:
            return np.ones(len(self.symbols))
        return np.where(np.where(self.view != 0, self.view, self.previous) < 0, -1.0, 1.0)

    @property
    def wanted(self) -> np.ndarray:
        """Mask of the assets of which something is expected that its error leaves."""
        return self.shrunk * self.sides > 0


def risk_of(
    returns: np.ndarray,
    estimate: Estimator,
    situation: Situation,
    foreseen: Callable[[], tuple[np.ndarray, np.ndarray] | None] = lambda: None,
) -> Risk:
    """The covariance, unless nothing is held and no view asks for one; as it was `foreseen`, where it was."""
    nothing = np.zeros(len(situation.symbols), dtype=bool)
    if not situation.wanted.any() and not situation.previous.any():
        return Risk(nothing, np.empty((0, 0)), None, returns)
    try:
        measured, matrix = foreseen() or covariances.covariance(returns, estimate)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        problem = f"the covariance could not be estimated ({error})"
        return Risk(nothing, np.empty((0, 0)), problem, returns)
    if not np.isfinite(matrix).all():
        return Risk(nothing, np.empty((0, 0)), "the covariance is not finite", returns)
    return Risk(measured, matrix, None, returns)


def answer(
    situation: Situation,
    risk: Risk,
    bounds: Limits,
    policy: Policy,
    allocator: ModuleType,
    *,
    is_priced: bool = True,
) -> Answer:
    """The allocator's answer under every limit but change; else cash, or the fallback, with the reason.

    Where nobody asks what the limits cost, they need not be priced.
    """
    zeros = np.zeros(len(situation.symbols))
    wanted = situation.wanted
    beyond = "other than zero" if situation.allows_shorts else "above zero"
    open_to = ~situation.excluded & ~situation.barred & (risk.measured | (risk.problem is not None))
    if not situation.symbols:
        return Answer(zeros, zeros, zeros, "no_data", None, "no asset of the universe has a mark: cash")
    if not wanted.any():
        why = f"no view {beyond}" if situation.has_views else "no strategy adopted, so no view"
        return Answer(zeros, zeros, zeros, "no_view", None, f"{why}: cash")
    if not (wanted & open_to).any():
        names = ", ".join(np.array(situation.symbols)[wanted])
        why = f"views {beyond} only of assets left out, leaving, or with too short a history ({names})"
        return Answer(zeros, zeros, zeros, "no_data", None, f"{why}: cash")
    try:
        if risk.problem is not None:
            raise ArithmeticError(risk.problem)
        return _solved(situation, risk, bounds, open_to & risk.measured, policy, allocator, is_priced)
    except (RuntimeError, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return _fallback(situation, bounds, open_to, policy.fallback, str(error))


def _solved(
    situation: Situation,
    risk: Risk,
    bounds: Limits,
    open_to: np.ndarray,
    policy: Policy,
    allocator: ModuleType,
    is_priced: bool,
) -> Answer:
    symbols, roomy = np.array(situation.symbols, dtype=object), with_room(bounds, situation.previous)
    sides = situation.sides
    view = (situation.view * sides, situation.error, situation.shrunk * sides)
    columns = {
        **dict(zip(VIEW, view, strict=True)),
        "asset_class": np.array(situation.classes, dtype=object),
        "previous_weight": situation.previous * sides,
        "cost_rate": situation.cost_rate,
    }
    table = pd.DataFrame(
        {name: values[open_to] for name, values in columns.items()},
        index=pd.Index(symbols[open_to], dtype=object),
    )
    mirror = roomy.mirrored(sides, situation.previous)
    said = _asked(table, _mirrored(risk, sides), open_to, mirror, policy, allocator)
    prices = said.attrs.get("prices", {})
    values = said.to_numpy(dtype=float)
    whole = max(1.0, roomy.gross)
    if not np.isfinite(values).all() or values.min() < -SLACK or values.sum() > whole + SLACK:
        raise RuntimeError(f"{policy.allocator} gave weights not finite, below 0, or above {whole:g} in sum")
    weights = np.zeros(len(symbols))
    weights[open_to] = np.maximum(values, 0.0)
    risk_based = weights.copy()
    if getattr(allocator, "IS_RISK_BASED", False):
        share = believed(*view)[open_to]
        risk_based[open_to] = np.divide(weights[open_to], share, out=np.zeros(len(share)), where=share > 0)
    taken = int((weights > 0).sum())
    risk_based, weights = risk_based * sides, weights * sides
    most = np.where(weights != 0, np.where(sides > 0, roomy.upper, -roomy.lower), 0.0)
    region = raw_region(roomy, most, situation.previous, sides)
    raw = closest(weights, region)
    of_raw = _prices(weights, raw, region, symbols, roomy) if is_priced else {}
    conflicts = ("turnover",) if roomy.turnover != bounds.turnover else ()
    views = int(situation.wanted.sum())
    reason = f"{taken} of {len(symbols)} assets taken, "
    if situation.allows_shorts:
        reason += f"{int((weights < 0).sum())} of them short, {views} views other than zero"
    else:
        reason += f"{views} views above zero"
    if policy.scale_by_confidence:
        raw = raw * min(1.0, max(0.0, situation.confidence))
        reason += ", scaled by confidence"
    priced = {"allocator": prices, "raw": of_raw}
    return Answer(risk_based, weights, raw, "solved", None, reason, conflicts, priced)


def _prices(
    wanted: np.ndarray, raw: np.ndarray, region: Region, symbols: np.ndarray, roomy: Limits
) -> dict[str, float]:
    """What the limits cost that hold the raw weights, by name."""
    above, below = (
        [f"{kind} {symbol}" if bound > 0 else None for symbol, bound in zip(symbols, bounds_of, strict=True)]
        for kind, bounds_of in (("asset", region.upper), ("short", -region.lower))
    )
    return shadow_prices.prices(wanted, raw, region, roomy.row_names, below, above)


def _mirrored(risk: Risk, sides: np.ndarray) -> Risk:
    """The risk as allocators see it that are shown the mirror of each asset whose side is -1."""
    if (sides > 0).all():
        return risk
    of_measured = sides[risk.measured]
    return risk._replace(
        covariance=risk.covariance * np.outer(of_measured, of_measured), returns=risk.returns * sides
    )


def _asked(
    table: pd.DataFrame,
    risk: Risk,
    open_to: np.ndarray,
    roomy: Limits,
    policy: Policy,
    allocator: ModuleType,
) -> pd.Series:
    """The allocator's weights of the assets in the table; once more, of its largest, if it takes too many."""
    of_measured = open_to[risk.measured]
    matrix = pd.DataFrame(risk.covariance[np.ix_(of_measured, of_measured)], table.index, table.index)

    def scenarios() -> pd.DataFrame:
        return pd.DataFrame(draw(risk.returns[:, open_to], policy.seed), columns=table.index)

    said = ask(allocator, table, matrix, roomy, scenarios).reindex(table.index)
    most = policy.limits.cardinality
    if most is None or int((said > 0).sum()) <= most:
        return said
    largest = sorted(said.sort_values(ascending=False, kind="stable").index[:most])
    again = ask(allocator, table.loc[largest], matrix.loc[largest, largest], roomy, scenarios)
    found = again.reindex(table.index, fill_value=0.0)
    found.attrs = again.attrs
    return found


def _fallback(situation: Situation, bounds: Limits, open_to: np.ndarray, mode: str, why: str) -> Answer:
    """The policy's fallback, brought under the limits that can be measured."""
    target = np.zeros(len(situation.symbols))
    if mode == "hold_previous":
        target = situation.previous
    elif mode == "equal_weight":
        target = np.where(open_to, 1.0 / max(1, int(open_to.sum())), 0.0)
    raw = nearest(target, replace(bounds, turnover=None), bounds.upper, situation.previous)
    return Answer(target, target, raw, "fallback", mode, f"{mode}, because {why}")


def no_value(situation: Situation) -> Answer:
    """All cash, when what is held cannot be valued."""
    zeros = np.zeros(len(situation.symbols))
    return Answer(zeros, zeros, zeros, "fallback", "cash", NO_VALUE)


def smoothed(raw: np.ndarray, situation: Situation, wanted: Policy) -> np.ndarray:
    """Rule 7: part of the way from the previous weights to the raw ones; dust of what is leaving is 0.

    With `cost_aversion` k, a change is k times its cost rate shorter, or none: the point that has the least
    half squared distance plus k cost'|w - previous|.
    """
    mixed = wanted.smoothing * raw + (1.0 - wanted.smoothing) * situation.previous
    if wanted.limits.cost_aversion > 0:
        change = mixed - situation.previous
        worth = np.maximum(np.abs(change) - wanted.limits.cost_aversion * situation.cost_rate, 0.0)
        mixed = situation.previous + np.sign(change) * worth
    return np.where((np.abs(mixed) < wanted.dust) & (raw == 0), 0.0, mixed)


def unmeasured(final: np.ndarray, situation: Situation, risk: Risk) -> str:
    """What the risk numbers leave out, in words; empty when nothing."""
    missing = np.array(situation.symbols)[(final != 0) & ~risk.measured] if len(final) else []
    return f"; risk without {', '.join(missing)}, for want of a covariance" if len(missing) else ""
