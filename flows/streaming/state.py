"""Where a portfolio stands between decisions: its last targets, carried by the closes landed since."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from flows.outputs import open_published, stamp
from flows.publish import write_atomically

STATE_FILE = "state.json"

DECISION_SQL = """
    select max(decision_at) from main.allocation_log where portfolio = $portfolio
"""
# The close that a decision knew, and the newest one, of each asset it spoke of; the last version of a bar.
HELD_SQL = """
    with
        closes as (
            select symbol, session_date, closed_at, close, known_at, version
            from raw.bars
            semi join raw.asset_vendors using (symbol, vendor)
        ),
        before as (
            select symbol, max_by(close, (session_date, version)) as close
            from closes where known_at <= $decision_at group by symbol
        ),
        newest as (
            select symbol, max_by(close, (session_date, version)) as close, max(closed_at) as closed_at
            from closes group by symbol
        )
    select targets.symbol, targets.weight, before.close, newest.close, newest.closed_at
    from main.target_exposures as targets
    left join before using (symbol)
    left join newest using (symbol)
    where targets.portfolio = $portfolio and targets.decision_at = $decision_at
    order by targets.symbol
"""
DUE_SQL = """
    select count(*)
    from main.clock_instants as instants
    inner join main.decisions as last
        on last.clock = instants.clock and last.portfolio = $portfolio and last.decision_at = $decision_at
    where instants.decision_at > $decision_at and instants.decision_at <= $as_of
"""


def write(folder: Path, portfolio: str, out: Path, as_of: dt.datetime) -> dict[str, Any] | None:
    """Write state.json and return it; None where the portfolio has no decision yet."""
    state = read(folder, portfolio, as_of)
    if state is not None:
        content = (json.dumps(state, indent=2, allow_nan=False) + "\n").encode()
        write_atomically(out / STATE_FILE, content)
    return state


def read(folder: Path, portfolio: str, as_of: dt.datetime) -> dict[str, Any] | None:
    """Where a portfolio stands by published rows; None where it has no decision yet.

    Weights are in the assets' own quotes, without costs and rates of exchange: what to look at until the next
    decision, which values everything anew.
    """
    con = open_published(folder)
    try:
        told = {"portfolio": portfolio}
        tables = {name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()}
        tables |= {name for (name,) in con.execute("select view_name from duckdb_views()").fetchall()}
        if not {"allocation_log", "target_exposures", "clock_instants"} <= tables:
            return None
        decision_at = con.execute(DECISION_SQL, told).fetchall()[0][0]
        if decision_at is None:
            return None
        told |= {"decision_at": decision_at}
        rows = con.execute(HELD_SQL, told).fetchall()
        due = con.execute(DUE_SQL, told | {"as_of": as_of}).fetchall()[0][0]
    finally:
        con.close()
    return _state(portfolio, decision_at, as_of, rows) | {"decisions_due": due}


def _state(
    portfolio: str, decision_at: dt.datetime, as_of: dt.datetime, rows: list[tuple[Any, ...]]
) -> dict[str, Any]:
    grown = {symbol: weight * (now / then if then and now else 1.0) for symbol, weight, then, now, _ in rows}
    value = sum(grown.values())
    return {
        "portfolio": portfolio,
        "as_of": stamp(as_of),
        "decision_at": stamp(decision_at),
        "is_indicative": True,
        "change_since_decision": value - sum(weight for _, weight, *_ in rows),
        "weights": {symbol: weight / value for symbol, weight in grown.items()},
        "targets": {symbol: weight for symbol, weight, *_ in rows},
        "last_bars": {symbol: stamp(closed_at) for symbol, *_, closed_at in rows if closed_at},
    }
