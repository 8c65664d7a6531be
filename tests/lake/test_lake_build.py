"""The small world made on DuckLake, as far as a decision reads: every table is that of the plain build.

`make lake` makes and compares what no decision reads, too.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows import pipeline, rebalance
from flows.outputs import open_published
from python_steps import lake, warehouse
from tests.lake import built, compared
from tests.lake.conftest import environment
from tests.worlds.small import World


@pytest.fixture(scope="module")
def folder(server, small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("lake")
    plain = small_world.whole
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server, place).items():
            patch.setenv(name, value)
        built.build(place / "w", small_world, plain, is_tested=False, is_shown=False)
        yield place / "w"


@pytest.fixture(scope="module")
def con(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = open_published(folder)
    yield con
    con.close()


def test_every_table_is_that_of_the_plain_build(con, small_world: World):
    plain = warehouse.connect(small_world.whole, read_only=True)
    unread = (*pipeline.MEASURED, *pipeline.EXPLAINED)  # not made here, since no decision reads them
    made = [name for name in compared.names(con) if name.partition(".")[2] not in unread]
    tables = compared.compare(plain, con, made)
    plain.close()
    assert [one for one in tables if one.verdict == "different"] == []
    filled = [one for one in tables if one.rows]
    assert len(filled) > 100
    assert sum(one.verdict == "to the bit" for one in filled) > 0.9 * len(filled)


def test_the_decisions_of_a_run_have_a_digest_and_it_is_that_of_their_rows(con, small_world: World):
    run_id = small_world.origin.run_of(small_world.whole).run_id
    found = rebalance.decisions_digest(con, run_id)  # by cursors, which begin in the file
    assert found == rebalance.decisions_digest(con, run_id)
    assert found != rebalance.decisions_digest(con, "no run")
    query = "select count(*) from steps.target_exposures"
    assert warehouse.cursor(con).execute(query).fetchall() == con.execute(query).fetchall()


def test_a_hugeint_is_stored_as_a_decimal_and_read_as_a_hugeint(con):
    stored = con.execute("select distinct data_type from duckdb_columns() where schema_name = 'stored'")
    assert ("DECIMAL(38,0)",) in stored.fetchall()
    assert con.execute("select typeof(product) from main.block_sums limit 1").fetchall() == [("HUGEINT",)]
    (largest,) = con.execute("select max(abs(product)) from main.block_sums").fetchall()[0]
    assert largest > 2**53  # else a double would do


def test_ducklake_itself_still_loses_a_hugeint(folder):
    """When this fails, macros/stored.sql has become needless."""
    con = warehouse.connect(folder / "canary.ducklake")
    con.execute("create table steps.canary (value hugeint)")
    con.execute("insert into steps.canary values (9007199254740993)")
    assert con.execute("from steps.canary").fetchall() != [(9007199254740993,)]
    con.execute("drop table steps.canary")
    con.close()


def test_a_replay_of_what_is_published_reads_the_lake(con):
    file = duckdb.connect()
    lake.attach_published(file, "told")
    there = con.execute("select count(*) from raw.bars").fetchall()
    assert file.execute("select count(*) from told.raw.bars").fetchall() == there
    file.close()
