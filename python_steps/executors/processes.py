"""Processes of this machine, started anew and never forked (DuckDB has threads), of one thread each."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from python_steps.executors import Wanted

LIVES = 2  # so often is a task begun; what has cost two processes their lives would cost this one its own
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerDiedError(RuntimeError):
    """A task whose process died each time it was begun."""


class Processes:
    """A pool. Where one of its processes dies, all of it is gone; a new one does what has no answer yet."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.pool = _pool(width)
        self.open: list[_Task] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "_Task":
        """Hand in a task."""
        task = _Task(self, (function, *arguments))
        self.open.append(task)
        try:
            task.begin()
        except BrokenProcessPool:
            self.renew()
        return task

    def renew(self) -> None:
        """Begin all tasks again that died with the pool."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = _pool(self.width)
        for task in self.open:
            if task.has_died():
                task.begin()

    def close(self) -> None:
        """End all processes, each when it has done what it is at."""
        self.pool.shutdown(wait=True, cancel_futures=True)


class _Task:
    def __init__(self, workers: Processes, call: tuple[Any, ...]) -> None:
        self.workers, self.call = workers, call
        self.begun = 0
        self.future: Future[Any] | None = None

    def begin(self) -> None:
        """Hand it to the pool. Raises WorkerDiedError where it was begun too often."""
        if self.begun == LIVES:
            raise WorkerDiedError(f"a worker died {LIVES} times over the same work: killed, or out of memory")
        self.future = None
        self.future = self.workers.pool.submit(*self.call)
        self.begun += 1

    def has_died(self) -> bool:
        """Whether it has no answer because its pool is gone."""
        return self.future is None or isinstance(self.future.exception(), BrokenProcessPool)

    def result(self) -> Any:
        """Its answer, from the pool that lived to give one."""
        try:
            while self.has_died():
                self.workers.renew()
            return self.future.result() if self.future else None
        finally:
            self.workers.open.remove(self)

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self.future:
            self.future.cancel()
        self.workers.open.remove(self)


@contextmanager
def opened(wanted: Wanted) -> Iterator[Processes]:
    """Processes, which end with this one, however that ends."""
    workers = Processes(wanted.workers)
    try:
        yield workers
    finally:
        workers.close()


def _pool(width: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        width, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )


def _begin_worker() -> None:
    """Before anything else is imported: more threads of arithmetic would change the last bits."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker waits on a pipe of which it holds both ends, so it would wait for a dead parent for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
