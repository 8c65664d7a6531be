"""Two warehouses table by table, to the bit; one of them a lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_steps import warehouse

if TYPE_CHECKING:
    import duckdb

TABLES = """
    select table_schema || '.' || table_name from information_schema.tables
    where table_catalog = current_database() and table_schema in ('raw', 'main', 'steps') order by 1
"""
# DuckDB keeps the sign of a zero or not, as the rows stored around it will have it; no reader is told it.
UNSIGNED = {
    "DOUBLE": '"{name}" + 0.0 as "{name}"',
    "DOUBLE[]": 'list_transform("{name}", lambda v: v + 0.0) as "{name}"',
}
VERDICTS = ("to the bit", "but for signs of zeros", "different")


@dataclass(frozen=True)
class Compared:
    """One table: its rows, and how far it is the same on both sides."""

    table: str
    rows: int
    verdict: str


def names(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """Every table and view of the three schemas."""
    return [name for (name,) in con.execute(TABLES).fetchall()]


def compare(
    plain: "duckdb.DuckDBPyConnection", other: "duckdb.DuckDBPyConnection", tables: Sequence[str]
) -> list[Compared]:
    """Tables that both sides have, in order."""
    return [_compared(plain, other, table) for table in tables]


def _compared(plain: "duckdb.DuckDBPyConnection", other: "duckdb.DuckDBPyConnection", table: str) -> Compared:
    (rows,) = plain.execute(f"select count(*) from {table}").fetchall()[0]
    for query, verdict in ((f"select * from {table}", VERDICTS[0]), (_unsigned(plain, table), VERDICTS[1])):
        if warehouse.rows_digest(plain, query) == warehouse.rows_digest(other, query):
            return Compared(table, rows, verdict)
    return Compared(table, rows, VERDICTS[2])


def _unsigned(con: "duckdb.DuckDBPyConnection", table: str) -> str:
    columns = con.execute(f"describe {table}").fetchall()
    changed = [UNSIGNED[kind].format(name=name) for name, kind, *_ in columns if kind in UNSIGNED]
    return f"select * replace ({', '.join(changed)}) from {table}" if changed else f"select * from {table}"
