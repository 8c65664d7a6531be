"""One writer of a lake at a time, on whichever machine."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from python_steps import lake

LOCK = 7_305_421_118  # any number, as long as all agree on it
POLL = 0.1


@contextmanager
def held(wait: float) -> Iterator[None]:
    """Hold the lake, on whichever machine: a lock that its catalogue drops when the holder dies.

    Raises TimeoutError after `wait` seconds.
    """
    kind, place = lake.catalogue()
    with (_held_in_postgres if kind == "postgres" else _held_beside)(place) as try_lock:
        until = time.monotonic() + wait
        while not try_lock():
            if time.monotonic() >= until:
                raise TimeoutError(f"the lake is held by another run; waited {wait:g} s")
            time.sleep(min(POLL, max(0.0, until - time.monotonic())))
        yield


@contextmanager
def _held_in_postgres(place: str) -> Iterator[Callable[[], bool]]:
    con = duckdb.connect(config=lake.CONFIG)
    try:
        lake.load(con)
        con.execute(f"attach '{lake.quoted(place)}' as catalogue (type postgres)")
        con.begin()  # the lock is that of the transaction
        query = f"from postgres_query('catalogue', 'select pg_try_advisory_xact_lock({LOCK})')"
        yield lambda: bool(con.execute(query).fetchall()[0][0])
    finally:
        con.close()


@contextmanager
def _held_beside(place: str) -> Iterator[Callable[[], bool]]:
    handle = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def try_lock() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield try_lock
    finally:
        os.close(handle)
