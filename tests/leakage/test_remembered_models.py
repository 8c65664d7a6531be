"""Rows taken from a memory are those that the model would make, and an edited model is never remembered."""

import dataclasses
from pathlib import Path

import duckdb
import pytest

from flows.guards.compare import OUTSIDE, differences
from python_steps import warehouse
from tests.leakage.remembered_models import Memory
from tests.worlds import small

MODEL = "bar_statistics"


@pytest.fixture
def memory(small_world: small.World, tmp_path: Path) -> Memory:
    """A memory that saw everything up to the model twice, so that rows worth it are kept."""
    memory = Memory(tmp_path, small_world.dbt.manifest, small_world.dbt.compiled())
    for name in ("seen once", "seen twice"):
        made(small_world, memory, f"{name} {tmp_path.name}")
    return memory


def made(world: small.World, memory: Memory | None, name: str) -> Path:
    file = world.rebuilt(name)
    dbt = dataclasses.replace(world.dbt.on(file), maker=memory.make if memory else None)
    dbt.run(select=[f"+{MODEL}"])
    return file


def test_rows_of_the_memory_are_those_that_would_be_made(small_world, memory, tmp_path):
    assert list(tmp_path.glob("*.duckdb")), "nothing was worth keeping"
    recalled = made(small_world, memory, f"recalled {tmp_path.name}")
    plain = made(small_world, None, f"plain {tmp_path.name}")
    dated = {f"main.{name}" for name in small_world.dbt.upstream(MODEL)} - {*OUTSIDE}
    assert f"main.{MODEL}" in dated
    assert not differences(plain, recalled, small.RUNS[-1], tables=sorted(dated))


def test_rows_are_taken_from_the_memory(small_world, memory, tmp_path):
    """Seen by rows put into the memory that no model makes."""
    for kept in tmp_path.glob("*.duckdb"):
        with duckdb.connect(str(kept)) as con:
            con.execute("delete from rows")
    assert rows(made(small_world, memory, f"emptied {tmp_path.name}")) == 0


def test_an_edited_model_runs_and_so_does_what_reads_it(small_world, memory, tmp_path):
    for kept in tmp_path.glob("*.duckdb"):
        with duckdb.connect(str(kept)) as con:
            con.execute("delete from rows")
    edited = dict.fromkeys(memory.original, "the SQL before")
    assert rows(made(small_world, Memory(tmp_path, memory.manifest, edited), f"edited {tmp_path.name}")) > 0


def test_other_rows_below_are_another_key(small_world, memory, tmp_path):
    files = set(tmp_path.iterdir())
    file = small_world.rebuilt(f"fewer {tmp_path.name}", small.RUNS[0])
    dataclasses.replace(small_world.dbt.on(file), maker=memory.make).run(select=[f"+{MODEL}"])
    assert set(tmp_path.iterdir()) - files
    assert 0 < rows(file) < rows(made(small_world, memory, f"all {tmp_path.name}"))


def rows(file: Path) -> int:
    con = warehouse.connect(file, read_only=True)
    try:
        return int(con.execute(f"select count(*) from {MODEL}").fetchall()[0][0])
    finally:
        con.close()
