"""A read-only session on the published file that can neither read other files nor change its settings."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flows.outputs import open_published
from flows.publish import published
from flows.requests import RequestError
from python_steps import lake

if TYPE_CHECKING:
    import duckdb

ROWS_SHOWN = 200
LOCKDOWN = (
    "set python_enable_replacements = false",  # or a query could read this process's variables
    "set enable_external_access = false",
    "set lock_configuration = true",
)


def session(folder: Path) -> "duckdb.DuckDBPyConnection":
    """A hardened connection; what it refuses is a duckdb.Error. Raises NothingPublished.

    Raises RequestError for a lake: who can read its files could write beside them, and ask its catalogue.
    """
    if lake.is_lake(published(folder)):
        raise RequestError("sql: a lake is read by a DuckDB client of your own; see README, Past one machine")
    con = open_published(folder)
    for statement in LOCKDOWN:
        con.execute(statement)
    return con


def show(con: "duckdb.DuckDBPyConnection", query: str) -> None:
    """Run one query and print its rows."""
    rows = con.sql(query)
    if rows is not None:
        rows.show(max_rows=ROWS_SHOWN)


def interact(con: "duckdb.DuckDBPyConnection") -> None:
    """Read statements that end with a semicolon from standard input, until it ends or says `exit`."""
    import duckdb

    pending = ""
    is_terminal = sys.stdin.isatty()
    while True:
        if is_terminal:
            print("   > " if pending else "sql> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line or (not pending and line.strip().rstrip(";") in {"exit", "quit", ".exit", ".quit"}):
            return
        pending += line
        if not pending.strip():
            pending = ""
        elif pending.rstrip().endswith(";"):
            try:
                show(con, pending)
            except duckdb.Error as error:
                print(f"error: {error}", file=sys.stderr)
            pending = ""
