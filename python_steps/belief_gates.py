"""The gates a strategy passes on an asset before it is adopted, and what each says where it fails."""

import math

import numpy as np

from python_steps.policy import Policy

Array = np.ndarray


def reasons(
    policy: Policy,
    others: list[str],
    trades: Array,
    drawdown: Array,
    expected_net: Array,
    windows: Array,
    negative: Array,
    scores: Array,
    dsr: Array,
    consistency: Array,
) -> Array:
    """'adopted', or every gate that failed, with figures; S by A. `others` are those of `first_variants`.

    An undefined regime consistency passes: what has seen one regime alone showed nothing against it.
    """
    gates = policy.gates
    said = np.empty(trades.shape, dtype=object)
    for s, other in enumerate(others):
        for a in range(trades.shape[1]):
            failed = [f"another_variant: {other}"] if other else []
            if windows[s, a] < gates.minimum_windows:
                failed.append(f"{windows[s, a]} windows < {gates.minimum_windows}")
            if trades[s, a] < gates.minimum_trades:
                failed.append(f"{trades[s, a]} trades < {gates.minimum_trades}")
            if -drawdown[s, a] > gates.maximum_drawdown:
                failed.append(f"drawdown {-drawdown[s, a]:.1%} > {gates.maximum_drawdown:.1%}")
            if not expected_net[s, a] > 0:
                failed.append(_expected(expected_net[s, a]))
            if negative[s, a] > gates.maximum_negative_share * windows[s, a]:
                failed.append(f"{negative[s, a]} of {windows[s, a]} windows negative")
            if not dsr[s] >= gates.minimum_dsr:
                failed.append(_deflated(dsr[s], gates.minimum_dsr))
            least = gates.minimum_regime_consistency
            if least is not None and consistency[s] < least:
                failed.append(f"regime consistency {consistency[s]:.3f} < {least:.3f}")
            if not failed and not np.isfinite(scores[s, a]):
                failed.append("Sharpe undefined")
            said[s, a] = "; ".join(failed) or "adopted"
    return said


def first_variants(strategies: list[str], base_of: list[str], sharpes: Array) -> list[str]:
    """For each strategy the variant of its base that is let in instead of it; empty for the one that is.

    That is the one whose Sharpes over the known test spans (`sharpes`, S by W, NaN where undefined) have the
    greatest lower quartile, by name among equals: what holds everywhere goes before what was best once. Where
    none has a record, none is let in before another.
    """
    lowest = [_lower_quartile(row) for row in sharpes]
    first: dict[str, int] = {}
    for s in sorted(range(len(strategies)), key=lambda s: (-lowest[s], strategies[s])):
        first.setdefault(base_of[s], s)
    chosen = [first[base] for base in base_of]
    return [
        strategies[one] if one != s and math.isfinite(lowest[one]) else "" for s, one in enumerate(chosen)
    ]


def _lower_quartile(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, 0.25)) if len(known) else -math.inf


def _expected(value: float) -> str:
    return f"expected net {value * 1e4:.2f} bp <= 0" if math.isfinite(value) else "expected net undefined"


def _deflated(value: float, least: float) -> str:
    if math.isfinite(value):
        return f"luck-deflated Sharpe {value:.3f} < {least:.3f}"
    return "luck-deflated Sharpe undefined"
