"""A backtest of hundreds of assets on a Dask cluster of three workers, one of them killed at work.

`make cluster` (or `python -m tests.executors.cluster --assets 500 --years 2`) writes RESULTS.md. A scheduler
and three workers run in processes of their own, on loopback. `portfolio rebalance` decides all history once
in its own process and once with the cluster, from the same bars; every table that steps write must have the
same rows, to the bit.
"""

import argparse
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from distributed import Client, SchedulerPlugin

from flows.publish import published
from python_steps import warehouse
from tests.reliability.killed import WALL_CLOCK
from tests.worlds import trends

PROJECT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "RESULTS.md"
WORKERS = ("first", "second", "third")
FIRST_DAY = dt.date(2014, 1, 2)
HOST = "127.0.0.1"
YEAR = dt.timedelta(days=365.25)
KILLED_AFTER = 3  # blocks that it has done; it is at work then, and so are the others
STEPS = ("steps",)  # what Python wrote; all else follows from it and the bars by the same SQL
AGAIN = ("processing-tasks", "lost-computed-tasks")
POLICY = """
extends: default
plan: short
compared_plans: []
universe: {asset_classes: [equity]}
signals: [momentum_1m, momentum_3m, donchian_1m, reversal_1w]
learners: [ridge]
gates: {minimum_trades: 5, maximum_drawdown: 0.6, minimum_dsr: 0.001}
limits: {asset: 0.02, asset_classes: {equity: 1.0}}
"""


class Ran(NamedTuple):
    """A command that ended: its warehouse, wall and CPU seconds, most memory in MB, and its log."""

    folder: Path
    seconds: float
    cpu: float
    megabytes: float
    log: list[dict[str, Any]]


class Worker(NamedTuple):
    """What a worker came to."""

    name: str
    blocks: int
    cpu: float
    megabytes: float
    end: str


def rebalance(folder: Path, bars: Path, **environment: str) -> Ran:
    """`portfolio rebalance` in a folder of its own."""
    folder.mkdir()
    (folder / "many.yml").write_text(POLICY, "utf-8")
    command = [sys.executable, "-m", "flows.cli", "rebalance", "--portfolio", "many.yml", "--bars", str(bars)]
    began = time.monotonic()
    with (folder / "said").open("w") as said:
        run = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, env=_environment() | environment
        )
        _, status, used = os.wait4(run.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 3}:
        raise AssertionError((folder / "said").read_text()[-3000:])
    log = [json.loads(line) for line in (folder / ".out" / "log.jsonl").read_text().splitlines()]
    return Ran(folder, time.monotonic() - began, _cpu(used), used.ru_maxrss / 1024, log)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, dict[str, subprocess.Popen]]]:
    """A scheduler and three workers of one thread, without a nanny: what is killed stays dead."""
    told = folder / "scheduler.json"
    place = ["--host", HOST, "--port", "0", "--no-dashboard", "--scheduler-file", str(told)]
    started = [_dask(folder, "scheduler", *place)]
    try:
        while not told.exists():
            time.sleep(0.1)
        address = json.loads(told.read_text())["address"]
        one = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0", "--host", HOST]
        workers = {name: _dask(folder, "worker", address, *one, "--name", name) for name in WORKERS}
        started += workers.values()
        yield address, workers
    finally:
        for process in started:
            process.kill()
            process.wait()


class Counted(SchedulerPlugin):
    """Lives in the scheduler: how many blocks each worker has done."""

    name = "counted"

    def __init__(self) -> None:
        self.done: dict[str, int] = {}

    def transition(self, key: Any, start: str, finish: str, *_: Any, worker: str = "", **__: Any) -> None:
        if (start, finish) == ("processing", "memory"):
            self.done[worker] = self.done.get(worker, 0) + 1


def standing(dask_scheduler: Any) -> dict[str, tuple[int, int]]:
    """By worker: how many blocks it has done, and how many are with it."""
    done = dask_scheduler.plugins[Counted.name].done
    return {
        str(worker.name): (done.get(worker.address, 0), len(worker.processing))
        for worker in dask_scheduler.workers.values()
    }


class Watch(threading.Thread):
    """Kills a worker at its work, once all have done some, and sees what becomes of each."""

    def __init__(self, address: str, workers: dict[str, subprocess.Popen]) -> None:
        super().__init__(daemon=True)
        self.address, self.workers = address, workers
        self.seen = {name: Worker(name, 0, 0.0, 0.0, "lived") for name in WORKERS}
        self.again = -1
        self.over = threading.Event()

    def run(self) -> None:
        """Look ten times a second, until all is over."""
        with Client(self.address, set_as_default=False) as client:
            client.register_plugin(Counted())
            while not self.over.wait(0.1):
                self._look(client.run_on_scheduler(standing))
            gone = [told for _, told in client.get_events("all") if told.get("action") == "remove-worker"]
            self.again = sum(len(told[kind]) for told in gone for kind in AGAIN)

    def _look(self, now: dict[str, tuple[int, int]]) -> None:
        for name, (done, _) in now.items():
            self.seen[name] = Worker(name, done, *used_by(self.workers[name].pid), "lived")
        busy = [name for name, (done, at_work) in now.items() if done >= KILLED_AFTER and at_work]
        if busy and all(process.poll() is None for process in self.workers.values()):
            self.workers[busy[0]].kill()
            self.workers[busy[0]].wait()

    def ended(self) -> list[Worker]:
        """What became of each."""
        self.over.set()
        self.join()
        dead = {name for name in WORKERS if self.workers[name].poll() == -signal.SIGKILL}
        return [one._replace(end="killed" if one.name in dead else "lived") for one in self.seen.values()]


def digests(file: Path, schemas: tuple[str, ...] = ("raw", "main", "steps")) -> dict[str, tuple[int, str]]:
    """Rows and SHA-256 of each table, less what the wall clock says."""
    con = warehouse.connect(file, read_only=True)
    try:
        tables = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where list_contains($schemas, schema_name) order by all",
            {"schemas": list(schemas)},
        ).fetchall()
        return {table: _digest(con, table) for (table,) in tables}
    finally:
        con.close()


def _digest(con: Any, table: str) -> tuple[int, str]:
    names = [row[0] for row in con.execute(f"describe {table}").fetchall()]
    wanted = ", ".join(f'"{name}"' for name in names if name not in WALL_CLOCK)
    count = con.execute(f"select count(*) from {table}").fetchall()[0][0]
    return count, warehouse.rows_digest(con, f"select {wanted} from {table}")


def report(assets: int, years: float, bars: int, alone: Ran, fanned: Ran, watch: Watch) -> str:
    """RESULTS.md. Raises AssertionError for tables that differ, and where nobody was killed."""
    one, other = (
        digests(published(alone.folder / ".warehouse"), STEPS),
        digests(published(fanned.folder / ".warehouse"), STEPS),
    )
    differing = sorted(table for table in one.keys() | other.keys() if one.get(table) != other.get(table))
    workers = watch.ended()
    killed = [worker.name for worker in workers if worker.end == "killed"]
    assert differing == [], differing
    assert len(killed) == 1, workers
    rows = sum(count for count, _ in one.values())
    decisions = one["steps.allocation_log"][0]
    return "\n".join(
        [
            "# A backtest on a cluster, with a worker killed",
            "",
            f"Written by `make cluster`: {assets} assets with a planted momentum, {years:g} years, {bars:,}"
            f" bars, {decisions:,} decisions. {os.cpu_count()} cores for the run, the scheduler and three"
            " workers alike, so this shows that nothing is lost, not how fast a cluster is.",
            "",
            f"Worker `{killed[0]}` was killed (SIGKILL) at its work, once it had done {KILLED_AFTER} blocks"
            f" or more. Blocks that were with it and were done again by others: {watch.again}. All"
            f" {len(one)} tables that steps write, {rows:,} rows, are the same to the bit.",
            "",
            "| `portfolio rebalance` | wall s | CPU s of its process | peak MB of its process |",
            "| --- | ---: | ---: | ---: |",
            f"| serial | {alone.seconds:.0f} | {alone.cpu:.0f} | {alone.megabytes:,.0f} |",
            f"| dask, three workers | {fanned.seconds:.0f} | {fanned.cpu:.0f} | {fanned.megabytes:,.0f} |",
            "",
            "| step, with the models before it | serial, wall s | dask, wall s |",
            "| --- | ---: | ---: |",
            *stages(alone, fanned),
            "",
            "| worker | blocks done | CPU s | peak MB | end |",
            "| --- | ---: | ---: | ---: | --- |",
            *(f"| {w.name} | {w.blocks} | {w.cpu:.0f} | {w.megabytes:,.0f} | {w.end} |" for w in workers),
            "",
        ]
    )


def stages(alone: Ran, fanned: Ran) -> list[str]:
    """How long each step took in both."""
    both = [seconds_by_event(ran.log) for ran in (alone, fanned)]
    shared = [event for event in both[0] if event in both[1]]
    return [f"| {event} | {both[0][event]:.0f} | {both[1][event]:.0f} |" for event in shared]


def seconds_by_event(log: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds from one step's end to the next one's; lines of progress end none."""
    ends = [line for line in log if "done" not in line]
    at = [dt.datetime.fromisoformat(line["timestamp"]) for line in ends]
    return {
        line["event"]: (until - since).total_seconds()
        for line, since, until in zip(ends[1:], at, at[1:], strict=False)
        if until > since
    }


def used_by(pid: int) -> tuple[float, float]:
    """CPU seconds and most memory (MB) of a process that lives."""
    place = Path(f"/proc/{pid}")
    try:
        user, system = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
        status = (place / "status").read_text()
    except FileNotFoundError:
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    peak = status.partition("VmHWM:")[2].split()
    return (int(user) + int(system)) / ticks, int(peak[0]) / 1024 if peak else 0.0


def main() -> None:
    """Run both, compare, and write what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--assets", type=int, default=500)
    asked.add_argument("--years", type=float, default=2.0)
    asked.add_argument("--folder", type=Path, help="where to work")
    chosen = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="cluster-", dir=chosen.folder) as place:
        folder = Path(place)
        panel = trends.panel({"equity": chosen.assets}, FIRST_DAY, FIRST_DAY + chosen.years * YEAR)
        panel.to_parquet(folder / "bars.parquet", index=False)
        alone = rebalance(folder / "serial", folder / "bars.parquet")
        with cluster(folder) as (address, workers):
            watch = Watch(address, workers)
            watch.start()
            named = {"PORTFOLIO_EXECUTOR": "dask", "PORTFOLIO_EXECUTOR_ADDRESS": address}
            fanned = rebalance(folder / "dask", folder / "bars.parquet", **named)
            text = report(chosen.assets, chosen.years, len(panel), alone, fanned, watch)
    RESULTS.write_text(text, "utf-8")


def _dask(folder: Path, what: str, *arguments: str) -> subprocess.Popen:
    with (folder / f"{what}.log").open("a") as said:
        command = [sys.executable, "-m", "dask", what, *arguments]
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, env=_environment())


def _environment() -> dict[str, str]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    return os.environ | dict.fromkeys(names, "1") | {"PYTHONPATH": str(PROJECT)}


def _cpu(used: Any) -> float:
    return float(used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
