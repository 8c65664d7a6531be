"""All models built on Spark, from the tables that Python wrote in a finished warehouse."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.spark import session as sessions

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import SparkSession

PROJECT = Path(__file__).parent.parent.parent
SOURCES = """
    select table_schema || '.' || table_name
    from information_schema.tables
    where table_schema in ('raw', 'steps') and table_catalog = current_database()
"""


def register(session: "SparkSession", con: "duckdb.DuckDBPyConnection", folder: Path) -> None:
    """Give Spark what was told and what was estimated, as Parquet in `folder`."""
    folder = folder.resolve()  # Spark would take it from the folder of its own tables
    folder.mkdir(parents=True, exist_ok=True)
    for (table,) in con.execute(SOURCES).fetchall():
        file = folder / f"{table}.parquet"
        con.execute(f"copy {table} to '{file}' (format parquet)")
        session.sql(f"create table {table} using parquet location '{file}'")


def build(
    session: "SparkSession", folder: Path, command: str = "run", select: Sequence[str] = ()
) -> dict[str, str]:
    """dbt's `run` or `test` on target spark; returns what failed by name, with the reason.

    What stands below a model that failed is skipped, and is among what is returned.
    """
    from dbt.cli.main import dbtRunner

    sessions.install(session)
    place = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", "spark"]
    place += ["--target-path", str(folder / "dbt"), "--log-path", str(folder / "dbt")]
    quiet = ["--quiet", "--no-print", "--log-level", "none", "--log-level-file", "debug", "--no-write-json"]
    chosen = ["--select", *select] if select else []
    chosen += ["--resource-type", "test"] if command == "test" else []  # unit tests are DuckDB's rows
    outcome = dbtRunner().invoke([command, *chosen, *place, *quiet])
    if outcome.exception is not None or outcome.result is None:
        raise RuntimeError(f"dbt {command}: {outcome.exception}")
    failed = [one for one in outcome.result if one.status not in ("success", "pass")]
    return {one.node.name: " ".join(str(one.message or one.status).split()) for one in failed}
