"""Canaries: planted assets on which no honest strategy can have skill, and a leak gives a great deal of it.

A canary's bars are drawn so that the return of every fill is independent of all that is known at its
decision, and has mean zero. So position times return has mean zero whatever the strategy, and a mean beyond
LIMIT of its standard errors, on either side, says that a position knew what it could not know.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from flows.guards.findings import Finding
from python_steps import warehouse

GUARD = "canaries"
LIMIT = 4.0  # standard errors; the largest of 479 honest means, in eight worlds, was 3.5
MINIMUM_FILLS = 60  # with a position; fewer say nothing of a mean

# Fills of every strategy on the canaries, and those of every portfolio: its weight for a position.
FILLS = """
    select clock, strategy, symbol, decision_at, position, unit_return, fill_at < decision_at as is_early
    from main.strategy_pnl
    where status = 'filled' and list_contains($symbols, symbol)
    union all
    select
        clock,
        'portfolio ' || weights.portfolio,
        symbol,
        decision_at,
        weights.weight,
        fills.unit_return,
        fill_at < decision_at
    from steps.target_exposures as weights
    inner join main.portfolios as portfolios on portfolios.portfolio = weights.portfolio
    inner join main.order_returns as fills using (clock, symbol, decision_at)
    where list_contains($symbols, symbol)
    order by all
"""
MEASURES = [
    "symbol", "clock", "strategy", "fills", "mean_position", "is_choosing", "is_early", "mean", "errors",
]  # fmt: skip


class Canary(NamedTuple):
    """A planted asset: its symbol, the leak it gives away (a key of LEAKS), and who has skill on it."""

    symbol: str
    leak: str
    gives_away: str


def check(file: Path, canaries: Sequence[Canary]) -> list[Finding]:
    """A finding for each strategy or portfolio with skill on a canary, and for each canary nobody held.

    `file` is a warehouse whose tables up to strategy_pnl are built; portfolios are looked at where they have
    exposures. A canary that no strategy held by choice, now more and now less, is itself a finding. Where
    fills came before their decisions the leak is called early_fill, whichever canary gave it away.
    """
    measured = skill(file, canaries)
    return [finding for canary in canaries for finding in _judged(canary, measured)]


def skill(file: Path, canaries: Sequence[Canary]) -> pd.DataFrame:
    """What `check` goes by: one row per canary, clock and strategy with enough fills that had a position.

    `fills` counts these and `mean_position` is the mean size over all; `is_choosing` says whether the
    position varied, `is_early` whether any fill came before its decision. `mean` is that of position times
    unit return, one a fill and before cost, and `errors` the same in its standard errors.
    """
    con = warehouse.connect(file, read_only=True)
    try:
        fills = con.execute(FILLS, {"symbols": [canary.symbol for canary in canaries]}).df()
    finally:
        con.close()
    rows = [
        dict(zip(MEASURES, (*key, *_measured(held)), strict=True))
        for key, held in fills.groupby(["symbol", "clock", "strategy"])
        if (held["position"] != 0).sum() >= MINIMUM_FILLS
    ]
    return pd.DataFrame(rows, columns=MEASURES)


def _measured(held: pd.DataFrame) -> tuple[int, float, bool, bool, float, float]:
    position = held["position"].to_numpy()
    earned = position * held["unit_return"].to_numpy()
    error = earned.std(ddof=1) / np.sqrt(len(earned))
    return (
        int((position != 0).sum()),
        float(np.abs(position).mean()),
        bool(np.ptp(position) > 0),
        bool(held["is_early"].any()),
        float(earned.mean()),
        float(earned.mean() / error) if error > 0 else 0.0,
    )


def _judged(canary: Canary, measured: pd.DataFrame) -> Iterator[Finding]:
    mine = measured[measured["symbol"] == canary.symbol]
    if not mine["is_choosing"].any():
        evidence = (
            f"no exposure: {len(mine)} strategies held {canary.symbol} in {MINIMUM_FILLS} fills or more, and"
            " none by choice; this guard saw nothing"
        )
        yield Finding(GUARD, canary.leak, canary.symbol, evidence)
    for row in mine[mine["errors"].abs() > LIMIT].itertuples():
        evidence = (
            f"{row.mean * 1e4:+.1f} bp a fill of {canary.symbol}, {row.errors:+.1f} standard errors from 0 in"
            f" {row.fills} fills; {canary.gives_away}"
        )
        leak = "early_fill" if row.is_early else canary.leak
        yield Finding(GUARD, leak, str(row.strategy), evidence)
