"""The small world, all of it made with its steps fanned out and a worker killed: every table is the same."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from flows import fan_out
from tests.executors.cluster import digests
from tests.worlds import small

NO_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="ray is an extra that this environment lacks")
FANNED_OUT = {
    *("Windows of ridge fitted", "Splits of ridge fitted", "Test spans judged"),
    *("Covariances estimated", "Records drawn"),
}


class Killing:
    """Workers, one of which is killed when the sixth block is handed in."""

    handed_in = 0

    def __init__(self, workers: Any) -> None:
        self.workers = workers

    @property
    def width(self) -> int:
        return self.workers.width

    def submit(self, *call: Any) -> Any:
        task = self.workers.submit(*call)
        Killing.handed_in += 1
        if Killing.handed_in == 6:
            os.kill(children()[0], signal.SIGKILL)
        return task


def children() -> list[int]:
    """Worker processes that this one has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            is_worker = "spawn_main" in (place / "cmdline").read_text()
        except OSError:
            continue
        if parent == os.getpid() and is_worker:
            found.append(int(place.name))
    return sorted(found)


@pytest.mark.parametrize("executor", ["processes", "dask", pytest.param("ray", marks=NO_RAY)])
def test_every_table_is_the_same_to_the_bit(small_world: small.World, monkeypatch, executor):
    monkeypatch.setenv("PORTFOLIO_EXECUTOR", executor)
    monkeypatch.setenv("PORTFOLIO_EXECUTOR_WORKERS", "2")
    for limit in ("STARTING", "SENDING"):
        monkeypatch.setattr(fan_out, limit, 0.0)
    monkeypatch.setattr(fan_out, "BLOCK", 0.3)
    sent = set()
    original, start = fan_out.FanOut._sent, fan_out.FanOut.start

    def noted(self, function, items, cost, most, progress):
        sent.add(progress.what)
        return original(self, function, items, cost, most, progress)

    monkeypatch.setattr(fan_out.FanOut, "_sent", noted)
    Killing.handed_in = 0
    if executor != "ray":  # whose workers are no children of this process
        monkeypatch.setattr(fan_out.FanOut, "start", lambda self: Killing(start(self)))
    file = small_world.rebuilt(f"by {executor}")
    small_world.compute(file)
    assert sent >= FANNED_OUT
    assert Killing.handed_in > 20 or executor == "ray"
    assert children() == []
    assert digests(file) == digests(small_world.whole)
