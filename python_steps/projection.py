"""Rule 7: the final weights are the point nearest to the smoothed ones that every limit allows."""

from dataclasses import dataclass, replace

import numpy as np

from python_steps.least_distance import NotSolved, Region, closest, turnover, volatility
from python_steps.limits import Group, Limits

TIGHT = 1e-9
ROUNDING = 1e-12
ROOM = 1e-6  # what raw turnover is raised by beyond its least, so that the region has an inside


@dataclass(frozen=True, eq=False)
class Projection:
    """Weights by symbol of the limits, names of limits that gave way, and of those that hold them."""

    weights: np.ndarray
    forced: tuple[str, ...]
    binding: tuple[str, ...]


def project(
    smoothed: np.ndarray, previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray
) -> Projection:
    """The final weights before stops: rule 7 (i) to (v), long-only.

    All arrays are in the order of `limits.symbols`; weights are shares of net asset value and
    `previous` is not below 0. `frozen` assets are neither bought nor sold; `barred` ones are sold.
    Forced names: 'change X' for an asset that must fall by more than the change limit, 'asset X' for
    a frozen one above its cap, and each group, turnover or volatility limit that cannot be met.
    Should no answer be verified, the lower bounds are the answer, which sell what the change limit
    lets go, and 'projection' is forced. Raises ValueError for weights that are not finite.
    """
    if not (np.isfinite(smoothed).all() and np.isfinite(previous).all()):
        raise ValueError("projection: smoothed and previous weights must be finite")
    if not limits.symbols:
        return Projection(np.empty(0), (), ())
    lower, upper, forced = _bounds(previous, limits, frozen, barred)
    lower, forced = _relieved(lower, limits, forced)
    region = Region(
        lower,
        upper,
        np.array([group.members for group in limits.groups], dtype=float),
        np.array([max(group.limit, float(lower[group.members].sum())) for group in limits.groups]),
        previous,
        None if limits.turnover is None else max(limits.turnover, turnover(lower, previous)),
        limits.factor,
        None if limits.volatility is None else max(limits.volatility, volatility(lower, limits.factor)),
        anchor=lower,
    )
    forced = [*forced, *_raised(limits, region)]
    try:
        weights = closest(smoothed, region)
    except NotSolved:
        weights, forced = lower, [*forced, "projection"]
    return Projection(weights, tuple(dict.fromkeys(forced)), _binding(weights, region, limits, barred))


def nearest(target: np.ndarray, limits: Limits, upper: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The nearest point to the target under every limit but change: the raw weights.

    `upper` are bounds by symbol, at most those of the limits (0 for what an allocator did not take).
    Where `limits.turnover` is given, `previous` itself must be able to meet the limits within it: see
    `with_room`. Raises NotSolved when no answer could be verified.
    """
    anchor = np.zeros(len(target))
    if limits.turnover is not None:
        upper = limits.upper  # what is held may take several rebalances to leave
        anchor = _settled(previous, limits)
    region = Region(
        np.zeros(len(target)),
        upper,
        np.array([group.members for group in limits.groups], dtype=float),
        np.array([group.limit for group in limits.groups]),
        previous,
        limits.turnover,
        limits.factor,
        limits.volatility,
        anchor,
    )
    return closest(target, region)


def with_room(limits: Limits, previous: np.ndarray) -> Limits:
    """The limits without change, turnover raised to what it takes from `previous` to obey the others."""
    if limits.turnover is None:
        return limits
    needed = turnover(_settled(previous, limits), previous)
    return limits if needed <= limits.turnover else replace(limits, turnover=needed + ROOM)


def shed(lower: np.ndarray, limit: float) -> np.ndarray:
    """Euclidean projection of `lower` on {0 <= x <= lower, sum of x <= limit}; lower is not below 0."""
    if float(lower.sum()) <= limit:
        return lower
    ordered = np.sort(lower)[::-1]
    cut = (np.cumsum(ordered) - limit) / np.arange(1, len(ordered) + 1)
    above = np.flatnonzero(ordered > cut)  # none where the limit is lost in rounding
    level = cut[above[-1]] if len(above) else ordered[0]
    lowered: np.ndarray = np.maximum(lower - level, 0.0)
    return lowered


def _bounds(
    previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rule 7 (i) and (ii)."""
    held = frozen & ~barred
    upper = np.where(held, previous, np.minimum(limits.upper, previous + limits.change))
    upper = np.where(barred, 0.0, upper)
    lower = np.where(held, previous, np.maximum(0.0, previous - limits.change))
    above_cap = held & (previous > limits.upper + ROUNDING)
    forced = [f"asset {limits.symbols[at]}" for at in np.flatnonzero(above_cap)]
    forced += [f"change {limits.symbols[at]}" for at in np.flatnonzero(lower > upper + ROUNDING)]
    return np.minimum(lower, upper), upper, forced


def _relieved(lower: np.ndarray, limits: Limits, forced: list[str]) -> tuple[np.ndarray, list[str]]:
    """Rule 7 (iii): what must be held fits under each class, then under the sum."""
    lower, forced = lower.copy(), list(forced)
    for group in (*limits.classes, limits.total):
        before = lower[group.members]
        if float(before.sum()) <= group.limit + ROUNDING:
            continue
        lower[group.members] = shed(before, group.limit)
        moved = np.flatnonzero(group.members)[before > lower[group.members]]
        forced += [group.name, *(f"change {limits.symbols[at]}" for at in moved)]
    return lower, forced


def _raised(limits: Limits, region: Region) -> list[str]:
    """Rule 7 (iv): names of the limits that became their value at the lower bounds."""
    names = [
        group.name
        for group, limit in zip(limits.groups, region.limits, strict=True)
        if limit > group.limit + ROUNDING
    ]
    for name in ("turnover", "volatility"):
        before, after = getattr(limits, name), getattr(region, name)
        names += [name] if before is not None and after > before + ROUNDING else []
    return names


def _binding(weights: np.ndarray, region: Region, limits: Limits, barred: np.ndarray) -> tuple[str, ...]:
    """Names of limits that the weights touch."""
    names: list[str] = []
    for at, symbol in enumerate(limits.symbols):
        weight, before = weights[at], region.previous[at]
        if not barred[at] and weight > TIGHT and weight >= limits.upper[at] - TIGHT:
            names.append(f"asset {symbol}")
        if abs(weight - before) >= limits.change - TIGHT:
            names.append(f"change {symbol}")
    names += [
        group.name
        for group, limit in zip(limits.groups, region.limits, strict=True)
        if _sum(weights, group) >= limit - TIGHT and _sum(weights, group) > TIGHT
    ]
    if region.turnover is not None and turnover(weights, region.previous) >= region.turnover - TIGHT:
        names.append("turnover")
    if region.volatility is not None and volatility(weights, region.factor) >= region.volatility * (
        1 - TIGHT
    ):
        names.append("volatility")
    return tuple(names)


def _sum(weights: np.ndarray, group: Group) -> float:
    return float(weights[group.members].sum())


def _settled(previous: np.ndarray, limits: Limits) -> np.ndarray:
    """The nearest point to `previous` under every limit but change and turnover."""
    return nearest(previous, replace(limits, turnover=None), limits.upper, previous)
