"""The rows of a lake on a server that speaks S3: published, read, put back, and refused in a line."""

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress

import duckdb
import pytest

from flows.publish import published
from python_steps import lake, lake_restore, warehouse
from tests.lake.test_lake_writers import COUNTED, NAMES, asked, put
from tests.lake.writing import PUBLISH, READ, end, start

BUCKET = "portfolio-rows"
SECRET = "a-secret-that-nobody-may-see"
PATIENCE = 60


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Where the server answers, host and port; it has one empty bucket."""
    if not all(map(importlib.util.find_spec, ("moto", "duckdb_extension_httpfs"))):
        pytest.skip("moto or the extension httpfs is not installed")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", place.split(":")[1]]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wanted = urllib.request.Request(f"http://{place}/{BUCKET}", method="PUT")
        for _ in range(PATIENCE):
            with suppress(OSError), urllib.request.urlopen(wanted, timeout=5):
                break
            time.sleep(1)
        yield place
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def on_s3(place, s3, monkeypatch):
    """A lake of its own whose rows are on S3; credentials come from the environment alone."""
    monkeypatch.setenv(lake.DATA, f"s3://{BUCKET}/{place.name}")
    monkeypatch.setenv(lake.ENDPOINT, s3)
    monkeypatch.setenv("DUCKDB_S3_USE_SSL", "false")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "portfolio")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return place


def test_four_portfolios_publish_and_a_reader_sees_whole_runs_only(on_s3, s3):
    put(on_s3 / "reader")
    writers = [start(PUBLISH, on_s3 / name, name, 2) for name in NAMES]
    reader = start(READ, on_s3 / "reader", "reader", 4 * 2 * 10)
    *_, said = end(*writers, reader)
    looks, last, versions = map(int, said.split())
    assert last == 80
    assert looks >= versions > 2
    assert asked(on_s3 / "reader", COUNTED) == [(name, 20, 2) for name in sorted(NAMES)]
    assert not list(on_s3.rglob("*.parquet"))
    with urllib.request.urlopen(f"http://{s3}/{BUCKET}?prefix={on_s3.name}") as listed:
        assert listed.read().count(b".parquet") >= len(NAMES) * 2


def test_what_a_dead_run_wrote_is_told_to_nobody_and_put_back(on_s3):
    put(on_s3 / "w", "create table main.t as select 1 as a")
    since = lake.pinned()
    con = warehouse.connect(on_s3 / "dead.ducklake")
    con.execute("insert into main.t values (2)")
    assert asked(on_s3 / "w", "select a from main.t") == [(1,)]
    lake_restore.restore(con, since)
    assert con.execute("select a from main.t").fetchall() == [(1,)]
    con.close()


def test_a_server_that_is_gone_is_an_error_without_the_credentials(on_s3, monkeypatch):
    put(on_s3 / "w", "create table main.t as select 1 as a")
    monkeypatch.setenv(lake.ENDPOINT, "127.0.0.1:9")
    with pytest.raises(duckdb.Error) as refused:
        asked(on_s3 / "w", "select a from main.t")
    assert BUCKET in str(refused.value)
    assert SECRET not in str(refused.value)
    assert SECRET.encode() not in published(on_s3 / "w").read_bytes()
