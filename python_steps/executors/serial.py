"""In this process, one block after the other: nothing is started, nothing is sent."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from python_steps.executors import Wanted

IS_PARALLEL = False


class Here:
    """Does what it is handed before it takes more."""

    width = 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Do it."""
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done


@contextmanager
def opened(wanted: Wanted) -> Iterator[Here]:
    """Nothing to start."""
    yield Here()
