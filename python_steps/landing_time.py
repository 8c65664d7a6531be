"""The instant of a landing: later than that of all landings and runs before it, or its news are refused."""

import datetime as dt
from collections.abc import Iterable

import duckdb

from python_steps.errors import InputError


def as_of_before(con: duckdb.DuckDBPyConnection, batch_id: int, run_id: str) -> dt.datetime | None:
    """The latest as_of of any earlier landing or run; None in an empty warehouse."""
    query = """
    select max(as_of) from (
        select as_of from raw.batches where batch_id < $batch_id
        union all
        select as_of from raw.runs where run_id <> $run_id
    )
    """
    return con.execute(query, {"batch_id": batch_id, "run_id": run_id}).fetchall()[0][0]


def refuse_the_past(
    sources: Iterable[str], what: str, as_of: dt.datetime, before: dt.datetime | None
) -> None:
    """Raises InputError where news come as of an instant that is not after all before; names the sources."""
    if before is not None and as_of <= before:
        raise InputError(
            f"{', '.join(sources)}: brings new {what} as of {as_of}, but there is a landing or run as of"
            f" {before}; expected a later as-of"
        )
