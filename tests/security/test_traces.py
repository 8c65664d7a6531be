"""The search for secrets finds one that is planted, wherever that is; else it would prove nothing."""

import gzip
import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from urllib.parse import quote

import duckdb
import pytest

from tests.worlds.traces import CANARIES, ENVIRONMENT, MARKS, found

MARK = CANARIES["PORTFOLIO_OANDA_KEY"]
OTHER = CANARIES["PORTFOLIO_WEBHOOK_KEY"]


def in_duckdb(file):
    """Among a hundred thousand others in a compressed column, where the bytes do not show it."""
    with duckdb.connect(str(file)) as con:
        con.execute("create table t as select 'canary-' || i as said from range(200000) as r(i)")
        con.execute("update t set said = $1 where said = 'canary-77777'", [f"Bearer {MARK}"])
        con.execute("checkpoint")


def in_sqlite(file):
    with closing(sqlite3.connect(file)) as con:
        con.execute("create table t (said text)")
        con.execute("insert into t values (?)", ["x" * 9000 + MARK + "y" * 9000])
        con.commit()


def in_a_payload(file):
    with duckdb.connect(str(file)) as con:
        con.execute("create table t (content blob)")
        con.execute("insert into t values ($1)", [gzip.compress(f"<p>{MARK}</p>".encode())])


PLACES = {
    "a log": lambda file: file.write_text(json.dumps({"event": "x", "key": MARK})),
    "an address": lambda file: file.write_text(f"https://host/?apikey={quote(MARK, safe='')}"),
    "bytes": lambda file: file.write_bytes(b"\x00\xff" + MARK.encode() + b"\xfe"),
    "hexadecimal": lambda file: file.write_text(MARK.encode().hex()),
    "a password in a header": lambda file: file.write_bytes(b64encode(f"portfolio:{MARK}".encode())),
    "a longer user": lambda file: file.write_bytes(b64encode(f"portfolios:{MARK}".encode())),
    "a still longer user": lambda file: file.write_bytes(b64encode(f"a portfolio:{MARK}".encode())),
    "a compressed file": lambda file: file.write_bytes(gzip.compress(MARK.encode())),
    "a database of DuckDB": in_duckdb,
    "a payload": in_a_payload,
    "a database of SQLite": in_sqlite,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_found_in(tmp_path, place):
    (tmp_path / "deep").mkdir()
    PLACES[place](tmp_path / "deep" / "file")
    said = found([tmp_path], MARKS)
    assert {line.rpartition(": ")[2] for line in said} == {MARK}
    assert found([tmp_path], [OTHER]) == []


def test_a_file_that_may_hold_it_is_left_out_and_no_other(tmp_path):
    for name in ("auth", "log"):
        (tmp_path / name).write_text(MARK)
    assert found([tmp_path], MARKS, but=[tmp_path / "auth"]) == [f"{tmp_path / 'log'}: {MARK}"]


def test_every_vendor_and_channel_has_a_canary():
    from flows.monitoring import push
    from flows.monitoring.channels import webhook
    from python_steps.vendor_http import vendors

    wanted = {f"PORTFOLIO_{name.upper()}_KEY" for name in (*vendors(), webhook.NAME, push.GATEWAY)}
    assert wanted == set(CANARIES)
    assert len(set(MARKS)) == len(CANARIES) + 1
    assert set(CANARIES) < set(ENVIRONMENT)
