"""What workers are asked to do in tests: functions of a module, as they are sent by name."""

import os
import signal
import time
from pathlib import Path

import numpy as np


class OddError(ValueError):
    """One of our own, to be told apart from what executors raise themselves."""


def drawn(item: int) -> np.ndarray:
    """Numbers that hang on the item alone; the first items take longest."""
    time.sleep(0.05 if item < 3 else 0.0)
    return np.random.default_rng(np.random.SeedSequence(7, spawn_key=(item,))).normal(size=3)


def odd(item: int) -> int:
    """Fails at one item."""
    if item == 17:
        raise OddError("window 17: 3 rows, expected 4")
    return item


def place(item: int) -> tuple[int, int]:
    """Which process works on it, and its threads of linear algebra."""
    from threadpoolctl import threadpool_info

    return os.getpid(), max(one["num_threads"] for one in threadpool_info())


def dies_once(item: int, folder: Path) -> np.ndarray:
    """Kills its own process the first time that item 5 comes to a worker."""
    if item == 5:
        mark = folder / "died"
        if not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "done").open("a") as lines:
        lines.write(f"{item}\n")
    return drawn(item)


def dies(item: int) -> None:
    """Kills whoever does it."""
    os.kill(os.getpid(), signal.SIGKILL)
