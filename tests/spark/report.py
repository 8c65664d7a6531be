"""`make spark`: the models on DuckDB and on Spark, table by table, written to tests/spark/RESULTS.md."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.spark.built import FOUND
from tests.spark.compared import TOLERANCE, Compared

RESULTS = Path(__file__).parent / "RESULTS.md"
NAMES = ("small", "sample")
CORES = 1
PACKAGES = ("pyspark", "dbt-spark", "dbt-core", "duckdb", "sqlglot")
HEAD = f"""# The same models on Spark

Written by `make spark`. Each world is made by DuckDB and the Python steps. Then Spark, in one process on one
core, is given what was landed and what the steps wrote, and builds every SQL model anew from its own tables,
in order of lineage, from the same files, translated by flows/spark. A table is equal where no row of its
grain is missing or extra and every column is: doubles, and hugeints, which count doubles in units of 1e-12,
within {TOLERANCE:g} of the larger of 1 and the value, all else exactly, null and NaN told apart. The largest
difference is relative in the same way.

CPU seconds of the models are those of one `dbt run`: parsed before for DuckDB, and for Spark with the
parsing, about ten seconds, and with the 33 views made as tables. Spark compiles each query and recomputes
each frame of a window, and on one machine has nothing to share that work with.

"""


PASSED = "All of dbt's tests, less its unit tests, pass on Spark."
UNASKED = "dbt's tests are asked in the small world alone."


def main(folder: Path, names: Sequence[str]) -> None:
    """Write RESULTS. Raises SystemExit where a table differs."""
    worlds = {name: _built(folder / name) for name in names}
    parts = [HEAD, _figures(folder, worlds), *(_world(name, found) for name, found in worlds.items())]
    RESULTS.write_text("\n".join(parts), "utf-8")
    tables = [(name, one) for name, found in worlds.items() for one in _tables(found)]
    differing = [f"{name}: {one.table}" for name, one in tables if not one.is_equal]
    print(f"{len(tables)} tables compared, {len(differing)} differ {' '.join(differing)}")  # noqa: T201
    raise SystemExit(bool(differing))


def _built(place: Path) -> Any:
    """What one world came to, in a process of its own: a session holds one set of tables."""
    shutil.rmtree(place / "spark", ignore_errors=True)
    (place / FOUND).unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "tests.spark.built", str(place), str(CORES)], check=True)
    return json.loads((place / FOUND).read_text("utf-8"))


def _tables(found: Mapping[str, Any]) -> list[Compared]:
    return [Compared(**one) for one in found["tables"]]


def _figures(folder: Path, worlds: Mapping[str, Any]) -> str:
    lines = [
        "| world | rows | equal | different | models, DuckDB | models, Spark | whole run, DuckDB and steps |"
    ]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for name, found in worlds.items():
        tables, costs = _tables(found), json.loads((folder / name / "duckdb.json").read_text("utf-8"))
        equal, rows = sum(one.is_equal for one in tables), sum(one.rows for one in tables)
        seconds = [f"{spent:,.0f} s of CPU" for spent in (costs["models"], found["seconds"], costs["whole"])]
        lines.append(f"| {name} | {rows:,} | {equal} | {len(tables) - equal} | {' | '.join(seconds)} |")
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n".join([*lines, "", f"{versions}, Python {platform.python_version()}, {_java()}.", ""])


def _java() -> str:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)
    return said.stderr.splitlines()[0].replace('"', "")


def _world(name: str, found: Mapping[str, Any]) -> str:
    refused = [f"- {test}: {why}" for test, why in (found["tests"] or {}).items()]
    tests = ["Of dbt's tests on Spark these fail:", "", *refused] if refused else [PASSED]
    if found["tests"] is None:
        tests = [UNASKED]
    rows = [f"| {one.table} | {one.rows:,} | {_verdict(one)} | {one.largest:.1e} |" for one in _tables(found)]
    head = ["| table | rows | verdict | largest difference |", "| --- | --- | --- | --- |"]
    return "\n".join([f"## {name}", "", *tests, "", *head, *rows, ""])


def _verdict(one: Compared) -> str:
    parts = [f"{one.missing} rows missing"] * bool(one.missing) + [f"{one.extra} rows extra"] * bool(
        one.extra
    )
    parts += [f"{column} differs in {count}" for column, count in one.differing.items()]
    return "; ".join(parts + [one.error] * bool(one.error)) or "equal"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or NAMES)
