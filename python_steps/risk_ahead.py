"""Covariances of decisions to come, estimated by workers while the walk is on its way to them.

What is held, and so what a decision needs, is known only when the walk is there. But its symbols can nearly
always be told ahead, and its returns hang on them and its instant alone. The walk takes what was estimated
where the symbols are those it has, and estimates by itself elsewhere: the same bits either way.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np

from python_steps import covariances, plugins
from python_steps.allocation_inputs import Returns
from python_steps.executors import Fan

PACKAGE = "python_steps.covariances"
MOST = 32  # decisions in a block: for 500 assets a covariance is 2 MB

Covariance = tuple[np.ndarray, np.ndarray]


class Foreseen(NamedTuple):
    """A decision (in microseconds), and the symbols it will have."""

    at: int
    symbols: list[str]


class Ahead:
    """Covariances in the order of decisions; none where nothing fans out."""

    def __init__(
        self, foreseen: Iterable[Foreseen], count: int, returns: Returns, covariance: str, fan: Fan
    ) -> None:
        self._asked: deque[Foreseen] = deque()
        self._found: Iterator[tuple[Foreseen, Covariance | None]] = iter(())
        if fan.is_parallel:
            estimate = partial(estimated, returns=returns, covariance=covariance)
            found = fan("Covariances estimated", estimate, self._noted(foreseen), count, most=MOST)
            self._found = ((self._asked.popleft(), one) for one in found)

    def _noted(self, foreseen: Iterable[Foreseen]) -> Iterator[Foreseen]:
        for one in foreseen:
            self._asked.append(one)
            yield one

    def taken(self, at: int, symbols: list[str]) -> Covariance | None:
        """What covariances.covariance says of a decision and symbols; None where they were not foreseen."""
        for asked, found in self._found:
            if asked.at > at:
                self._found = chain([(asked, found)], self._found)
                return None
            if asked.at == at:
                return found if asked.symbols == symbols else None
        return None


def estimated(asked: Foreseen, returns: Returns, covariance: str) -> Covariance | None:
    """The covariance of a decision; None where it cannot be had, so that the walk finds out why."""
    estimate = plugins.load(PACKAGE, covariance).estimate
    try:
        return covariances.covariance(returns.until(asked.at, asked.symbols), estimate)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None
