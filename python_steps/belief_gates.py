"""The gates a strategy passes on an asset before it is adopted, and what each says where it fails."""

import math

import numpy as np

from python_steps.policy import Policy

Array = np.ndarray


def reasons(
    policy: Policy,
    strategies: list[str],
    trades: Array,
    drawdown: Array,
    expected_net: Array,
    windows: Array,
    negative: Array,
    scores: Array,
    dsr: Array,
) -> Array:
    """'adopted', or every gate that failed, with figures; S by A."""
    gates, chosen = policy.gates, policy.strategies
    said = np.empty(trades.shape, dtype=object)
    for s, strategy in enumerate(strategies):
        for a in range(trades.shape[1]):
            failed = []
            if chosen != "all" and strategy not in chosen:
                failed.append("not chosen by the policy")
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
            if not failed and not np.isfinite(scores[s, a]):
                failed.append("Sharpe undefined")
            said[s, a] = "; ".join(failed) or "adopted"
    return said


def _expected(value: float) -> str:
    return f"expected net {value * 1e4:.2f} bp <= 0" if math.isfinite(value) else "expected net undefined"


def _deflated(value: float, least: float) -> str:
    if math.isfinite(value):
        return f"deflated Sharpe {value:.3f} < {least:.3f}"
    return "deflated Sharpe undefined"
