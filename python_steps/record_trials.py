"""Counts what is tried, when it is tried: one row for each configuration when a run first evaluates it.

A configuration is the clock, the plan, a row of `strategies` less its caution, and the source of its signal
or learner and of the helpers that uses, less comments and layout: another parameter is another configuration,
another comment is not.
"""

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from python_steps.learner_code import LEARNERS, files
from python_steps.sharpe import sharpe

STEPS = Path(__file__).parent
MACROS = STEPS.parent / "macros"
TRIALS = ["config_hash", "batch_id", "clock", "plan", "strategy", "first_run_id", "as_of", "test_sharpe"]
SAID_ABOUT = ("caution",)  # columns that change nothing of what is done
SQL_COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)


def tried_under(strategies: pd.DataFrame, plan: str, *, is_compared: bool) -> pd.DataFrame:
    """Strategies that a plan makes configurations of: all it can be laid on, or those fitted under it alone.

    Under a plan that is only compared, a strategy that is not fitted holds what it holds under any other.
    """
    plans = strategies["plan"]
    return strategies[(plans == plan) | (plans.isna() & (not is_compared))]


def fresh_configurations(
    strategies: pd.DataFrame,
    known: set[str],
    *,
    clock: str,
    plan: str,
    macros: Path = MACROS,
    learners: Path = LEARNERS,
) -> pd.DataFrame:
    """Rows of `strategies` that are not in `known`, in order of name, each with its config_hash.

    `macros` and `learners` are the folders their sources stand in.
    """
    ordered = strategies.sort_values("strategy")
    hashes = [
        _digest(
            {
                "clock": clock,
                "plan": plan,
                "strategy": {
                    name: None if pd.isna(value) else value
                    for name, value in row.items()
                    if name not in SAID_ABOUT
                },
                "code": source_code(row["kind"], row["source"], macros, learners),
            }
        )
        for row in ordered.to_dict("records")
    ]
    named = ordered.assign(config_hash=hashes)
    return named[~named["config_hash"].isin(known)]


def fresh_tuned(
    tuned: pd.DataFrame, known: set[str], *, clock: str, plan: str, learners: Path = LEARNERS
) -> pd.DataFrame:
    """What learners tried inside their train spans and is not in `known`: each configuration once.

    `tuned` are rows of steps.tuning_trials of one clock and plan, however many windows tried the same. The
    strategy goes by the learner and the configuration, and has no profits of its own.
    """
    each = tuned[["learner", "configuration"]].drop_duplicates().sort_values(["learner", "configuration"])
    rows = [
        {
            "strategy": f"{learner}: {configuration}",
            "config_hash": _digest(
                {
                    "clock": clock,
                    "plan": plan,
                    "tuned_by": learner,
                    "configuration": configuration,
                    "code": source_code("learner", json.loads(configuration)["learner"], learners=learners),
                }
            ),
        }
        for learner, configuration in each.to_numpy()
    ]
    named = pd.DataFrame(rows, columns=["strategy", "config_hash"])
    return named[~named["config_hash"].isin(known)]


def record(
    fresh: pd.DataFrame,
    strategy_pnl: pd.DataFrame,
    *,
    clock: str,
    plan: str,
    test_from: pd.Timestamp | None,
    batch_id: int,
    run_id: str,
    as_of: pd.Timestamp,
    decisions_per_year: float,
) -> pd.DataFrame:
    """Rows of steps.trials for `fresh_configurations`.

    The Sharpe is annual, of the mean net return over assets per decision from `test_from` on (simple
    returns); null where undefined.
    """
    rows = []
    for config_hash, strategy in zip(fresh["config_hash"], fresh["strategy"], strict=True):
        mine = strategy_pnl[strategy_pnl["strategy"] == strategy]
        annual = _test_sharpe(mine, test_from, decisions_per_year)
        rows.append((config_hash, batch_id, clock, plan, strategy, run_id, as_of, annual))
    return pd.DataFrame(rows, columns=TRIALS)


def source_code(kind: str, source: str, macros: Path = MACROS, learners: Path = LEARNERS) -> str:
    """What a strategy's signal or learner does, less comments, docstrings and layout; empty for a constant.

    Raises FileNotFoundError where no file has it.
    """
    if kind == "signal":
        return " ".join(SQL_COMMENT.sub(" ", _macro_file(f"signal__{source}", macros)).split())
    if kind == "learner":
        return "\n".join(_python(file) for file in files(learners / f"{source}.py", learners))
    return ""


def _python(file: Path) -> str:
    """What a module does, less comments, docstrings and layout."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)


def _macro_file(name: str, macros: Path) -> str:
    """The text of the file that has a macro."""
    for file in sorted(macros.rglob("*.sql")):
        text = file.read_text("utf-8")
        if f"macro {name}(" in text:
            return text
    raise FileNotFoundError(f"{macros}: no file has the macro {name}")


def _digest(config: dict[Any, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def _test_sharpe(
    pnl: pd.DataFrame, test_from: pd.Timestamp | None, decisions_per_year: float
) -> float | None:
    if test_from is None:
        return None
    tested = pnl[(pnl["decision_at"] >= test_from) & (pnl["status"] == "filled")]
    by_decision = tested.sort_values(["decision_at", "symbol"]).groupby("decision_at")["net_return"].mean()
    annual = sharpe(by_decision.to_numpy(dtype=float)) * np.sqrt(decisions_per_year)
    return float(annual) if np.isfinite(annual) else None
