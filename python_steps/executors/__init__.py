"""Executors: where a step's work is done. Each module has `opened(wanted)`, a context that gives Workers.

A step fans out what is a pure function of each of many items. Whoever does it, the answers are the same bits
in the same order: nothing is drawn but by seeds from names, and how items are put into blocks changes none of
them. A module whose packages are an extra, named like it, names them in EXTRA; one that can go to a cluster
which is there says HAS_CLUSTERS, and one that sends nothing anywhere that it is not IS_PARALLEL.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Wanted(NamedTuple):
    """How many workers to start, each of one thread; or the address of a cluster that has some."""

    workers: int
    address: str | None = None


class Task(Protocol):
    """Work that was handed in."""

    def result(self) -> Any:
        """What it gave, once that is there. Raises what it raised."""

    def cancel(self) -> object:
        """Nobody waits for it any more."""


class Workers(Protocol):
    """Those that work. One that dies costs time and no answer."""

    @property
    def width(self) -> int:
        """How many tasks are done at once."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Task:
        """Hand in a function of a module, by its name, with arguments that can be sent."""


class Fan(Protocol):
    """How a step has its items worked on."""

    is_parallel: bool

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
        """The function of each item, in order; `what` and `count`, of the items, are for who watches.

        The function can be sent, and what is bound to it goes with each block. An item takes about `cost`
        seconds, if that is known; a block has at most `most` items.
        """


class InTurn:
    """One item after the other, in this process, as they are asked for."""

    is_parallel = False

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
        """The function of each item, in order."""
        return map(function, items)


IN_TURN = InTurn()
