"""A run works on a copy of its own and publishes it by one rename, so that readers see whole runs only."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flows.failpoints import reached
from python_steps import lake
from python_steps.errors import InputError

if TYPE_CHECKING:
    import duckdb

# The copy keeps the file's name, in a folder of its own: DuckDB names the catalog after the file, and a
# folder that is never used twice holds no write-ahead log of another run.
PUBLISHED = "published.duckdb"
WORKING = "working-"
BEGUN = "begun"  # beside a working file of a lake: the snapshot it begins from
FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file


def published(folder: Path) -> Path:
    """The file readers open: where a folder has one with tables it is that, though there be a lake."""
    file, shell = folder / PUBLISHED, folder / lake.SHELL
    if file.exists() or not lake.is_used():
        return file
    if not shell.exists():  # the first look from this machine
        with suppress(lake.NothingPinned):
            lake.open_shell(shell)
    return shell


@contextmanager
def working_copy(folder: Path) -> Iterator[Path]:
    """A copy of the published file to work on; there is no file yet if nothing was published.

    It is removed at the end, with everything beside it. While it lives no `sweep` touches it. With a lake it
    stands for the lake itself: nothing is copied, and it is put back to what is published.
    """
    if lake.is_used() and (folder / PUBLISHED).exists():
        raise InputError(f"{folder} has a {PUBLISHED}; {lake.CATALOGUE} needs another --warehouse")
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{WORKING}{secrets.token_hex(8)}"
    with _locked(folder):
        place.mkdir()
        owner = _open_folder(place)
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        if lake.is_used():
            with _begun(place) as file:
                yield file
            return
        if published(folder).exists():
            _copy(published(folder), place / PUBLISHED)
        yield place / PUBLISHED
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(owner)


def publish(working: Path, folder: Path) -> Path:
    """Make a working file the published one; every connection to it must be closed.

    Readers keep the version they opened. Killed at any point, the old or the new file is there, whole.
    """
    from python_steps import warehouse

    con = warehouse.connect(working)
    try:
        if lake.is_lake(working):
            _pin(con, working)
        else:
            con.execute("checkpoint")
    finally:
        con.close()
    reached("checkpointed")
    if _log_of(working).exists():
        raise RuntimeError(f"{working.name}: its write-ahead log is still there, so it is not published")
    _sync(working)
    reached("synced")
    # A log left by somebody who wrote into the published file would be replayed into the new one.
    _log_of(published(folder)).unlink(missing_ok=True)
    working.replace(published(folder))
    reached("renamed")
    _sync(folder)
    reached("published")
    return published(folder)


@contextmanager
def _begun(place: Path) -> Iterator[Path]:
    """A file to attach the lake to, which is now as it was published.

    It stays open all along: DuckDB would load the extensions, 40 MB each, anew for every connection.
    """
    from python_steps import warehouse

    file = place / lake.SHELL
    con = warehouse.connect(file)
    try:
        (place / BEGUN).write_text(json.dumps(lake.begin(con)), "utf-8")
        yield file
    finally:
        con.close()


def _pin(con: "duckdb.DuckDBPyConnection", working: Path) -> None:
    lake.pin(con, json.loads((working.parent / BEGUN).read_text("utf-8")))
    lake.clean(con)


def sweep(folder: Path) -> list[str]:
    """Remove what dead runs left, and say what that was."""
    removed = []
    with _locked(folder):
        for place in sorted(folder.glob(f"{WORKING}*")):
            if _is_abandoned(place):
                shutil.rmtree(place, ignore_errors=True)
                removed.append(place.name)
    return removed


def write_atomically(file: Path, content: bytes) -> None:
    """Write a side file so that it is there whole, or not at all; drafts of dead writers are removed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with _locked(file.parent):
        for old in file.parent.glob(f".{file.name}.*"):
            if _is_abandoned(old):
                old.unlink(missing_ok=True)
        owner = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        with _named(file):
            draft.write_bytes(content)
            _sync(draft)
        reached("drafted")
        draft.replace(file)
        reached("written")
    finally:
        draft.unlink(missing_ok=True)
        os.close(owner)
    _sync(file.parent)


def _copy(source: Path, target: Path) -> None:
    # From one open file: a publish meanwhile changes the name, not what is read here.
    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        except OSError:  # the file system cannot share blocks
            with _named(target):
                shutil.copyfileobj(old, new, 1 << 22)
                new.flush()


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """An error of writing says which file: that of a full disk does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _is_abandoned(place: Path) -> bool:
    owner = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(owner)
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = _open_folder(folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
