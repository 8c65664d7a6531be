"""One writer for each warehouse folder: a lock that the kernel releases when its holder dies."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from python_steps import lake, lake_lock

LOCK_FILE = "lock"
LOCK_WAIT = 900.0
POLL = 0.1
AND = " and "  # between the names of portfolios that run together


class Busy(RuntimeError):
    """Another run holds the lock: of the same portfolio, or of another one for longer than we wait."""


@contextmanager
def held(folder: Path, portfolio: str, wait: float = LOCK_WAIT) -> Iterator[None]:
    """Hold the lock of a warehouse folder, which is made if it is not there.

    Raises Busy at once if the same portfolio runs, alone or with others, and after `wait` seconds if another
    one does, or any one from elsewhere that has the same lake. `portfolio` are the names of those that run,
    with AND between them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(lock, folder, portfolio, wait)
        _write(lock, {"pid": os.getpid(), "portfolio": portfolio})
        try:
            with _lake(wait):
                yield
        finally:
            os.ftruncate(lock, 0)
    finally:
        os.close(lock)


@contextmanager
def _lake(wait: float) -> Iterator[None]:
    """Where the warehouse is a lake, others may write into it from other folders and machines."""
    if not lake.is_used():
        yield
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(lake_lock.held(wait))
        except TimeoutError as error:
            raise Busy(str(error)) from None
        yield


def _acquire(lock: int, folder: Path, portfolio: str, wait: float) -> None:
    until = time.monotonic() + wait
    while not _try(lock):
        holder = _holder(lock)
        if same := set(portfolio.split(AND)) & set(holder.get("portfolio", "").split(AND)):
            raise Busy(f"{AND.join(sorted(same))} is already running (pid {holder['pid']})")
        if time.monotonic() >= until:
            who = f"{holder['portfolio']} (pid {holder['pid']})" if holder else "another run"
            raise Busy(f"{folder} is held by {who}; waited {wait:g} s")
        time.sleep(min(POLL, max(0.0, until - time.monotonic())))


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> dict[str, Any]:
    # What a dead run left behind, or a line half written, names nobody.
    try:
        holder = json.loads(os.pread(lock, 4096, 0))
        os.kill(holder["pid"], 0)
    except (ValueError, KeyError, TypeError, ProcessLookupError):
        return {}
    except PermissionError:  # alive, and somebody else's
        return holder
    return holder


def _write(lock: int, holder: dict[str, Any]) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps(holder).encode(), 0)
