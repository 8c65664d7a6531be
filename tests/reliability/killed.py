"""Runs that are killed with their whole process group, and what they leave in the warehouse.

A run is forked from a process in which everything is imported, leads a group of its own, and is ended by
SIGKILL: at a failpoint, or at a moment. What it leaves must be the published file of before, byte for byte,
or a whole one of after.
"""

import dataclasses
import datetime as dt
import functools
import hashlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flows import failpoints
from flows.publish import WORKING, published
from python_steps import warehouse
from tests.steps.small_warehouse import publish_small_warehouse
from tests.worlds import trees

# What the wall clock says of a run; all else of two runs on the same inputs is the same, to the bit.
WALL_CLOCK = ("started_at", "finished_at", "loaded_at")
SIDE_FILES = ("exposures.json", "exposures.yaml", "validation_report.yaml")
OLD, NEW = "old", "new"


class HalfPublishedError(AssertionError):
    """A warehouse that is neither the one of before nor the one of after."""


@dataclass(frozen=True)
class Case:
    """A command on a warehouse: `run` makes it go on in a folder that holds a copy of `base`.

    `after` is a folder in which it went on and was never killed; `seconds` is how long that took.
    """

    name: str
    base: Path
    after: Path
    run: Callable[[Path], object]
    seconds: float

    @functools.cached_property
    def old_bytes(self) -> str:
        """SHA-256 of the published file of before."""
        return hashlib.sha256(published(self.base).read_bytes()).hexdigest()

    @functools.cached_property
    def new_rows(self) -> str:
        """Digest of all rows of the published file of after."""
        return digest(published(self.after))

    def fresh(self, folder: Path) -> Path:
        """A new copy of the warehouse as it stood before."""
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.base, folder))

    def state(self, folder: Path) -> str:
        """OLD or NEW; raises HalfPublishedError for anything else."""
        if hashlib.sha256(published(folder).read_bytes()).hexdigest() == self.old_bytes:
            return OLD
        if digest(published(folder)) != self.new_rows:
            raise HalfPublishedError(f"{self.name}: {folder} is neither old nor new")
        return NEW

    def check_recovered(self, folder: Path) -> None:
        """What must hold once the next run has ended: same rows, same side files, and nothing left over."""
        if self.state(folder) != NEW:
            raise HalfPublishedError(f"{self.name}: the next run published nothing")
        if left := leavings(folder):
            raise HalfPublishedError(f"{self.name}: left behind: {left}")
        self.check_side_files(folder)

    def check_side_files(self, folder: Path) -> None:
        """The side files are those of a run that was never killed, byte for byte."""
        for file in sorted((self.after / "out").glob("*.*")):
            if file.name in SIDE_FILES and (folder / "out" / file.name).read_bytes() != file.read_bytes():
                raise HalfPublishedError(f"{self.name}: {file.name} has other bytes")


@dataclass
class Tally:
    """How often each outcome came of one fault."""

    fault: str
    seed: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str) -> None:
        """One more."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def digest(file: Path) -> str:
    """SHA-256 over every row of every table, without what the wall clock says."""
    con = warehouse.connect(file, read_only=True)
    try:
        tables = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in"
            " ('raw', 'main', 'steps') order by all"
        ).fetchall()
        seen = hashlib.sha256()
        for (table,) in tables:
            names = [row[0] for row in con.execute(f"describe {table}").fetchall()]
            wanted = ", ".join(f'"{name}"' for name in names if name not in WALL_CLOCK)
            seen.update(f"{table} {warehouse.rows_digest(con, f'select {wanted} from {table}')}\n".encode())
    finally:
        con.close()
    return seen.hexdigest()


def leavings(folder: Path) -> list[str]:
    """What dead runs left: working copies, and drafts of side files."""
    drafts = [file.name for file in (folder / "out").glob(".*")] if (folder / "out").exists() else []
    return sorted([place.name for place in folder.glob(f"{WORKING}*")] + drafts)


def forked(case: Case, folder: Path, failpoint: str | None = None) -> int:
    """Start a run in a process group of its own, and return its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        if failpoint:
            os.environ[failpoints.VARIABLE] = failpoint
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        case.run(folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def finish(case: Case, folder: Path) -> float:
    """Let a run go to its end, and return the seconds that took. Raises AssertionError where it failed."""
    begun = time.monotonic()
    code = os.waitstatus_to_exitcode(os.waitpid(forked(case, folder), 0)[1])
    assert code == 0, (folder / "said").read_text()[-2000:]
    return time.monotonic() - begun


def repair(case: Case, folder: Path) -> None:
    """`portfolio publish --repair` after a run that was killed once it had published; judge its files."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    finish(dataclasses.replace(case, run=_rewrite), folder)
    case.check_side_files(folder)


def _rewrite(folder: Path) -> None:
    from flows import outputs

    outputs.write(outputs.gather(outputs.open_published(folder), "trees"), folder / "out")


def kill_at_failpoint(case: Case, folder: Path, point: str) -> str:
    """Let a run die at a failpoint, and return the state it leaves."""
    code = os.waitstatus_to_exitcode(os.waitpid(forked(case, folder, point), 0)[1])
    assert code == -signal.SIGKILL, f"{point}: {code}, {(folder / 'said').read_text()[-2000:]}"
    return case.state(folder)


def kill_at_moment(case: Case, folder: Path, seconds: float) -> str:
    """Kill a run's group after a time, and return the state it leaves, with a note where it had ended."""
    pid = forked(case, folder)
    time.sleep(seconds)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # not yet the leader of its group, so still at its first instruction
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in {0, -signal.SIGKILL}, (folder / "said").read_text()[-2000:]
    state = case.state(folder)
    return state if code else f"{state}, ended before"


def release_case(folder: Path) -> Case:
    """`portfolio reset` on a hand-made warehouse of four assets: a whole write in less than a second."""
    from flows.reset import reset

    def run(place: Path) -> None:
        reset(place, "global", "drawdown", "tried")

    publish_small_warehouse(folder / "base", is_stopped=True)
    return _tried("portfolio reset", folder, run)


def rebalance_case(folder: Path, *, is_tested: bool) -> Case:
    """`portfolio rebalance` of two stocks, two more days told to a warehouse of nine months.

    Without `is_tested`, dbt's tests are left out: they read, and take half of the time.
    """
    bars = {
        name: trees.write_bars(folder / f"{name}.csv", until=until)
        for name, until in {"base": dt.date(2018, 11, 29), "after": dt.date(2018, 12, 1)}.items()
    }
    (folder / "trees.yml").write_text(trees.POLICY, "utf-8")

    def run(place: Path, name: str = "after") -> None:
        _rebalance(place, folder / "trees.yml", bars[name], is_tested=is_tested)

    (folder / "base").mkdir()
    finish(Case("base", folder, folder, lambda place: run(place, "base"), 0.0), folder / "base")
    (folder / "base" / "said").unlink()
    return _tried("portfolio rebalance", folder, run)


def _rebalance(place: Path, policy: Path, bars: Path, *, is_tested: bool) -> None:
    from flows import pipeline
    from flows.rebalance import run_rebalance
    from flows.requests import rebalance_request

    if not is_tested:
        pipeline.compute_all = functools.partial(pipeline.compute_all, is_tested=False)
    run_rebalance(rebalance_request(portfolio=str(policy), bars=[bars], warehouse=place, out=place / "out"))


def _tried(name: str, folder: Path, run: Callable[[Path], object]) -> Case:
    draft = Case(name, folder / "base", folder / "after", run, 0.0)
    return Case(name, draft.base, draft.after, run, finish(draft, draft.fresh(draft.after)))
