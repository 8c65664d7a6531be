"""One world built by Spark in this process, and every table compared with DuckDB's; writes both as JSON."""

import json
import os
import sys
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import yaml

from flows.spark import build, session
from tests.spark.compared import Compared, compare

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FOUND = "spark.json"
TESTED = "small"  # of its tables dbt's tests are asked too; the sample's would take as long as its models
MEMORY = "6g"
MODELS = "select table_name from information_schema.tables where table_schema = 'main' order by 1"


def main(place: Path, cores: int) -> None:
    """Build the models on Spark from what Python wrote in the world's file, and compare them."""
    folder = place / "spark"
    con = _opened(place / "published.duckdb")
    spark = session.begin(folder / "tables", cores, MEMORY)
    build.register(spark, con, folder / "sources")
    began = time.process_time() + _java_seconds(spark)
    failed = build.build(spark, folder)
    spent = time.process_time() + _java_seconds(spark) - began
    refused = build.build(spark, folder, "test") if place.name == TESTED else None
    names = [name for (name,) in con.execute(MODELS).fetchall()]
    tables = [_compared(con, folder / "tables" / "main.db", name, failed.get(name, "")) for name in names]
    found = {"seconds": spent, "tests": refused, "tables": [asdict(one) for one in tables]}
    (place / FOUND).write_text(json.dumps(found), "utf-8")


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    con.execute("set TimeZone = 'UTC'")
    # The name that dbt gave the file when its views were made.
    con.execute(f"attach '{file}' as published (read_only)")
    con.execute("use published")
    return con


def _java_seconds(spark: "SparkSession") -> float:
    """CPU seconds of the Java machine so far, as Linux counts them."""
    process = spark.sparkContext._gateway.proc.pid
    times = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def _compared(con: duckdb.DuckDBPyConnection, made: Path, name: str, failure: str) -> Compared:
    (rows,) = con.execute(f"select count(*) from published.main.{name}").fetchall()[0]
    if failure:
        return Compared(name, rows, error=failure)
    columns = ", ".join(
        f'"{column}"' for column, *_ in con.execute(f"describe published.main.{name}").fetchall()
    )
    here, there = f"published.main.{name}", f"read_parquet('{made / name}/*.parquet')"
    try:
        return compare(
            con,
            name,
            f"select {columns} from {here}",
            f"select {columns} from {there}",
            _grains().get(name, ()),
        )
    except duckdb.Error as error:
        return Compared(name, rows, error=" ".join(str(error).split()))


@cache
def _grains() -> dict[str, list[str]]:
    """Columns of the test `unique_grain` of each model."""
    found = {}
    for file in (build.PROJECT / "models").rglob("*.yml"):
        for model in yaml.safe_load(file.read_text("utf-8")).get("models") or []:
            for test in model.get("data_tests") or []:
                if isinstance(test, dict) and "unique_grain" in test:
                    found[model["name"]] = test["unique_grain"]["arguments"]["columns"]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
