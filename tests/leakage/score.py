"""Scores the guards: each mutant on a copy of the project, the guard that should fire first.

Run it with `python -m tests.leakage.score [NAME ...]`; after all of the catalogue it writes SCORE.md. This
process imports libraries and none of the project's packages; each trial is a fork that imports them from its
own copy, so that a trial costs no start-up.
"""

import argparse
import gc
import importlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.leakage.catalogue import Mutant, apply, catalogue, copy_project
from tests.leakage.score_report import Trial, page, shown

LIBRARIES = (
    *("dbt.cli.main", "dbt.adapters.duckdb", "duckdb", "pandas", "pyarrow.parquet", "yaml", "pydantic"),
    *("ibis", "ibis.backends.duckdb", "sqlglot.optimizer", "scipy.optimize", "sklearn.covariance"),
    *("sklearn.mixture", "cvxpy", "threadpoolctl", "structlog", "httpx", "stamina", "pydantic_settings"),
    *("scipy.cluster.hierarchy", "scipy.spatial.distance", "ibis.formats.pandas", "sqlparse"),
    *("dbt.task.list",),
)
OURS = ("tests", "flows", "python_steps")
AT_ONCE = 2
SCORE = Path(__file__).parent / "SCORE.md"
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30


def score(mutants: Sequence[Mutant], *, is_first_only: bool = False) -> Iterator[Trial]:
    """Try each mutant, and give the trials as they end.

    The small world is told, and the project parsed and compiled, once.
    """
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # or each fork looks through all that was imported, and so copies it
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=_in_memory()) as place:
        folder = Path(place)
        with multiprocessing.get_context("fork").Pool(AT_ONCE, maxtasksperchild=1) as pool:
            pool.apply(_land, (folder,))
            jobs = [(number, mutant, folder, is_first_only) for number, mutant in enumerate(mutants)]
            for number, said in pool.imap_unordered(_tried, jobs, chunksize=1):
                yield Trial(mutants[number], **said)


def _in_memory() -> str | None:
    """Where files are in memory, if there is room: thousands of small ones are written."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return str(MEMORY) if has_room else None


def _land(folder: Path) -> None:
    copy_project(folder / "original")
    _enter(folder / "original").land(folder / "world")


def _tried(job: tuple[int, Mutant, Path, bool]) -> tuple[int, dict[str, Any]]:
    """What the guards say of one mutant, by its number, as plain values: the fork has other classes."""
    number, mutant, folder, is_first_only = job
    project = folder / mutant.name
    said: dict[str, Any] = {"guard": None, "finding": None, "is_named": False, "broken": None}
    try:
        copy_project(project, folder / "original")
        apply(mutant, project)
        said |= _enter(project).tried(mutant, folder, is_first_only)
    except Exception as error:
        said["broken"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    shutil.rmtree(project, ignore_errors=True)
    return number, said | {"seconds": time.process_time()}


def _enter(project: Path) -> Any:
    """Make a copy the project of this process, and give its module of trials."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    os.chdir(project)
    sys.path.insert(0, str(project))
    importlib.invalidate_caches()
    return importlib.import_module("tests.leakage.trial")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each trial; 1 where a mutant lives or a harmless edit is flagged."""
    parser = argparse.ArgumentParser(description="Score the guards against leaks.")
    parser.add_argument("names", nargs="*", help="what to try of the catalogue; all of it unless given")
    parser.add_argument("--first-only", action="store_true", help="run no guard but the one expected to fire")
    parser.add_argument("--json", type=Path, help="where to write the outcomes by name")
    wanted = parser.parse_args(arguments)
    began = time.perf_counter()
    chosen = [mutant for mutant in catalogue() if not wanted.names or mutant.name in wanted.names]
    trials: list[Trial] = []
    for trial in score(_longest_first(chosen), is_first_only=wanted.first_only):
        trials.append(trial)
        say(f"{len(trials):3d} of {len(chosen)}  {shown(trial)}")
    seconds = time.perf_counter() - began
    trials.sort(key=lambda trial: trial.mutant.name)
    if wanted.json:
        said = {trial.mutant.name: [trial.outcome, trial.broken or trial.finding] for trial in trials}
        wanted.json.write_text(json.dumps(said), "utf-8")
    if not wanted.names and not wanted.first_only:
        SCORE.write_text(page(trials, seconds), "utf-8")
    bad = [trial for trial in trials if not trial.is_good]
    for trial in bad:
        say(f"{trial.outcome}: {trial.mutant.name}")
    say(f"{len(trials)} tried in {seconds:.0f} s, {len(bad)} not as they should be")
    return 1 if bad else 0


def say(line: str) -> None:
    """A line of the table, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _longest_first(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Harmless edits run every guard, so they begin; then what must be run twice."""
    return sorted(mutants, key=lambda mutant: (not mutant.is_harmless, mutant.guard != "state"))


if __name__ == "__main__":
    sys.exit(main())
