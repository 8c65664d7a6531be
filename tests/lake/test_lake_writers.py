"""Four processes on one lake: nothing is lost, nobody sees half a run, and what conflicts is refused."""

import os
import re

import duckdb
import pytest

from flows import sql
from flows.lock import Busy, held
from flows.outputs import NothingPublished, open_published
from flows.publish import publish, published, working_copy
from flows.requests import RequestError
from python_steps import lake, lake_restore, warehouse
from python_steps.errors import InputError
from tests.lake.writing import APPEND, DIE, HOLD, PIN, PUBLISH, READ, end, start

NAMES = ("north", "east", "south", "west")
COLUMNS = warehouse.declared_columns()["raw.holdings"]
SHAPE = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
HOLDINGS = ("create schema if not exists raw", f"create table if not exists raw.holdings ({SHAPE})")
COUNTED = "select portfolio, count(*), count(distinct run_id) from raw.holdings group by all order by all"


def put(folder, *statements):
    """Publish what some statements do."""
    with held(folder, "test"), working_copy(folder) as file:
        con = warehouse.connect(file)
        for statement in (*HOLDINGS, *statements):
            con.execute(statement)
        con.close()
        publish(file, folder)


def asked(folder, query):
    con = open_published(folder)
    try:
        return con.execute(query).fetchall()
    finally:
        con.close()


def test_four_portfolios_publish_from_four_folders_and_a_reader_sees_whole_runs_only(place):
    put(place / "reader")
    writers = [start(PUBLISH, place / name, name, 3) for name in NAMES]
    reader = start(READ, place / "reader", "reader", 4 * 3 * 10)
    *_, said = end(*writers, reader)
    looks, last, versions = map(int, said.split())
    assert last == 120
    assert looks >= versions > 2
    assert asked(place / "reader", COUNTED) == [(name, 30, 3) for name in sorted(NAMES)]


def test_four_processes_append_to_one_table_at_once_and_no_row_is_lost(place):
    put(place / "w")
    end(*(start(APPEND, place / "w", name, 5) for name in NAMES))
    assert asked(place / "w", COUNTED) == []  # nobody has published that
    con = warehouse.connect(place / "head.ducklake")
    assert con.execute(COUNTED).fetchall() == [(name, 50, 5) for name in sorted(NAMES)]
    con.close()


def test_of_four_that_publish_from_one_snapshot_one_does_and_the_others_are_told_in_a_line(place):
    put(place / "w")
    since = lake.pinned()
    said = end(*(start(PIN, place / "w", name, since) for name in NAMES))
    assert sorted(line.split()[0] for line in said) == ["pinned", "refused:", "refused:", "refused:"]
    line = f"refused: another run has published since this one began from snapshot {since}: run it again\n"
    assert said.count(line) == 3


def test_who_was_overtaken_long_ago_is_refused_too(place):
    put(place / "w")
    since = lake.pinned()
    put(place / "other", "create table main.t as select 1 as a")
    con = warehouse.connect(place / "late.ducklake")
    with pytest.raises(lake.LakeConflict, match=f"began from snapshot {since}: run it again"):
        lake.pin(con, since)
    con.close()
    assert lake.pinned() > since


def test_a_run_that_dies_in_the_middle_is_seen_by_nobody_and_put_back(place):
    rows = "insert into raw.holdings select 'a', '2020-01-01', 'S0' || i, 0.25, 'a' from range(4) as t(i)"
    made = "create or replace table main.signals as select 7 as value"
    shown = "create or replace view main.runs as select value as run_id from lake.main.signals"
    put(place / "w", rows, made, shown)
    before = lake.pinned()
    query = (
        "select (select count(*) from raw.holdings), (select value from main.signals), run_id from main.runs"
    )
    dead = start(DIE, place / "w", "small")
    dead.communicate()
    assert lake.pinned() == before
    assert asked(place / "w", query) == [(4, 7, 7)]
    head = warehouse.connect(place / "head.ducklake")
    assert head.execute("select count(*) from raw.holdings").fetchall() == [(13,)]  # the dead run did write
    restored = ["main.new", "main.runs", "main.signals", "raw.holdings"]
    assert lake_restore.restore(head, before) == restored
    assert head.execute(query).fetchall() == [(4, 7, 7)]
    with pytest.raises(duckdb.ConstraintException, match="NOT NULL"):  # its columns are what they were
        head.execute("insert into raw.holdings (portfolio) values ('b')")
    head.close()
    start(DIE, place / "w", "small").communicate()
    put(place / "w")  # the next run puts it back itself
    assert asked(place / "w", query) == [(4, 7, 7)]


def test_before_the_first_publication_there_is_nothing_to_read(place):
    with pytest.raises(NothingPublished, match="nothing is published"):
        open_published(place / "w")
    start(DIE.replace("main.runs", "main.other"), place / "w", "small").communicate()
    with pytest.raises(lake.NothingPinned, match="PORTFOLIO_LAKE: nothing is published in this lake"):
        lake.pinned()
    put(place / "w")
    assert asked(place / "w", COUNTED) == []
    assert asked(place / "w", "from duckdb_tables() where table_name = 'new'") == []


def test_a_reader_keeps_its_snapshot_while_others_publish(place):
    put(place / "w", "create table main.t as select 1 as version")
    reader = open_published(place / "w")
    for version in (2, 3):
        put(place / "writer", f"create or replace table main.t as select {version} as version")
        assert reader.execute("from main.t").fetchall() == [(1,)]
    reader.close()
    assert asked(place / "w", "from main.t") == [(3,)]
    with pytest.raises(duckdb.Error, match="read-only"):
        asked(place / "w", "delete from main.t")


def test_files_of_old_publications_are_removed_and_of_the_last_three_are_not(place):
    for version in range(5):
        put(place / "w", f"create or replace table main.t as select {version} as version")
    kept = sorted((place / "data").rglob("t/*.parquet"))
    assert [duckdb.read_parquet(str(file)).fetchall() for file in kept] == [[(2,)], [(3,)], [(4,)]]


def test_the_lake_is_held_by_one_at_a_time_wherever_it_runs_and_by_no_dead_one(place):
    holder = start(HOLD, place / "one", "one")
    with (
        pytest.raises(Busy, match=r"the lake is held by another run; waited 0\.3 s"),
        held(place / "other", "other", wait=0.3),
    ):
        pass
    holder.kill()
    holder.communicate()
    with held(place / "other", "other", wait=10):
        pass


def test_no_password_is_in_a_table_an_error_or_a_file(place, monkeypatch):
    put(place / "w")
    secret = os.environ["PGPASSWORD"]
    con = warehouse.connect(place / "head.ducklake")
    told = [con.execute(f"from {what}").fetchall() for what in ("duckdb_databases()", "duckdb_settings()")]
    con.close()
    assert secret not in str(told)
    assert [
        file for file in place.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()
    ] == []
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(duckdb.Error) as refused:
        lake.pinned()
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("postgres:dbname=x password=y", "a password belongs into PGPASSWORD"),
        ("postgres://user:pw@host/x", "an address into PGHOST"),
        ("mysql:x", "expected postgres:dbname=NAME or sqlite:FILE"),
        ("sqlite:", "expected postgres:dbname=NAME or sqlite:FILE"),
    ],
)
def test_what_names_no_lake_is_refused(monkeypatch, named, said):
    monkeypatch.setenv(lake.CATALOGUE, named)
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        lake.catalogue()
    assert "pw" not in str(refused.value)
    assert "=y" not in str(refused.value)


def test_a_quote_in_a_name_is_a_quote(place, monkeypatch):
    monkeypatch.setenv(lake.DATA, str(place / "it's"))
    put(place / "w", "create table main.t as select 1 as a")
    assert asked(place / "w", "from main.t") == [(1,)]


def test_a_folder_with_a_file_of_its_own_is_no_lake(place):
    warehouse.connect(place / "published.duckdb").close()
    assert published(place) == place / "published.duckdb"
    with pytest.raises(InputError, match="needs another --warehouse"), working_copy(place):
        pass


def test_the_hardened_session_is_not_to_be_had_on_a_lake(place):
    put(place / "w")
    with pytest.raises(RequestError, match="a lake is read by a DuckDB client of your own"):
        sql.session(place / "w")


def test_on_one_machine_a_catalogue_in_sqlite_will_do(place, monkeypatch):
    monkeypatch.setenv(lake.CATALOGUE, f"sqlite:{place / 'catalogue.sqlite'}")
    end(*(start(PUBLISH, place / name, name, 2) for name in NAMES))
    assert asked(place / "reader", COUNTED) == [(name, 20, 2) for name in sorted(NAMES)]
