"""The guard: every claim on a warehouse file held against what is published there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.guards.findings import Finding
from flows.guards.identity import landing, naming, portfolio, prices, profit, raw_world, standing
from flows.guards.identity.naming import Claim
from flows.guards.identity.recomputed import recompute
from python_steps import warehouse

POSITIONS = "select clock, strategy, symbol, decision_at, position from main.positions"
EXPOSURES = "select portfolio, decision_at, symbol, weight from main.target_exposures"
IMPACTS = "select clock, symbol, decision_at, impact_rate from main.market_impacts"
QUALITY = "select portfolio, decision_at, symbol, is_excluded from main.data_quality"


@dataclass(frozen=True)
class Examined:
    """What was found, from upstream to downstream, and how many published rows were compared, by table."""

    findings: list[Finding]
    rows: dict[str, int]


def check(file: Path, tables: Sequence[str] = ()) -> list[Finding]:
    """Findings of `examine`."""
    return examine(file, tables).findings


def examine(file: Path, tables: Sequence[str] = ()) -> Examined:
    """Recompute what raw tables say, and compare it with what a warehouse publishes.

    `tables` are names as `order_fills`, or `raw.bars`; all that the guard knows and the file has, unless
    given. Nothing derived is taken as it is but positions, weights and the flag of excluded assets. Raises
    ValueError for a table that is not there or not known, and where nothing was compared.
    """
    con = warehouse.connect(file, read_only=True)
    try:
        wanted = {table.removeprefix("main.") for table in tables}
        findings: list[Finding] = []
        rows: dict[str, int] = {}
        for claim in _claims(con):
            name = claim.table.removeprefix("main.")
            if (wanted and name not in wanted) or not naming.exists(con, claim.table):
                continue
            found, count = naming.compare(con, claim)
            findings += found
            rows[name] = rows.get(name, 0) + count
    finally:
        con.close()
    if missing := sorted(wanted - rows.keys()):
        raise ValueError(f"{file}: cannot be recomputed or is not there: {', '.join(missing)}")
    if not sum(rows.values()):
        raise ValueError(f"{file}: has no rows to compare")
    return Examined(findings, rows)


def _claims(con: duckdb.DuckDBPyConnection) -> Iterator[Claim]:
    """From upstream to downstream."""
    world = raw_world.read(con)
    yield landing.claim(con, world)
    yield landing.of_actions(con, world)
    made = recompute(world)
    yield from prices.claims(made)
    yield from standing.claims(made)
    if naming.exists(con, "main.data_quality"):
        yield standing.of_quality(made, con.execute(QUALITY).df())
    yield from profit.of_orders(made)
    if naming.exists(con, "main.positions"):
        yield from profit.of_positions(made, con.execute(POSITIONS).df())
    if naming.exists(con, "main.target_exposures"):
        yield from portfolio.claims(made, *(con.execute(query).df() for query in (EXPOSURES, IMPACTS)))
