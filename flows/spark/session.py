"""dbt's Spark session: what dbt hands over goes to Spark after the SQL of the models in it is translated."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.spark.translate import translate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MARKED = re.compile(r"/\* duckdb \*/(.*?)/\* spark \*/", re.DOTALL)  # macros/spark.sql sets the marks
CLASSES = "main.asset_classes"  # what the bounds of frames are read from, one row per class
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",  # an instant in Parquet is one in UTC
    "spark.sql.timeType.enabled": "true",
    # As DuckDB: an overflow or a text that is no number ends the run. dbt-spark would turn it off.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -Xss16m",  # long expressions are deep trees
}


def begin(folder: Path, cores: int, memory: str) -> "SparkSession":
    """A session on this machine whose tables are in `folder`, with the three schemas."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{cores}]").appName("portfolio_warehouse")
    settings = SETTINGS | {"spark.driver.memory": memory, "spark.sql.warehouse.dir": str(folder.resolve())}
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    for schema in ("raw", "main", "steps"):
        session.sql(f"create database if not exists {schema}")
    return session


def translated(sql: str, session: "SparkSession") -> str:
    """A statement with every marked part of DuckDB's SQL as Spark's."""

    def columns(table: str) -> list[str]:
        return list(session.table(table).columns)

    def bounds(names: Sequence[str]) -> list[tuple[int, ...]]:
        return sorted({tuple(row) for row in session.table(CLASSES).select(*names).collect()})

    return MARKED.sub(lambda part: f"\n{translate(part[1], columns, bounds)}\n", sql)


def install(session: "SparkSession") -> None:
    """Let dbt-spark's session connection translate, and speak to this session.

    Its own cursor would ask for Hive and end ANSI mode.
    """
    from dbt.adapters.spark import session as theirs
    from dbt_common.exceptions import DbtRuntimeError
    from pyspark.errors import PySparkException

    class Cursor(theirs.Cursor):  # type: ignore[misc]
        def execute(self, sql: str, *parameters: Any) -> None:
            try:
                self._df = session.sql(translated(sql % parameters if parameters else sql, session))
            except (PySparkException, ValueError) as error:
                raise DbtRuntimeError(str(error)) from error

    theirs.Cursor = Cursor
