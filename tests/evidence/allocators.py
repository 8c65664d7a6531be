"""What the portfolio would have earned with every allocator and every covariance, and how sure that is.

Run it with `python -m tests.evidence.allocators [published.duckdb] [portfolio]` after `make rebalance`: it
reads the tables once, walks the decisions under each, and writes ALLOCATORS.md.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.outputs import max_drawdown
from flows.pipeline import Run, allocation_inputs, one_thread
from python_steps import plugins, warehouse
from python_steps.allocate_exposures import allocate
from python_steps.allocation_inputs import AllocationInputs
from python_steps.bootstrap_intervals import block_length, intervals
from python_steps.policy import Policy

PAGE = Path(__file__).parent / "ALLOCATORS.md"
PUBLISHED = Path(".warehouse/published.duckdb")
HEAD = (
    "| {} | CAGR | Sharpe | drawdown | volatility | turnover | costs | invested | stops | fallbacks |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def main(published: Path = PUBLISHED, portfolio: str = "global", page: Path = PAGE) -> None:
    """Write the page; raises OSError where nothing is published."""
    inputs, policy, per_year = told(Path(published), str(portfolio))
    with one_thread():
        by_allocator = dict(walked(inputs, policy, per_year, "allocator", "python_steps.allocators"))
        by_covariance = dict(walked(inputs, policy, per_year, "covariance", "python_steps.covariances"))
    at = inputs.decisions["decision_at"]
    parts = [
        "# What each allocator and each covariance would have earned",
        f"Portfolio `{portfolio}`, {len(at)} decisions from {at.min():%Y-%m-%d} to {at.max():%Y-%m-%d}, from"
        " cash, under the limits and stops of its policy, after costs. The views are the same for all. CAGR,"
        " volatility, turnover (one way) and costs are annual; Sharpe is annual, with its 95 % interval by"
        " stationary block bootstrap; invested is the mean share that is not cash; stops counts latches.",
        words(by_allocator),
        f"## Allocators, on `{policy.covariance}`",
        table("allocator", by_allocator),
        f"## Covariances, under `{policy.allocator}`",
        table("covariance", by_covariance),
    ]
    page.write_text("\n\n".join(parts) + "\n", "utf-8")


def told(published: Path, portfolio: str) -> tuple[AllocationInputs, Policy, float]:
    """What the walk reads, with no past; the policy of the last run; decisions a year."""
    con = warehouse.connect(published, read_only=True)
    try:
        last = con.execute(
            "select runs.*, policies.policy_json from raw.runs as runs"
            " inner join raw.policies as policies using (portfolio, policy_hash)"
            " where runs.portfolio = $portfolio order by runs.run_number desc limit 1",
            {"portfolio": portfolio},
        ).df()
        row = last.iloc[0]
        policy = Policy.model_validate_json(row["policy_json"])
        run = Run(published, row["run_id"], portfolio, policy, row["as_of"], int(row["batch_until"]))
        decisions = warehouse.read(con, "decisions", where=lambda t: t.portfolio == portfolio)
        inputs, per_year = allocation_inputs(con, run, decisions.sort_values("decision_at"))
    finally:
        con.close()
    return replace(inputs, past={}), policy, per_year


def walked(
    inputs: AllocationInputs, policy: Policy, per_year: float, key: str, package: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures by plug-in: all decisions made anew with the policy's own replaced."""
    portfolio = inputs.decisions["portfolio"].iloc[0]
    for name in plugins.discover(package):
        wanted = policy.model_copy(update={key: name})
        yield name, figures(allocate(inputs, wanted, portfolio, "walk", per_year), per_year)


def figures(tables: dict[str, pd.DataFrame], per_year: float) -> dict[str, Any]:
    """What the page says of one walk."""
    log, stops = tables["allocation_log"], tables["stop_conditions"]
    net = log["net_return"].to_numpy(float)
    cash = tables["target_exposures"].query("symbol == 'CASH'")["weight"]
    return {
        "cagr": float(np.prod(1 + net)) ** (per_year / len(net)) - 1,
        "sharpe": intervals(net, block_length(net), np.random.SeedSequence(0), per_year)["sharpe"],
        "drawdown": max_drawdown(net),
        "volatility": float(np.std(net, ddof=1)) * per_year**0.5,
        "turnover": float(log["turnover"].mean()) * per_year,
        "costs": float(log["cost"].mean()) * per_year,
        "invested": 1 - float(cash.mean()),
        "stops": int((stops["latched_at"] == stops["decision_at"]).sum()),
        "fallbacks": int((log["status"] == "fallback").sum()),
    }


def words(found: dict[str, dict[str, Any]]) -> str:
    sure = {name: row["sharpe"] for name, row in found.items() if row["sharpe"].undefined is None}
    if not sure:
        return "**In plain words.** Nothing was held often enough to say how sure any Sharpe is."
    best = max(sure, key=lambda name: sure[name].estimate)
    apart = [name for name in sure if sure[name].upper < sure[best].estimate]
    others = ", ".join(f"`{name}`" for name in apart) or "no other"
    return (
        f"**In plain words.** `{best}` has the highest Sharpe, {sure[best].estimate:.2f}; it lies above the"
        f" whole interval of {others}. The highest of {len(sure)} is high by luck too, and all share the same"
        " views: these figures choose no allocator."
    )


def table(kind: str, found: dict[str, dict[str, Any]]) -> str:
    lines = [HEAD.format(kind)]
    lines += [
        f"| {name} | {row['cagr']:.2%} | {_with_bounds(row['sharpe'])} | {row['drawdown']:.1%}"
        f" | {row['volatility']:.1%} | {row['turnover']:.2f} | {row['costs']:.2%} | {row['invested']:.0%}"
        f" | {row['stops']} | {row['fallbacks']} |"
        for name, row in found.items()
    ]
    return "\n".join(lines)


def _with_bounds(ratio: Any) -> str:
    if ratio.undefined is not None:
        return "none"
    return f"{ratio.estimate:.2f} [{ratio.lower:.2f}, {ratio.upper:.2f}]"


if __name__ == "__main__":
    main(*sys.argv[1:3])
