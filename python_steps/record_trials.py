"""Counts what is tried, when it is tried: one row for each configuration when a run first evaluates it."""

import hashlib
import json

import numpy as np
import pandas as pd

from python_steps.sharpe import sharpe

TRIALS = ["config_hash", "batch_id", "clock", "plan", "strategy", "first_run_id", "as_of", "test_sharpe"]


def record(
    strategies: pd.DataFrame,
    strategy_pnl: pd.DataFrame,
    known: set[str],
    *,
    clock: str,
    plan: str,
    test_from: pd.Timestamp | None,
    batch_id: int,
    run_id: str,
    as_of: pd.Timestamp,
    decisions_per_year: float,
) -> pd.DataFrame:
    """Rows of steps.trials for the configurations not in `known` (config_hash).

    A configuration is the clock, the plan and a whole row of `strategies`. Its Sharpe is annual, of the mean
    net return over assets per decision from `test_from` on (simple returns); null where undefined.
    """
    rows = []
    for strategy in strategies.sort_values("strategy").to_dict("records"):
        config = json.dumps({"clock": clock, "plan": plan, **strategy}, sort_keys=True, default=str)
        config_hash = hashlib.sha256(config.encode()).hexdigest()
        if config_hash in known:
            continue
        mine = strategy_pnl[strategy_pnl["strategy"] == strategy["strategy"]]
        annual = _test_sharpe(mine, test_from, decisions_per_year)
        rows.append((config_hash, batch_id, clock, plan, strategy["strategy"], run_id, as_of, annual))
    return pd.DataFrame(rows, columns=TRIALS)


def _test_sharpe(
    pnl: pd.DataFrame, test_from: pd.Timestamp | None, decisions_per_year: float
) -> float | None:
    if test_from is None:
        return None
    tested = pnl[(pnl["decision_at"] >= test_from) & (pnl["status"] == "filled")]
    by_decision = tested.sort_values(["decision_at", "symbol"]).groupby("decision_at")["net_return"].mean()
    annual = sharpe(by_decision.to_numpy(dtype=float)) * np.sqrt(decisions_per_year)
    return float(annual) if np.isfinite(annual) else None
