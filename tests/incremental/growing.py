"""A warehouse grown run by run, as a user's is; and the SQL as dbt runs it, twenty times as fast."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import duckdb
import pandas as pd

from flows import pipeline, rebalance
from flows.dbt import Dbt
from flows.growth import Growth, growth
from flows.guards.compiled import CompiledDbt
from python_steps import warehouse
from tests.worlds import small

SOME_DAY = dt.datetime(2001, 2, 3, 4, 5, 6, 7)  # compiled for; each run puts its own in its place
TABLES = "select table_name from duckdb_tables() where schema_name = 'main' and database_name <> 'other'"
LOOKS_BACK = {"bar_slices", "told_slices"}  # how far a run does is its own


@dataclass
class GrowingDbt(CompiledDbt):
    """A CompiledDbt that grows tables where `since` is given, as macros/grown.sql does.

    It dies before the model named `dies_at`.
    """

    dies_at: str | None = None
    grown: dict[str, str] = field(default_factory=dict, repr=False)
    seconds: dict[str, float] = field(default_factory=dict, repr=False)  # CPU of each model, since cleared

    def to(self, file: Path, since: dt.datetime | None, dies_at: str | None = None) -> Self:
        """The same on a file, from an instant on."""
        return replace(self.on(file), since=since, dies_at=dies_at)

    def compile(self) -> None:
        """As they are made anew, and once more as they grow."""
        super().compile()
        if self.grown:
            return
        dbt = Dbt(self.file, project=self.project)
        dbt._invoke(["compile", "--vars", f"{{since: '{SOME_DAY}'}}"], manifest=dbt.manifest)
        nodes = dbt.manifest.nodes.values()
        self.grown.update({one.name: one.compiled_code for one in nodes if one.resource_type == "model"})

    def run(
        self, *, select: Sequence[str] = (), exclude: Sequence[str] = (), full_refresh: bool = False
    ) -> None:
        """Models without tests."""
        if self.since is None:
            super().run(select=select, exclude=exclude)
        else:
            self._each(self._selected(select, exclude, "model"), self._grow)

    def _each(self, nodes: Sequence[Any], act: Callable[..., Any]) -> None:
        def timed(con: duckdb.DuckDBPyConnection, node: Any) -> None:
            begun = time.thread_time()  # DuckDB has one thread, which is this
            act(con, node)
            self.seconds[node.name] = self.seconds.get(node.name, 0) + time.thread_time() - begun

        super()._each(nodes, timed)

    def _grow(self, con: duckdb.DuckDBPyConnection, node: Any) -> None:
        if node.name == self.dies_at:
            raise InterruptedError(node.name)
        name, is_new = f'main."{node.name}"', f"> timestamp '{self.since}'"
        if node.config.materialized == "view":
            con.execute(f"create or replace view {name} as {node.compiled_code}")
            return
        keys, end = node.config.meta.get("keys", []), node.config.meta.get("end")
        listed = ", ".join(f'"{column}"' for column in node.columns)
        is_dated = "known_at" in node.columns
        stamps = (["known_at"] if is_dated else []) + ([end] if end else [])
        wanted = " or ".join(f"{stamp} {is_new}" for stamp in stamps) or "true"
        code = self.grown[node.name].replace(str(SOME_DAY), str(self.since))
        con.execute(f"create or replace temp table news as select {listed} from ({code}\n) where {wanted}")
        if is_dated:
            con.execute(f"delete from {name} where known_at {is_new}")
        elif not keys:
            con.execute(f"delete from {name}")
        if keys:
            same = " and ".join(f"stood.{key} = news.{key}" for key in keys)
            con.execute(f"delete from {name} as stood using news where {same}")
        con.execute(f"insert into {name} ({listed}) from news")


def begin(file: Path, world: small.World, as_of: dt.datetime) -> tuple[pipeline.Run, Growth]:
    """Write the row of a run that ends at an instant of the world, and say how it may make its tables."""
    with opened(world.origin.file, read_only=True) as con:
        rows = warehouse.read(con, "raw.runs", where=lambda run: run.as_of >= as_of)
    name = f"{small.PORTFOLIO}-{as_of:%Y%m%d-%H%M%S}"
    row = rows.sort_values("as_of").head(1).assign(run_id=name, as_of=as_of)
    with opened(file) as con:
        number = con.execute("select count(*) + 1 from raw.runs").fetchall()[0][0]
        warehouse.write(con, "raw.runs", row.assign(run_number=number))
        grown = growth(con)
    batch = int(row["batch_until"].iloc[0])
    return pipeline.Run(file, name, small.PORTFOLIO, world.origin.policy, pd.Timestamp(as_of), batch), grown


def compute(run: pipeline.Run, dbt: GrowingDbt) -> None:
    """Make tables and decisions, and end the run."""
    rebalance.finish(run, pipeline.compute(run, dbt, _silent, is_tested=False))


def made_anew(file: Path, run: pipeline.Run, dbt: GrowingDbt, into: Path) -> Path:
    """The same run in a file that was told the same, with nothing that it could add to."""
    into.parent.mkdir(parents=True)
    with opened(into) as con:
        warehouse.create_tables(con)
        warehouse.attach(con, file, "grown")
        for table in warehouse.declared_columns():
            if table.startswith("raw.") or table == "steps.trials":
                con.execute(f"insert into {table} by name from grown.{table}")
    compute(replace(run, file=into), dbt.to(into, None))
    return into


def different(one: Path, other: Path, tables: Sequence[str] = ()) -> dict[str, tuple[int, int]]:
    """Tables of `main` (all unless named) whose rows are not the same to the bit: rows gone, and rows new."""
    found = {}
    with opened(one, read_only=True) as con:
        con.execute(f"attach '{other}' as other (read_only)")
        for table in tables or [name for (name,) in con.execute(TABLES).fetchall()]:
            described = con.execute(f"describe main.{table}").fetchall()
            columns = [column for column, *_ in described if column != "run_id"]
            listed = ", ".join(f'"{column}"' for column in columns)
            sides = (f"select {listed} from main.{table}", f"select {listed} from other.main.{table}")
            gone, new = (
                con.execute(f"select count(*) from (({left}) except all ({right}))").fetchall()[0][0]
                for left, right in (sides, sides[::-1])
            )
            if gone or new:
                found[table] = (gone, new)
    return found


@contextmanager
def opened(file: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    con = warehouse.connect(file, read_only=read_only)
    try:
        yield con
    finally:
        con.close()


def _silent(*_: object, **__: object) -> None:
    pass
