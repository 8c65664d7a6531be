"""`make reliability`: every fault, many times, and what came of it, written to tests/reliability/RESULTS.md.

    python -m tests.reliability.report [--kills 200] [--rebalance-kills 200] [--hours 6]

What was counted is kept as it comes, so that a program which is ended itself has its table. Each kill is
judged at once; a run goes to its end after every tenth, and whenever something was published, and is judged.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows import failpoints
from tests.reliability import faults, killed, readers
from tests.reliability.killed import NEW, Case, Tally

RESULTS = Path(__file__).parent / "RESULTS.md"
SEED = 20261129
FINISHED_AFTER = 10
RELEASE_POINTS = ("locked", "copied", "finished", "checkpointed", "synced", "renamed", "published")
HEAD = """# What a run survives

Written by `make reliability`. `old` and `new`: the published file is the one of before, byte for byte, or a
whole one with the rows of a run that was never killed, to the bit. `finished, same`: the next run then ended,
with the same rows, the same side files byte for byte, and nothing left over of the dead. Anything else ends
the program with an error, and is a failure of `make reliability`. Rebalances are of two stocks over nine
months, without Prefect and, for the sake of time, without dbt's tests, which only read.

"""
COLUMNS = "| command | fault | times | outcome | seed |\n| --- | --- | --- | --- | --- |\n"


@dataclass
class Book:
    """The table, written anew whenever something is counted."""

    rows: list[tuple[str, Tally]]
    note: str = ""

    def tally(self, command: str, fault: str, seed: str = "") -> Tally:
        """A new line of the table."""
        self.rows.append((command, Tally(fault, seed)))
        return self.rows[-1][1]

    def write(self) -> None:
        """Write the table to RESULTS."""
        lines = [_line(command, tally) for command, tally in self.rows if tally.outcomes]
        RESULTS.write_text(HEAD + COLUMNS + "\n".join(lines) + "\n" + self.note, "utf-8")


class Chain:
    """Kills on one warehouse, one after the other, and a run that ends after every so many of them."""

    def __init__(self, case: Case, folder: Path, book: Book) -> None:
        self.case, self.folder, self.book = case, folder, book
        self.after = book.tally(case.name, f"the run after up to {FINISHED_AFTER} kills")
        self.kills = 0
        case.fresh(folder)

    def judge(self, tally: Tally, state: str) -> None:
        """Count what a kill left; let a run end where it is time."""
        tally.count(state)
        self.kills += 1
        self.book.write()
        if state.startswith(NEW) or self.kills == FINISHED_AFTER:
            self.end()

    def end(self) -> None:
        """Let a run end, judge it, and begin anew."""
        if self.kills:
            killed.finish(self.case, self.folder)
            self.case.check_recovered(self.folder)
            self.after.count("finished, same")
            self.book.write()
        self.kills = 0
        self.case.fresh(self.folder)


def at_failpoints(case: Case, points: Sequence[str], folder: Path, book: Book) -> None:
    """Kill a run at each of its boundaries."""
    chain, repaired = Chain(case, folder, book), book.tally(case.name, "`portfolio publish --repair` then")
    for point in points:
        tally = book.tally(case.name, f"kill −9 of the group at `{point}`")
        state = killed.kill_at_failpoint(case, folder, point)
        if state == NEW and (case.after / "out").exists():
            killed.repair(case, folder)
            repaired.count("side files made again, same")
        chain.judge(tally, state)
    chain.end()


def at_moments(case: Case, times: int, folder: Path, book: Book, until: float) -> None:
    """Kill runs at moments drawn evenly from the time a run takes, as many as fit."""
    chain = Chain(case, folder, book)
    tally = book.tally(case.name, "kill −9 of the group at a random moment", str(SEED))
    for share in np.random.default_rng(SEED).random(times):
        if time.monotonic() > until:
            break
        chain.judge(tally, killed.kill_at_moment(case, folder, float(share) * case.seconds))
    chain.end()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200, help="random kills of a short command")
    parser.add_argument("--rebalance-kills", type=int, default=200, help="random kills of a rebalance")
    parser.add_argument("--hours", type=float, default=6.0, help="no random kill begins later")
    asked = parser.parse_args(arguments)
    until = time.monotonic() + 3600 * asked.hours
    book, place = Book([]), Path(tempfile.mkdtemp(prefix="reliability-"))
    try:
        _short(book, place, asked.kills, until)
        _preload()
        case = killed.rebalance_case(_folder(place / "rebalance"), is_tested=False)
        at_failpoints(case, failpoints.POINTS, place / "killed", book)
        at_moments(case, asked.rebalance_kills, place / "killed", book, until)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        book.write()


def _short(book: Book, place: Path, kills: int, until: float) -> None:
    for command, fault, outcome in _faults(place):
        book.tally(command, fault).count(outcome)
        book.write()
    tally = book.tally("reading", f"{readers.READERS} readers during {readers.PUBLISHES} publishes")
    tally.count(readers.read_while_publishing(_folder(place / "readers")).said())
    case = killed.release_case(_folder(place / "release"))
    at_failpoints(case, RELEASE_POINTS, place / "released", book)
    at_moments(case, kills, place / "released", book, until)


def _faults(place: Path) -> Iterator[tuple[str, str, str]]:
    for number, fault in enumerate(faults.ALL):
        yield faults.tried(fault, _folder(place / f"fault-{number}"))


def _preload() -> None:
    """Import once what every run needs, so that a run's time is its own."""
    import cvxpy
    import dbt.adapters.duckdb
    import dbt.cli.main
    import ibis
    import sklearn.linear_model

    import flows.rebalance
    import flows.validation
    import python_steps.allocate_exposures
    import python_steps.bootstrap_intervals
    import python_steps.learn_forecasts
    import python_steps.weigh_strategies

    del cvxpy, dbt, ibis, sklearn, flows, python_steps


def _folder(place: Path) -> Path:
    place.mkdir(parents=True)
    return place


def _line(command: str, tally: Tally) -> str:
    outcome = "; ".join(f"{name} {count}" for name, count in tally.outcomes.items())
    return f"| `{command}` | {tally.fault} | {sum(tally.outcomes.values())} | {outcome} | {tally.seed} |"


if __name__ == "__main__":
    main()
