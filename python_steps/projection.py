"""Rule 7: the final weights are the point nearest to the smoothed ones that every limit allows.

Two limits are not convex, and are met by stated heuristics. Cardinality: what must be held stays, and the
largest of the smoothed weights fill the places left; the others are sold. Minimum trade: a trade that comes
out smaller is not made, and the others are projected anew, until none is; what is sold wholly may be small.
"""

from dataclasses import dataclass, replace

import numpy as np

from python_steps.least_distance import NotSolved, Region, closest, turnover, volatility
from python_steps.limits import Group, Limits
from python_steps.shadow_prices import prices

TIGHT = 1e-9
ROUNDING = 1e-12
CARDINALITY = "cardinality"
MINIMUM_TRADE = "minimum trade"
ROOM = 1e-6  # what raw turnover is raised by beyond its least, so that the region has an inside


@dataclass(frozen=True, eq=False)
class Projection:
    """Weights by symbol of the limits, names of limits that gave way, and of those that hold them.

    `region` is what the weights are the nearest point of; `below` and `above` name its bounds by symbol,
    where a limit makes them.
    """

    weights: np.ndarray
    forced: tuple[str, ...]
    binding: tuple[str, ...]
    region: Region
    below: tuple[str | None, ...]
    above: tuple[str | None, ...]


def project(
    smoothed: np.ndarray, previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray
) -> Projection:
    """The final weights before stops: rule 7 (i) to (v), long-only.

    All arrays are in the order of `limits.symbols`; weights are shares of net asset value and
    `previous` is not below 0. `frozen` assets are neither bought nor sold; `barred` ones are sold.
    Forced names: 'change X' for an asset that must fall by more than the change limit, 'asset X' for
    a frozen one above its cap, and each group, turnover or volatility limit that cannot be met.
    'cardinality' is forced where more assets must be held, 'minimum trade' where a small trade must be made.
    Should no answer be verified, the lower bounds are the answer, which sell what the change limit
    lets go, and 'projection' is forced. Raises ValueError for weights that are not finite.
    """
    if not (np.isfinite(smoothed).all() and np.isfinite(previous).all()):
        raise ValueError("projection: smoothed and previous weights must be finite")
    lower, upper, forced = _bounds(previous, limits, frozen, barred)
    lower, forced = _relieved(lower, limits, forced)
    below, above = _names(previous, limits, frozen, barred)
    if limits.cardinality is not None:
        left_out, forced = _left_out(smoothed, lower, limits.cardinality, forced)
        upper = np.where(left_out, 0.0, upper)
        above = [CARDINALITY if out else name for out, name in zip(left_out, above, strict=True)]
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
    if not limits.symbols:
        return Projection(np.empty(0), (), (), region, (), ())
    try:
        weights = closest(smoothed, region)
        if limits.minimum_trade > 0:
            weights, region, kept = _traded(weights, smoothed, region, limits.minimum_trade, barred)
            below, above = (
                [MINIMUM_TRADE if is_kept else name for is_kept, name in zip(kept, names, strict=True)]
                for names in (below, above)
            )
    except NotSolved:
        weights, forced = lower, [*forced, "projection"]
    if limits.minimum_trade > 0 and _too_small(weights, previous, limits.minimum_trade, barred).any():
        forced = [*forced, MINIMUM_TRADE]
    return Projection(
        weights,
        tuple(dict.fromkeys(forced)),
        _binding(weights, region, limits, barred),
        region,
        tuple(below),
        tuple(above),
    )


def prices_of(smoothed: np.ndarray, answer: Projection, limits: Limits) -> dict[str, float]:
    """Shadow price of each limit that holds the projected weights, by name (shadow_prices.py).

    None where the lower bounds were the answer for want of a better one.
    """
    if "projection" in answer.forced:
        return {}
    groups = [group.name for group in limits.groups]
    return prices(smoothed, answer.weights, answer.region, groups, answer.below, answer.above)


def nearest(target: np.ndarray, limits: Limits, upper: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The nearest point to the target under every limit but change: the raw weights.

    `upper` are bounds by symbol, at most those of the limits (0 for what an allocator did not take).
    Where `limits.turnover` is given, `previous` itself must be able to meet the limits within it: see
    `with_room`. Raises NotSolved when no answer could be verified.
    """
    return closest(target, raw_region(limits, upper, previous))


def raw_region(limits: Limits, upper: np.ndarray, previous: np.ndarray) -> Region:
    """Every limit but change; see `nearest`."""
    anchor = np.zeros(len(upper))
    if limits.turnover is not None:
        upper = limits.upper  # what is held may take several rebalances to leave
        anchor = _settled(previous, limits)
    return Region(
        np.zeros(len(upper)),
        upper,
        np.array([group.members for group in limits.groups], dtype=float),
        np.array([group.limit for group in limits.groups]),
        previous,
        limits.turnover,
        limits.factor,
        limits.volatility,
        anchor,
    )


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


def _names(
    previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray
) -> tuple[list[str | None], list[str | None]]:
    """What makes the lower and the upper bound of each asset; a lower bound of 0 is no limit."""
    below: list[str | None] = []
    above: list[str | None] = []
    for at, symbol in enumerate(limits.symbols):
        if barred[at] or frozen[at]:
            below.append(None if barred[at] else f"left out {symbol}")
            above.append(f"leaving {symbol}" if barred[at] else f"left out {symbol}")
            continue
        below.append(f"change {symbol}" if previous[at] > limits.change else None)
        is_capped = limits.upper[at] <= previous[at] + limits.change
        above.append(f"asset {symbol}" if is_capped else f"change {symbol}")
    return below, above


def _left_out(
    smoothed: np.ndarray, lower: np.ndarray, most: int, forced: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Mask of what finds no place among so many assets; what must be held has one, and then the largest."""
    must = lower > 0
    places = max(most, int(must.sum()))
    order = np.lexsort((np.arange(len(smoothed)), -smoothed, ~must))
    left_out = np.ones(len(smoothed), dtype=bool)
    left_out[order[:places]] = False
    return left_out, [*forced, CARDINALITY] if places > most else forced


def _traded(
    weights: np.ndarray, target: np.ndarray, region: Region, least: float, barred: np.ndarray
) -> tuple[np.ndarray, Region, np.ndarray]:
    """The weights without trades smaller than `least`, the region they lie in, and what is held for it.

    A trade stays small where the asset cannot be held as it is without breaking another limit.
    """
    kept = np.zeros(len(weights), dtype=bool)
    while True:
        small = _too_small(weights, region.previous, least, barred) & ~kept
        small &= (region.lower <= region.previous) & (region.previous <= region.upper)
        if not small.any():
            return weights, region, kept
        lower, upper = (np.where(small, region.previous, side) for side in (region.lower, region.upper))
        held = replace(region, lower=lower, upper=upper, anchor=lower)
        if not _has(held, lower):
            return weights, region, kept
        weights, region, kept = closest(target, held), held, kept | small


def _too_small(weights: np.ndarray, previous: np.ndarray, least: float, barred: np.ndarray) -> np.ndarray:
    trade = np.abs(weights - previous)
    mask: np.ndarray = (trade > ROUNDING) & (trade < least - ROUNDING) & (weights > 0) & ~barred
    return mask


def _has(region: Region, weights: np.ndarray) -> bool:
    """Whether weights inside the bounds obey the other limits of the region."""
    return bool(
        (region.matrix @ weights <= region.limits + ROUNDING).all()
        and (region.turnover is None or turnover(weights, region.previous) <= region.turnover + ROUNDING)
        and (region.volatility is None or volatility(weights, region.factor) <= region.volatility + ROUNDING)
    )


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
