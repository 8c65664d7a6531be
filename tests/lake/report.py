"""`make lake`: the small world as a file and as a lake, table by table, written to tests/lake/RESULTS.md."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from flows.outputs import open_published
from flows.publish import published, working_copy
from python_steps import lake, warehouse
from tests.lake import built, compared, conftest, postgres
from tests.worlds import small

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = """# The same tables on DuckLake

Written by `make lake`: the small world of the tests, eight assets over two years, made by the same code with
all of dbt's tests, once as a file and once as a lake, whose catalogue is in Debian's PostgreSQL and whose
rows are in a folder on the same disk. Two cores, of which a lake uses one. DuckDB keeps the sign of a zero or
not, as the rows stored around it will have it; no step and no file of a run sees it. PostgreSQL's own time is
not counted.

"""


def main() -> None:
    """Write RESULTS. Raises SystemExit where a table differs."""
    with tempfile.TemporaryDirectory(prefix="lake-") as place, postgres.running() as server:
        folder = Path(place)
        (folder / "world").mkdir()
        world = small.build(folder / "world")
        told = world.rebuilt("told by all")
        figures = {"build, a file": _made(folder / "plain", world, told)}
        os.environ.update(conftest.environment(server, folder))
        figures["build, a lake"] = _made(folder / "lake", world, told)
        figures |= _times(folder / "lake")
        figures["size, the file"] = _size([folder / "plain" / "published.duckdb"])
        figures["size, the lake's Parquet"] = _size((folder / "data").rglob("*.parquet"))
        tables = _compared(folder)
    RESULTS.write_text(HEAD + _figures(figures) + _table(tables), "utf-8")
    differing = [one.table for one in tables if one.verdict == compared.VERDICTS[2]]
    print(f"{len(tables)} tables compared, {len(differing)} differ {' '.join(differing)}")  # noqa: T201
    raise SystemExit(bool(differing))


def _made(folder: Path, world: small.World, told: Path) -> str:
    began = time.process_time()
    built.build(folder, world, told, is_tested=True)
    return f"{time.process_time() - began:,.0f} s of CPU"


def _times(folder: Path) -> dict[str, str]:
    """How long it takes to publish, to open what is published, and to read from it."""
    with working_copy(folder) as file:
        con = warehouse.connect(file)
        pinned = _timed(lambda: lake.pin(con, lake.snapshots(con)[0]))
        cleaned = _timed(lambda: lake.clean(con))
        con.close()
    opened = _timed(lambda: open_published(folder).close())
    con = open_published(folder)
    query = "select count(*), sum(value) from main.signals"
    read = [_timed(lambda: con.execute(query).fetchall()) for _ in range(3)][-1]
    con.close()
    return {"pin a snapshot": pinned, "remove old files": cleaned, "open": opened, "sum all signals": read}


def _timed(act: Callable[[], Any]) -> str:
    began = time.perf_counter()
    act()
    return f"{(time.perf_counter() - began) * 1e3:,.0f} ms"


def _size(files: Any) -> str:
    sizes = [file.stat().st_size for file in files]
    return f"{sum(sizes) / 1e6:,.0f} MB in {len(sizes)} files"


def _compared(folder: Path) -> list[compared.Compared]:
    plain = duckdb.connect(str(folder / "plain" / "published.duckdb"), read_only=True)
    con = warehouse.connect(published(folder / "lake"), read_only=True)
    try:
        here, there = compared.names(plain), compared.names(con)
        lonely = [compared.Compared(name, 0, compared.VERDICTS[2]) for name in sorted({*here} ^ {*there})]
        return [*compared.compare(plain, con, sorted({*here} & {*there})), *lonely]
    finally:
        plain.close()
        con.close()


def _figures(figures: Mapping[str, str]) -> str:
    lines = [f"| {what} | {value} |" for what, value in figures.items()]
    return "\n".join(["| what | measured |", "| --- | --- |", *lines]) + "\n\n"


def _table(tables: Sequence[compared.Compared]) -> str:
    counts = [f"{sum(one.verdict == said for one in tables)} {said}" for said in compared.VERDICTS]
    head = [
        f"{len(tables)} tables: {', '.join(counts)}.",
        "",
        "| table | rows | the same |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *(f"| {one.table} | {one.rows:,} | {one.verdict} |" for one in tables)]) + "\n"


if __name__ == "__main__":
    main()
