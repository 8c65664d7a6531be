"""A past decision again, from what its run could see: the same rows and the same files, or what differs."""

import datetime as dt
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from flows import outputs, pipeline
from flows.dbt import Dbt
from flows.publish import PUBLISHED, published
from flows.requests import ReplayResult
from flows.versions import code_version, lock_hash
from python_steps import policy as policies
from python_steps import warehouse

if TYPE_CHECKING:
    import duckdb

# What a run could see of each table that Python writes, in the published file attached as `told`.
LANDED = "batch_id <= $batch_until"
EARLIER = "in (select run_id from told.raw.runs where run_number < $run_number)"
VISIBLE = {
    "raw.batches": LANDED,
    "raw.bars": LANDED,
    "raw.actions": LANDED,
    "raw.quarantined_bars": LANDED,
    "raw.asset_vendors": LANDED,
    "raw.assets": LANDED,
    "raw.study": LANDED,
    "raw.policies": LANDED,
    "raw.runs": "run_number <= $run_number",
    "raw.resets": "reset_at <= $as_of",
    "raw.holdings": "decision_at <= $as_of",
    "steps.trials": f"first_run_id {EARLIER}",
    **{
        f"steps.{table}": f"run_id {EARLIER}"
        for table in (*pipeline.LEARNED, *pipeline.DECIDED, *pipeline.MEASURED)
    },
}


def replay(*, portfolio: str, decision_at: dt.datetime, warehouse: Path) -> ReplayResult:
    """Run again the run that made a decision, on what it saw, and compare the decision to the byte.

    Earlier runs' rows are taken as they stand, since they are never rewritten; they have runs of their own to
    be replayed. Raises NothingPublished where there is no such decision.
    """
    name = Path(portfolio).stem
    told = _told(warehouse, name, decision_at)
    with tempfile.TemporaryDirectory(prefix="replay-") as place:
        file = Path(place) / PUBLISHED
        dbt = Dbt(file)
        dbt.run_operation("create_source_tables")
        run = _as_it_was(file, published(warehouse), told["run"])
        pipeline.compute(run, dbt, lambda *_, **__: None, is_tested=False)
        again = _gathered(file.parent, name, decision_at)
    divergence = _divergence(told["readings"], again["readings"])
    differences = _differences(told["rows"], again["rows"]) + [
        f"{name}: other bytes" for name, content in told["files"].items() if content != again["files"][name]
    ]
    if divergence != 0:
        differences.append(f"readings: signals differ by up to {divergence:g}")
    made_with = (told["run"]["code_version"], told["run"]["lock_hash"])
    return ReplayResult(
        portfolio=name,
        decision_at=decision_at,
        is_same=not differences,
        is_proof=made_with == (code_version(), lock_hash()),
        rows_compared=sum(len(rows) for rows in told["rows"].values()),
        signal_divergence=divergence,
        differences=differences,
    )


def _told(folder: Path, portfolio: str, decision_at: dt.datetime) -> dict[str, Any]:
    """The decision as published, and the row of the run that made it."""
    found = _gathered(folder, portfolio, decision_at)
    con = outputs.open_published(folder)
    try:
        rows = con.execute(
            """
            select runs.* from raw.runs as runs
            inner join steps.allocation_log as logs on logs.run_id = runs.run_id
            where logs.portfolio = $portfolio and logs.decision_at = $decision_at
            """,
            {"portfolio": portfolio, "decision_at": decision_at},
        )
        names = [column[0] for column in rows.description or []]
        return {**found, "run": dict(zip(names, rows.fetchall()[0], strict=True))}
    finally:
        con.close()


def _gathered(folder: Path, portfolio: str, decision_at: dt.datetime) -> dict[str, Any]:
    """Files, rows and signals of a decision; doubles as the shortest text that reads back to their bits."""
    con = outputs.open_published(folder)
    try:
        files = outputs.render(outputs.gather(con, portfolio, decision_at))
        rows = {table: _rows(con, table, portfolio, decision_at) for table in pipeline.DECIDED}
        return {"files": files, "rows": rows, "readings": _readings(con, portfolio, decision_at)}
    finally:
        con.close()


def _rows(
    con: "duckdb.DuckDBPyConnection", table: str, portfolio: str, decision_at: dt.datetime
) -> set[tuple[Any, ...]]:
    query = f"""
        select columns(* exclude (run_id))::varchar from steps.{table}
        where portfolio = $portfolio and decision_at = $decision_at
    """
    return set(con.execute(query, {"portfolio": portfolio, "decision_at": decision_at}).fetchall())


def _readings(
    con: "duckdb.DuckDBPyConnection", portfolio: str, decision_at: dt.datetime
) -> dict[tuple[str, str], float]:
    """What each signal said at a decision of each asset that could be held then.

    An asset that was landed later, with its past, has readings of that day too, which no decision read.
    """
    query = """
        select readings.signal, readings.symbol, readings.value
        from main.readings as readings
        inner join main.decisions as decisions
            on decisions.clock = readings.clock and decisions.decision_at = readings.decision_at
        inner join steps.target_exposures as exposures
            on exposures.portfolio = decisions.portfolio
            and exposures.decision_at = decisions.decision_at
            and exposures.symbol = readings.symbol
        where decisions.portfolio = $portfolio and readings.decision_at = $decision_at
    """
    rows = con.execute(query, {"portfolio": portfolio, "decision_at": decision_at}).fetchall()
    return {(signal, symbol): value for signal, symbol, value in rows}


def _divergence(told: dict[tuple[str, str], float], again: dict[tuple[str, str], float]) -> float:
    """The most by which a signal differs in the replay, infinite where one side has none; it must be 0."""
    if told.keys() != again.keys():
        return math.inf
    return max((abs(told[key] - again[key]) for key in told), default=0.0)


def _as_it_was(file: Path, source: Path, told: dict[str, Any]) -> pipeline.Run:
    """Fill a new warehouse with what the run could see, its own row without an outcome."""
    bounds = {name: told[name] for name in ("run_number", "batch_until", "as_of")}
    con = warehouse.connect(file)
    try:
        warehouse.attach(con, source, "told")
        for table, condition in VISIBLE.items():
            wanted = {key: value for key, value in bounds.items() if f"${key}" in condition}
            con.execute(f"insert into {table} by name select * from told.{table} where {condition}", wanted)
        (policy_json,) = con.execute(
            "select policy_json from raw.policies"
            " where portfolio = $portfolio and policy_hash = $hash limit 1",
            {"portfolio": told["portfolio"], "hash": told["policy_hash"]},
        ).fetchall()[0]
        con.execute("detach told")
    finally:
        con.close()
    return pipeline.Run(
        file=file,
        run_id=told["run_id"],
        portfolio=told["portfolio"],
        policy=policies.Policy.model_validate_json(policy_json),
        as_of=pd.Timestamp(told["as_of"]),
        batch_until=told["batch_until"],
    )


def _differences(told: dict[str, set[tuple[Any, ...]]], again: dict[str, set[tuple[Any, ...]]]) -> list[str]:
    """One line a table that is not the same, with the first row on either side."""
    lines = []
    for table in told:
        gone, new = sorted(told[table] - again[table], key=str), sorted(again[table] - told[table], key=str)
        if gone or new:
            first = f"published {gone[0] if gone else 'nothing'}, replayed {new[0] if new else 'nothing'}"
            lines.append(f"{table}: {len(gone)} rows gone, {len(new)} new; {first}")
    return lines
