"""A run's work in blocks, on the executor that the environment names; in this process while that is faster.

How long items take says how many make a block, and whether workers are worth their start. None of it changes
a bit: each item is worked on by itself, and answers are given in the order of the items.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from types import ModuleType
from typing import Any

from flows.versions import worker_version
from python_steps import plugins
from python_steps.errors import InputError
from python_steps.executors import Answer, Item, Task, Wanted, Workers
from python_steps.settings import executor_settings

PACKAGE = "python_steps.executors"
STARTING = 15.0  # seconds of work that are worth starting workers for
SENDING = 1.0  # and worth sending to those that are there
BLOCK = 5.0  # seconds of work in a block: beside them it costs little to send it
SMALLEST = 0.5  # and near the end, where workers wait for the last of them
AHEAD = 2  # blocks for each worker that are on their way
OFTEN = 5.0  # seconds from one line of progress to the next

Note = Callable[..., Any]


def untold(*_: object, **__: object) -> None:
    """Nobody listens."""


class OtherVersionError(RuntimeError):
    """A worker whose answers could have other bits."""


class FanOut:
    """What the steps of a run hand their items to. Workers are started when a step has enough for them."""

    def __init__(self, opened: Callable[[], Workers], note: Note, *, is_parallel: bool) -> None:
        self.opened, self.note, self.is_parallel = opened, note, is_parallel
        self.workers: Workers | None = None

    def start(self) -> Workers:
        """The workers, which stay until the run ends."""
        if self.workers is None:
            self.workers = self.opened()
        return self.workers

    def __call__(
        self,
        what: str,
        function: Callable[[Item], Answer],
        items: Iterable[Item],
        count: int,
        *,
        cost: float | None = None,
        most: int | None = None,
    ) -> Iterator[Answer]:
        """The function of each item, in order; here, until the rest is known to be worth sending."""
        progress, rest = Progress(self.note, what, count), iter(items)
        while cost is None or cost * progress.left < (SENDING if self.workers else STARTING):
            block = list(islice(rest, 1))
            if not block:
                return
            answers, seconds = timed(function, block)
            cost = progress.add(1, seconds)
            yield from answers
        yield from self._sent(function, rest, cost, most or count, progress)

    def _sent(
        self,
        function: Callable[[Item], Answer],
        items: Iterator[Item],
        cost: float,
        most: int,
        progress: "Progress",
    ) -> Iterator[Answer]:
        workers, version = self.start(), worker_version()
        waiting: deque[Task] = deque()
        left = progress.left
        try:
            while True:
                width = workers.width
                while len(waiting) < AHEAD * width:
                    block = list(islice(items, min(most, block_size(left, cost, width))))
                    if not block:
                        break
                    left -= len(block)
                    waiting.append(workers.submit(of_version, version, function, block))
                if not waiting:
                    return
                answers, seconds = waiting.popleft().result()
                progress.add(len(answers), seconds, workers=width)
                cost = seconds / len(answers)
                yield from answers
        finally:
            for task in waiting:
                task.cancel()


class Progress:
    """How far a step is, told now and then."""

    def __init__(self, note: Note, what: str, count: int) -> None:
        self.note, self.what, self.count = note, what, count
        self.done, self.seconds, self.told = 0, 0.0, time.monotonic()

    @property
    def left(self) -> int:
        """Items without an answer."""
        return self.count - self.done

    def add(self, items: int, seconds: float, **values: Any) -> float:
        """So many more have one, which took so long; returns what an item took until now."""
        self.done, self.seconds = self.done + items, self.seconds + seconds
        if time.monotonic() - self.told > OFTEN:
            self.told = time.monotonic()
            self.note(self.what, done=f"{self.done} of {self.count}", **values)
        return self.seconds / self.done


def block_size(left: int, cost: float, width: int) -> int:
    """How many of the items that are left make a block: BLOCK seconds of them, less as they get few."""
    seconds = min(BLOCK, max(SMALLEST, left * cost / (AHEAD * width)))
    return max(1, int(seconds / max(cost, 1e-9)))


def timed(function: Callable[[Item], Answer], items: list[Item]) -> tuple[list[Answer], float]:
    """The function of each item, and the seconds that all took."""
    began = time.perf_counter()
    answers = [function(item) for item in items]
    return answers, time.perf_counter() - began


def of_version(
    version: str, function: Callable[[Item], Answer], items: list[Item]
) -> tuple[list[Answer], float]:
    """The same in a worker, on one thread. Raises OtherVersionError where its bits could be others."""
    if worker_version() != version:
        raise OtherVersionError("a worker has other code, packages or kind of processor than this run")
    with one_thread():
        return timed(function, items)


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra on one thread: more of them change the last bits."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def chosen() -> tuple[ModuleType, Wanted]:
    """The executor that the environment names, and what is wanted of it.

    Raises InputError where no file has it, its packages are not installed, or it has no use for an address.
    """
    found = executor_settings()
    name, known = found.executor, plugins.names(PACKAGE)
    if name not in known:
        raise InputError(f"PORTFOLIO_EXECUTOR: there is no '{name}'; there are {', '.join(known)}")
    if lacking := plugins.missing(PACKAGE, name):
        remedy = f"pip install 'portfolio-warehouse[{name}]'"
        raise InputError(f"PORTFOLIO_EXECUTOR: {name} needs {', '.join(lacking)}; {remedy}")
    module = plugins.load(PACKAGE, name)
    if found.executor_address and not getattr(module, "HAS_CLUSTERS", False):
        raise InputError(f"PORTFOLIO_EXECUTOR_ADDRESS: {name} has no clusters; leave it out")
    return module, Wanted(found.executor_workers, found.executor_address)


@contextmanager
def fanned_out(note: Note) -> Iterator[FanOut]:
    """What steps hand their items to, with progress told to `note`; its workers end with it.

    A cluster that is named is asked at once, so that nothing is begun without it.
    """
    module, wanted = chosen()
    with ExitStack() as stack:
        fan = FanOut(
            lambda: stack.enter_context(_in_one_thread(module.opened(wanted))),
            note,
            is_parallel=getattr(module, "IS_PARALLEL", True),
        )
        if wanted.address:
            fan.start()
        yield fan


@contextmanager
def _in_one_thread(context: AbstractContextManager[Workers]) -> Iterator[Workers]:
    """A context in a thread that lives as long: what Ray starts ends with the thread that started it."""
    with ThreadPoolExecutor(1) as keeper:
        workers = keeper.submit(context.__enter__).result()
        try:
            yield workers
        finally:
            keeper.submit(context.__exit__, None, None, None).result()
