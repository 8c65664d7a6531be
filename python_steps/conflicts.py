"""Which limits cannot all be met: the smallest set of them that no weights obey, with its numbers.

Found by a deletion filter (Chinneck and Dravnieks 1991): what a first solution charges for is a set in
conflict; each of it is then left out in turn, and stays out where the others conflict without it. What
remains is irreducible: without any one of its limits there would be an answer.

Where shorts are allowed, each asset is two: what is held of it and what is sold short. Sizes are the sum of
both, weights the difference, and rows name the ones, then the others.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from python_steps.allocators import _convex
from python_steps.least_distance import turnover, volatility
from python_steps.limits import Limits

CONFLICT = 1e-6  # what the worst limit must be broken by before it counts
STEP = 32  # rows are compiled in steps of so many
FREE = 10.0  # more than any turnover


class Rule(NamedTuple):
    """row @ weights <= bound; `text` says so in words. Turnover and volatility have no row."""

    name: str
    text: str
    row: np.ndarray | None
    bound: float


def smallest(
    weights: np.ndarray, previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray
) -> tuple[Rule, ...]:
    """An irreducible set of limits that no weights obey; none where some do, such as `weights`.

    Weights are not below 0 unless the limits allow shorts. Arrays are in the order of `limits.symbols`;
    `frozen` assets are held as they are, `barred` ones must leave. Cardinality and minimum trade are not
    convex, and are left out of it.
    """
    rules = _rules(previous, limits, frozen, barred)
    if all(_excess(rule, weights, previous, limits) <= CONFLICT for rule in rules):
        return ()
    broken, charged = _worst(rules, previous, limits)
    if broken <= CONFLICT:
        return ()
    kept = [rule for rule, is_charged in zip(rules, charged, strict=True) if is_charged]
    if _worst(kept, previous, limits)[0] <= CONFLICT:
        kept = rules
    for rule in list(kept):
        others = [other for other in kept if other is not rule]
        if others and _worst(others, previous, limits)[0] > CONFLICT:
            kept = others
    return tuple(kept)


def in_words(conflict: tuple[Rule, ...]) -> str:
    """The set as the end of a sentence; empty when there is none."""
    return f"; in conflict: {', '.join(rule.text for rule in conflict)}" if conflict else ""


def _rules(previous: np.ndarray, limits: Limits, frozen: np.ndarray, barred: np.ndarray) -> list[Rule]:
    rules: list[Rule] = []
    for at, unit in enumerate(np.eye(len(limits.symbols))):
        rules += _of_asset(at, unit, previous, limits)
        rules += _of_quality(
            limits.symbols[at],
            _signed(unit, limits),
            float(previous[at]),
            bool(frozen[at]),
            bool(barred[at]),
        )
    for group in limits.groups:
        row = np.asarray(group.members, dtype=float)
        rules.append(
            Rule(group.name, f"{group.name} at most {group.limit:.4f}", _sized(row, limits), group.limit)
        )
    if limits.net is not None:
        low, high = limits.net
        row = _signed(np.ones(len(limits.symbols)), limits)
        rules.append(Rule("net", f"net at most {high:.4f}", row, high))
        rules.append(Rule("net", f"net at least {low:.4f}", -row, -low))
    if limits.turnover is not None:
        rules.append(Rule("turnover", f"turnover at most {limits.turnover:.4f}", None, limits.turnover))
    if limits.volatility is not None:
        text = f"volatility at most {limits.volatility:.6f} a decision"
        rules.append(Rule("volatility", text, None, limits.volatility))
    return rules


def _of_asset(at: int, unit: np.ndarray, previous: np.ndarray, limits: Limits) -> list[Rule]:
    symbol, cap, held = limits.symbols[at], float(limits.upper[at]), float(previous[at])
    change, by = f"change {symbol}", f"at most {limits.change:.4f} from {held:.4f}"
    row, least = _signed(unit, limits), float(limits.lower[at])
    shorts = [Rule(f"short {symbol}", f"{symbol} at least {least:.4f}", -row, -least)]
    return [
        Rule(f"asset {symbol}", f"{symbol} at most {cap:.4f}", row, cap),
        *(shorts if limits.short is not None else ()),
        Rule(change, f"{symbol} falls {by}", -row, limits.change - held),
        Rule(change, f"{symbol} rises {by}", row, limits.change + held),
    ]


def _signed(row: np.ndarray, limits: Limits) -> np.ndarray:
    """A row on weights, over what is held and what is short."""
    return row if limits.short is None else np.concatenate([row, -row])


def _sized(row: np.ndarray, limits: Limits) -> np.ndarray:
    """A row on sizes, over what is held and what is short."""
    return row if limits.short is None else np.concatenate([row, row])


def _of_quality(symbol: str, unit: np.ndarray, held: float, is_frozen: bool, is_barred: bool) -> list[Rule]:
    if is_barred:
        return [Rule(f"leaving {symbol}", f"{symbol} must leave", unit, 0.0)]
    if is_frozen:
        name, text = f"left out {symbol}", f"{symbol} is left out: not"
        return [
            Rule(name, f"{text} below {held:.4f}", -unit, -held),
            Rule(name, f"{text} above {held:.4f}", unit, held),
        ]
    return []


def _excess(rule: Rule, weights: np.ndarray, previous: np.ndarray, limits: Limits) -> float:
    if rule.row is not None:
        sizes = weights if limits.short is None else np.maximum(np.concatenate([weights, -weights]), 0.0)
        return float(rule.row @ sizes) - rule.bound
    found = turnover(weights, previous) if rule.name == "turnover" else volatility(weights, limits.factor)
    return found - rule.bound


def _worst(rules: list[Rule], previous: np.ndarray, limits: Limits) -> tuple[float, list[bool]]:
    """The least by which the worst of the rules must be broken, and which of them are to blame.

    Where no solver is sure, nothing is in conflict that could be shown.
    """
    linear = [rule for rule in rules if rule.row is not None]
    named = {rule.name: rule for rule in rules if rule.row is None}
    size, padded = len(previous), -(-max(1, len(linear)) // STEP) * STEP
    compiled = _compiled(size, padded, limits.short is not None)
    rows, bounds = np.zeros(compiled.parameters["rows"].shape), np.ones(padded)
    for at, rule in enumerate(linear):
        rows[at], bounds[at] = rule.row, rule.bound
    compiled.parameters["rows"].value, compiled.parameters["bounds"].value = rows, bounds
    compiled.parameters["previous"].value = previous
    compiled.parameters["turnover"].value = named["turnover"].bound if "turnover" in named else FREE
    factor = np.zeros((size, size))
    if "volatility" in named:
        root = _convex.square_root(limits.factor)
        factor[: len(root)] = root / named["volatility"].bound
    compiled.parameters["factor"].value = factor
    try:
        found = _convex.solved(compiled, "conflicts", lambda _: 0.0)
    except RuntimeError:
        return 0.0, [True] * len(rules)
    charged = np.asarray(compiled.rules["rows"].dual_value, dtype=float)[: len(linear)] > CONFLICT
    blamed = dict(zip(map(id, linear), charged.tolist(), strict=True))
    for name, kinds in (("turnover", ("bought", "sold")), ("volatility", ("volatility",))):
        if name in named:
            blamed[id(named[name])] = any(float(compiled.rules[kind].dual_value) > CONFLICT for kind in kinds)
    return float(found[-1]), [blamed[id(rule)] for rule in rules]


@lru_cache(maxsize=64)
def _compiled(size: int, rows: int, has_shorts: bool) -> _convex.Compiled:
    import cvxpy as cp

    length = 2 * size if has_shorts else size
    point = cp.Variable(length + 1)  # what is held, what is short, and what the worst rule is broken by
    sizes, broken = point[:length], point[length]
    weights = point[:size] - point[size:length] if has_shorts else sizes
    parameters: dict[str, Any] = {
        "rows": cp.Parameter((rows, length)),
        "bounds": cp.Parameter(rows),
        "previous": cp.Parameter(size),
        "turnover": cp.Parameter(nonneg=True),
        "factor": cp.Parameter((size, size)),
    }
    trade = weights - parameters["previous"]
    rules: dict[str, Any] = {
        "rows": parameters["rows"] @ sizes <= parameters["bounds"] + broken,
        "bought": cp.sum(cp.pos(trade)) <= parameters["turnover"] + broken,
        "sold": cp.sum(cp.neg(trade)) <= parameters["turnover"] + broken,
        "volatility": cp.norm(parameters["factor"] @ weights) <= 1 + broken,
    }
    problem = cp.Problem(cp.Minimize(broken), [point >= 0, *rules.values()])
    return _convex.Compiled(problem, point, parameters, rules)
