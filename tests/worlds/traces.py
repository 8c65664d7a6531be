"""Finds what a secret left behind: in files of any kind, and in every table of DuckDB and SQLite databases.

A database compresses its text and cuts it at pages, so its bytes alone would hide much: each is read, too.
"""

import gzip
import sqlite3
import zlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb

# One credential of each kind, told apart so that the search says whose it is.
CANARIES = {
    "PORTFOLIO_OANDA_KEY": "canary-oanda-51ab77c9",
    "PORTFOLIO_ALPHA_VANTAGE_KEY": "canary-alpha-0d2e94f1",
    "PORTFOLIO_BINANCE_KEY": "canary-binance-7fe3208b",
    "PORTFOLIO_COINBASE_KEY": "canary-coinbase-e6610d3a",
    "PORTFOLIO_YAHOO_KEY": "canary-yahoo-93c4bb02",
    "PORTFOLIO_FXCM_KEY": "canary-fxcm-4aa8f71e",
    "PORTFOLIO_WEBHOOK_KEY": "canary-webhook-2b90ce64",
    "PORTFOLIO_PUSHGATEWAY_KEY": "canary-gateway-c87d15f0",
}
# Nothing listens there: what comes of it is logged, and the path of a web hook is a secret, too.
HOOK = "canary-hook-path-d1f6"
AWAY = {
    "PORTFOLIO_WEBHOOK_URL": f"http://127.0.0.1:9/services/{HOOK}",
    "PORTFOLIO_PUSHGATEWAY_URL": "http://127.0.0.1:9",
}
ENVIRONMENT = CANARIES | AWAY
MARKS = (*CANARIES.values(), HOOK)


def found(places: Iterable[Path], marks: Collection[str], *, but: Collection[Path] = ()) -> list[str]:
    """Where one of the marks stands, under these files and folders: `file: mark`, or `file, table: mark`."""
    said = []
    for file in sorted({file for place in places for file in _files(place)} - set(but)):
        for where, content in _contents(file):
            said += [f"{where}: {mark}" for mark in marks if any(form in content for form in _forms(mark))]
    return said


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]


def _forms(mark: str) -> Iterator[bytes]:
    """A mark as it is, in an address, backwards in hexadecimal, and in base64 wherever it begins there."""
    yield mark.encode()
    yield quote(mark, safe="").encode()
    yield mark.encode().hex().encode()
    for shift in range(3):
        # Without the ends, which hang on what stands before and after.
        yield b64encode(b"x" * shift + mark.encode())[4 * bool(shift) : -4]


def _contents(file: Path) -> Iterator[tuple[str, bytes]]:
    content = file.read_bytes()
    yield str(file), content
    if content[:2] == b"\x1f\x8b":
        yield f"{file}, unzipped", gzip.decompress(content)
    if content[8:12] == b"DUCK":
        yield from _duckdb(file)
    if content[:16] == b"SQLite format 3\0":
        yield from _sqlite(file)


def _duckdb(file: Path) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
        for schema, table in tables:
            kinds = con.execute(f'describe "{schema}"."{table}"').fetchall()
            texts = [name for name, kind, *_ in kinds if "VARCHAR" in kind or "BLOB" in kind]
            for name in texts:
                rows = con.execute(f'select distinct "{name}" from "{schema}"."{table}"').fetchall()
                yield f"{file}, {schema}.{table}.{name}", b"\n".join(_bytes(value) for (value,) in rows)


def _sqlite(file: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
        con.text_factory = bytes
        tables = con.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            rows = con.execute(f'select * from "{table.decode()}"').fetchall()
            yield f"{file}, {table.decode()}", b"\n".join(_bytes(value) for row in rows for value in row)


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return value + gzip.decompress(value)  # payloads are kept compressed
    except (OSError, EOFError, zlib.error):
        return value
