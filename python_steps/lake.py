"""A DuckLake in place of one file: catalogue in PostgreSQL or SQLite, rows in Parquet.

A run writes into the lake as it goes, so its newest state may be half a run. What is published is a number,
the snapshot that `published.pins` names: it changes in one transaction, once the run is whole. Files named
*.ducklake are DuckDB files without tables: what is opened so that the lake can be attached to it.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from python_steps.errors import InputError

CATALOGUE = "PORTFOLIO_LAKE"
DATA = "PORTFOLIO_LAKE_DATA"
ENDPOINT = "DUCKDB_S3_ENDPOINT"  # of a server that speaks S3 and is not Amazon's; DuckDB reads it by itself
NAME = "lake"
BESIDE = "earlier"  # what a snapshot is called that is attached beside the newest state
NEWEST = "newest"  # what the newest state is called while it is asked what is published
UNPUBLISHED = f"{CATALOGUE}: nothing is published in this lake"
SHELL = "published.ducklake"
SUFFIX = ".ducklake"
KEPT = 3  # published snapshots whose files stay, for readers that have not closed

EXTENSIONS = {"postgres": "postgres_scanner", "sqlite": "sqlite_scanner"}
CONFIG: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": False}
# A query of some seconds draws it on standard output, between the lines of a command.
SILENT = "set enable_progress_bar = false"
# Writers of different tables, or of rows in one, only race for the next number: they wait their turn.
PATIENCE = {"ducklake_max_retry_count": 100, "ducklake_retry_wait_ms": 50, "ducklake_retry_backoff": 1.0}
PINS = "published.pins"
ATTACHING = threading.Lock()  # a lake has its name before it can be asked: threads share what one attaches


class LakeConflict(RuntimeError):
    """Somebody else published in between: nothing of this run is told to readers."""


class NothingPinned(InputError):
    """Nobody has published into this lake."""


def is_used() -> bool:
    """Whether the environment names a lake."""
    return bool(os.environ.get(CATALOGUE))


def is_lake(file: str | Path) -> bool:
    """Whether a file is one to attach the lake to."""
    return str(file).endswith(SUFFIX)


def attach(con: duckdb.DuckDBPyConnection, *, read_only: bool = False) -> None:
    """Make the lake what names of tables mean; a reader gets the snapshot that is published, and no other.

    Raises InputError where the environment does not say where the lake is, or an extension is not installed;
    NothingPinned for a reader of a lake without a publication.
    """
    with ATTACHING:
        if not con.execute("from duckdb_databases() where database_name = $1", [NAME]).fetchall():
            load(con)
            _attach(con, f", read_only, snapshot_version {_pinned(con)}" if read_only else "")
    con.execute(f"use {NAME}")


def attach_published(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """What is published, read-only beside an open file and under another name. Raises as `attach`."""
    load(con)
    _attach(con, f", read_only, snapshot_version {_pinned(con)}", name)


def pinned() -> int:
    """The snapshot readers are told. Raises NothingPinned."""
    con = duckdb.connect(config=CONFIG)
    try:
        load(con)
        return _pinned(con)
    finally:
        con.close()


def _pinned(con: duckdb.DuckDBPyConnection) -> int:
    try:
        _attach(con, ", read_only", NEWEST)
    except duckdb.InvalidInputException:  # there is no catalogue
        raise NothingPinned(UNPUBLISHED) from None
    try:
        return snapshots(con, NEWEST)[0]
    except (duckdb.CatalogException, IndexError):  # or no publication in it
        raise NothingPinned(UNPUBLISHED) from None
    finally:
        con.execute(f"detach {NEWEST}")


def open_shell(file: Path) -> None:
    """Make the file readers attach the lake to, on a machine that has not published; it holds nothing itself.

    Raises NothingPinned.
    """
    pinned()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{os.getpid()}{file.name}")
    duckdb.connect(str(draft), config=CONFIG).close()
    draft.replace(file)


def snapshots(con: duckdb.DuckDBPyConnection, name: str = NAME) -> list[int]:
    """Published snapshots that are kept, the newest first; none before the first publication."""
    return list(con.execute(f"select snapshots from {name}.{PINS}").fetchall()[0][0])


def begin(con: duckdb.DuckDBPyConnection) -> int | None:
    """Put back what a run that was never published left; returns the snapshot this one begins from.

    The caller holds the lake.
    """
    from python_steps.lake_restore import restore

    con.execute(f"create schema if not exists {NAME}.published")
    con.execute(f"create table if not exists {NAME}.{PINS} (snapshots bigint[])")
    if not con.execute(f"from {NAME}.{PINS}").fetchall():
        con.execute(f"insert into {NAME}.{PINS} values ([])")
    since = next(iter(snapshots(con)), None)
    restore(con, since)
    return since


def pin(con: duckdb.DuckDBPyConnection, since: int | None) -> int:
    """Publish the lake as it stands now, in one transaction, and return the snapshot.

    `since` is what was published when the work on it began. Raises LakeConflict where that is so no more.
    """
    con.begin()
    try:
        snapshot = con.execute(f"from {NAME}.current_snapshot()").fetchall()[0][0]
        before = snapshots(con)
        if (before[0] if before else None) != since:
            raise LakeConflict(_refusal(since))
        con.execute(f"update {NAME}.{PINS} set snapshots = $1", [[snapshot, *before][:KEPT]])
        con.commit()
    except duckdb.TransactionException:
        raise LakeConflict(_refusal(since)) from None
    except BaseException:
        con.rollback()
        raise
    return int(snapshot)


def clean(con: duckdb.DuckDBPyConnection) -> int:
    """Forget every snapshot older than the newest that is published, but those kept; returns how many.

    Their Parquet files are removed. A reader that still holds one of them gets an error at its next query.
    """
    newest, *others = snapshots(con)
    found = con.execute(f"select snapshot_id from {NAME}.snapshots()").fetchall()
    old = [number for (number,) in found if number < newest and number not in others]
    if old:
        con.execute("call ducklake_expire_snapshots($1, versions => $2)", [NAME, old])
        con.execute("call ducklake_cleanup_old_files($1, cleanup_all => true)", [NAME])
    return len(old)


def load(con: duckdb.DuckDBPyConnection) -> None:
    """Load the extensions from their packages: nothing is downloaded. Raises InputError where one is not."""
    con.execute(SILENT)
    wanted = ["ducklake", EXTENSIONS[catalogue()[0]], *["httpfs"] * _data().startswith("s3://")]
    for name in wanted:
        con.execute(f"load '{quoted(str(_extension(name)))}'")
    if os.environ.get(ENDPOINT) and "httpfs" in wanted:
        con.execute("set global s3_url_style = 'path'")  # such a server has no host name for each bucket
    for name, value in PATIENCE.items():
        con.execute(f"set global {name} = {value}")


def _extension(name: str) -> Path:
    try:
        folder = resources.files(f"duckdb_extension_{name}")
    except ModuleNotFoundError:
        raise InputError(f"the lake needs the extra: pip install 'portfolio-warehouse[{NAME}]'") from None
    return Path(str(folder)) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"


@contextmanager
def opened(snapshot: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A snapshot by itself, read-only."""
    con = duckdb.connect(config=CONFIG)
    try:
        load(con)
        _attach(con, f", read_only, snapshot_version {snapshot}")
        yield con
    finally:
        con.close()


@contextmanager
def beside(con: duckdb.DuckDBPyConnection, snapshot: int) -> Iterator[str]:
    """A snapshot, attached beside the newest state; gives the name it has there."""
    _attach(con, f", read_only, snapshot_version {snapshot}", BESIDE)
    try:
        yield BESIDE
    finally:
        con.execute(f"detach {BESIDE}")


def _attach(con: duckdb.DuckDBPyConnection, how: str, name: str = NAME) -> None:
    # Rows kept inside the catalogue would be rows of another kind: with 0 all are in Parquet.
    kind, place = catalogue()
    where = f"data_path '{quoted(_data())}', data_inlining_row_limit 0{how}"
    con.execute(f"attach if not exists 'ducklake:{kind}:{quoted(place)}' as {name} ({where})")


def catalogue() -> tuple[str, str]:
    """What kind of catalogue, and where: the rest of a PostgreSQL connection is in libpq's PG variables.

    Raises InputError where it is none, or has a password: DuckDB shows it in errors and in a table.
    """
    kind, _, place = os.environ.get(CATALOGUE, "").partition(":")
    if kind not in EXTENSIONS or (kind == "sqlite" and not place):
        raise InputError(f"{CATALOGUE}: expected postgres:dbname=NAME or sqlite:FILE")
    if re.search(r"password|//|@", place, re.IGNORECASE):
        raise InputError(
            f"{CATALOGUE}: a password belongs into PGPASSWORD or PGPASSFILE, an address into PGHOST"
        )
    return kind, place


def _data() -> str:
    place = os.environ.get(DATA, "")
    if not place:
        raise InputError(f"{DATA}: expected a folder or s3://bucket/folder")
    return place if place.startswith("s3://") else str(Path(place).absolute())


def _refusal(since: int | None) -> str:
    begun = "before the first publication" if since is None else f"from snapshot {since}"
    return f"another run has published since this one began {begun}: run it again"


def quoted(text: str) -> str:
    """Text as it may stand between single quotes of SQL."""
    return text.replace("'", "''")
