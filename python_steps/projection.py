"""Rule 7: the final weights are the point nearest to the smoothed ones that every limit allows.

What limits on several assets count of a short is its size, which is not linear, so the side of each asset is
settled first: the one its own bounds leave it, else that of the smoothed weight. On its side, a size is the
weight or the weight turned round, and all is one least-distance problem. In what follows the least an asset
may weigh is the bound nearer to 0, and what must be held is that.

Two limits are not convex, and are met by stated heuristics. Cardinality: what must be held stays, and the
largest of the smoothed weights fill the places left; the others are sold. Minimum trade: a trade that comes
out smaller is not made, and the others are projected anew, until none is; what is sold wholly may be small.
"""

from dataclasses import dataclass, replace

import numpy as np

from python_steps.least_distance import NotSolved, Region, closest, turnover, volatility
from python_steps.limits import Limits
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
    """The final weights before stops: rule 7 (i) to (v); what is below 0 is short.

    All arrays are in the order of `limits.symbols`; weights are shares of net asset value. `frozen` assets
    are neither bought nor sold; `barred` ones leave. Forced names: 'change X' for an asset that must come
    nearer to 0 by more than the change limit, 'asset X' or 'short X' for a frozen one above its cap, and each
    group, net, turnover or volatility limit that cannot be met.
    'cardinality' is forced where more assets must be held, 'minimum trade' where a small trade must be made.
    Should no answer be verified, the least that each asset may weigh is the answer, which trades away what
    the change limit lets go, and 'projection' is forced. Raises ValueError for weights that are not finite.
    """
    if not (np.isfinite(smoothed).all() and np.isfinite(previous).all()):
        raise ValueError("projection: smoothed and previous weights must be finite")
    lower, upper, sides, forced = _bounds(smoothed, previous, limits, frozen, barred)
    least, forced = _relieved(np.where(sides > 0, lower, upper), limits, forced)
    lower, upper = np.where(sides > 0, least, lower), np.where(sides > 0, upper, least)
    below, above = _names(previous, limits, sides, frozen, barred)
    if limits.cardinality is not None:
        left_out, forced = _left_out(smoothed, least, limits.cardinality, forced)
        lower, upper = np.where(left_out, 0.0, lower), np.where(left_out, 0.0, upper)
        below = [
            CARDINALITY if out else name for out, name in zip(left_out & (sides < 0), below, strict=True)
        ]
        above = [
            CARDINALITY if out else name for out, name in zip(left_out & (sides > 0), above, strict=True)
        ]
    matrix, bounds = limits.rows(sides)
    region = Region(
        lower,
        upper,
        matrix,
        _at_least(bounds, matrix, least),
        previous,
        None if limits.turnover is None else max(limits.turnover, turnover(least, previous)),
        limits.factor,
        None if limits.volatility is None else max(limits.volatility, volatility(least, limits.factor)),
        anchor=least,
    )
    forced = [*forced, *_raised(limits, bounds, region)]
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
        weights, forced = least, [*forced, "projection"]
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

    None where the least weights were the answer for want of a better one.
    """
    if "projection" in answer.forced:
        return {}
    return prices(smoothed, answer.weights, answer.region, limits.row_names, answer.below, answer.above)


def nearest(target: np.ndarray, limits: Limits, upper: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The nearest point to the target under every limit but change: the raw weights.

    `upper` are bounds by symbol of what is held, at most those of the limits (0 for what an allocator did not
    take); each asset stays on the side of its target. Where `limits.turnover` is given, `previous` itself
    must be able to meet the limits within it: see `with_room`. Raises NotSolved when no answer could be
    verified.
    """
    sides = np.where(target < 0, -1.0, 1.0)
    return closest(target, raw_region(limits, np.where(sides > 0, upper, -limits.lower), previous, sides))


def raw_region(limits: Limits, most: np.ndarray, previous: np.ndarray, sides: np.ndarray) -> Region:
    """Every limit but change, with each asset on its side of 0 and at `most` of a size; see `nearest`.

    Under a limit on turnover an asset that is held keeps its side: it may take several rebalances to leave.
    """
    anchor = np.zeros(len(most))
    if limits.turnover is not None:
        sides = np.where(previous != 0, np.where(previous < 0, -1.0, 1.0), sides)
        most = np.where(sides > 0, limits.upper, -limits.lower)
        anchor = _settled(previous, limits)
    matrix, bounds = limits.rows(sides)
    return Region(
        np.where(sides > 0, 0.0, -most),
        np.where(sides > 0, most, 0.0),
        matrix,
        bounds,
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
    """Euclidean projection of `lower` on what sums to the limit at most, by size, and keeps its signs."""
    sizes = np.abs(lower)
    if float(sizes.sum()) <= limit:
        return lower
    ordered = np.sort(sizes)[::-1]
    cut = (np.cumsum(ordered) - limit) / np.arange(1, len(ordered) + 1)
    above = np.flatnonzero(ordered > cut)  # none where the limit is lost in rounding
    level = cut[above[-1]] if len(above) else ordered[0]
    lowered: np.ndarray = np.sign(lower) * np.maximum(sizes - level, 0.0)
    return lowered


def _names(
    previous: np.ndarray, limits: Limits, sides: np.ndarray, frozen: np.ndarray, barred: np.ndarray
) -> tuple[list[str | None], list[str | None]]:
    """What makes the lower and the upper bound of each asset; a bound of 0 is no limit."""
    below: list[str | None] = []
    above: list[str | None] = []
    most = np.where(sides > 0, limits.upper, -limits.lower)
    for at, symbol in enumerate(limits.symbols):
        held = float(previous[at] * sides[at])
        inner = f"change {symbol}" if held > limits.change else None
        kind = "asset" if sides[at] > 0 else "short"
        outer = f"{kind} {symbol}" if most[at] <= held + limits.change else f"change {symbol}"
        if barred[at] or frozen[at]:
            inner = None if barred[at] else f"left out {symbol}"
            outer = f"leaving {symbol}" if barred[at] else f"left out {symbol}"
        below.append(inner if sides[at] > 0 else outer)
        above.append(outer if sides[at] > 0 else inner)
    return below, above


def _left_out(
    smoothed: np.ndarray, least: np.ndarray, most: int, forced: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Mask of what finds no place among so many assets; what must be held has one, and then the largest."""
    must = least != 0
    places = max(most, int(must.sum()))
    order = np.lexsort((np.arange(len(smoothed)), -np.abs(smoothed), ~must))
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
    mask: np.ndarray = (trade > ROUNDING) & (trade < least - ROUNDING) & (weights != 0) & ~barred
    return mask


def _has(region: Region, weights: np.ndarray) -> bool:
    """Whether weights inside the bounds obey the other limits of the region."""
    return bool(
        (region.matrix @ weights <= region.limits + ROUNDING).all()
        and (region.turnover is None or turnover(weights, region.previous) <= region.turnover + ROUNDING)
        and (region.volatility is None or volatility(weights, region.factor) <= region.volatility + ROUNDING)
    )


def _bounds(
    smoothed: np.ndarray, previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Rule 7 (i) and (ii): lower and upper bounds, the side of 0 on which they lie, and what was forced."""
    held = frozen & ~barred
    reach = np.where(held, 0.0, limits.change)
    down, up = previous - reach, previous + reach
    sides = np.where((down > 0) | ((up >= 0) & (smoothed >= 0)), 1.0, -1.0)
    most, least = (
        np.where(barred | (sides < 0), 0.0, limits.upper),
        np.where(barred | (sides > 0), 0.0, limits.lower),
    )
    upper = np.where(held, previous, np.minimum(most, up))
    lower = np.where(held, previous, np.maximum(least, down))
    above_cap = held & (sides * previous > np.where(sides > 0, limits.upper, -limits.lower) + ROUNDING)
    kinds = np.where(sides > 0, "asset", "short")
    forced = [f"{kinds[at]} {limits.symbols[at]}" for at in np.flatnonzero(above_cap)]
    forced += [f"change {limits.symbols[at]}" for at in np.flatnonzero(lower > upper + ROUNDING)]
    nearer = (
        np.where(sides > 0, np.minimum(lower, upper), lower),
        np.where(sides > 0, upper, np.maximum(lower, upper)),
    )
    return *nearer, sides, forced


def _relieved(least: np.ndarray, limits: Limits, forced: list[str]) -> tuple[np.ndarray, list[str]]:
    """Rule 7 (iii): what must be held fits under each class, then under the sum."""
    least, forced = least.copy(), list(forced)
    for group in (*limits.classes, limits.total):
        before = least[group.members]
        if float(np.abs(before).sum()) <= group.limit + ROUNDING:
            continue
        least[group.members] = shed(before, group.limit)
        moved = np.flatnonzero(group.members)[before != least[group.members]]
        forced += [group.name, *(f"change {limits.symbols[at]}" for at in moved)]
    return least, forced


def _at_least(bounds: np.ndarray, matrix: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The larger of each bound and what its row comes to at the least weights."""
    found = [
        max(bound, float((row * least)[row != 0].sum())) for bound, row in zip(bounds, matrix, strict=True)
    ]
    return np.array(found)


def _raised(limits: Limits, bounds: np.ndarray, region: Region) -> list[str]:
    """Rule 7 (iv): names of the limits that became their value at the least weights."""
    names = [
        name
        for name, before, after in zip(limits.row_names, bounds, region.limits, strict=True)
        if after > before + ROUNDING
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
        if not barred[at] and weight < -TIGHT and weight <= limits.lower[at] + TIGHT:
            names.append(f"short {symbol}")
        if abs(weight - before) >= limits.change - TIGHT:
            names.append(f"change {symbol}")
    names += [
        name
        for name, row, limit in zip(limits.row_names, region.matrix, region.limits, strict=True)
        if _sum(weights, row) >= limit - TIGHT and float(np.abs(weights[row != 0]).sum()) > TIGHT
    ]
    if region.turnover is not None and turnover(weights, region.previous) >= region.turnover - TIGHT:
        names.append("turnover")
    if region.volatility is not None and volatility(weights, region.factor) >= region.volatility * (
        1 - TIGHT
    ):
        names.append("volatility")
    return tuple(names)


def _sum(weights: np.ndarray, row: np.ndarray) -> float:
    return float((row * weights)[row != 0].sum())


def _settled(previous: np.ndarray, limits: Limits) -> np.ndarray:
    """The nearest point to `previous` under every limit but change and turnover."""
    return nearest(previous, replace(limits, turnover=None), limits.upper, previous)
