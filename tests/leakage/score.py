"""Scores the guards: each mutant on a copy of the project, the guard that should fire first.

Run it with `python -m tests.leakage.score [NAME ...]`; it writes SCORE.md when it ran all of the catalogue.
This process imports libraries and none of the project's packages; each trial is a fork that imports them from
its own copy.
"""

import argparse
import dataclasses
import importlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.leakage.catalogue import Mutant, apply, catalogue, copy_project
from tests.leakage.score_report import Trial, failures, page, shown

LIBRARIES = (
    *("dbt.cli.main", "dbt.adapters.duckdb", "duckdb", "pandas", "pyarrow.parquet", "yaml", "pydantic"),
    *("ibis", "ibis.backends.duckdb", "sqlglot.optimizer", "scipy.optimize", "sklearn.covariance"),
    *("sklearn.mixture", "cvxpy", "threadpoolctl", "structlog"),
)
OURS = ("tests", "flows", "python_steps")
AT_ONCE = 2
SCORE = Path(__file__).parent / "SCORE.md"


def score(mutants: Sequence[Mutant], at_once: int = AT_ONCE) -> Iterator[Trial]:
    """Try each mutant, as they come; the world is landed once for all that do not land again."""
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        folder = Path(place)
        context = multiprocessing.get_context("fork")
        with context.Pool(at_once, maxtasksperchild=1) as pool:
            pool.apply(_landed, (folder,))
            jobs = [(number, mutant, folder) for number, mutant in enumerate(mutants)]
            for number, said in pool.imap_unordered(_tried, jobs, chunksize=1):
                yield Trial(mutants[number], **said)


def _landed(folder: Path) -> None:
    copy_project(folder / "original")
    _enter(folder / "original").land(folder / "world")


def _tried(job: tuple[int, Mutant, Path]) -> tuple[int, dict[str, Any]]:
    """What the guards say of one mutant, by its number; a build that fails is `broken`."""
    number, mutant, folder = job
    project = folder / mutant.name
    found: dict[str, Any] = {"guard": None, "finding": None, "named": False, "broken": None}
    try:
        copy_project(project)
        apply(mutant, project)
        found |= _enter(project).tried(mutant, folder / "world", bool(os.environ.get("MUTANTS_FIRST")))
    except BaseException as error:  # whatever a mutant breaks is a result, not an end of the score
        found["broken"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if os.environ.get("MUTANTS_TRACE"):
            traceback.print_exc()
    shutil.rmtree(project, ignore_errors=True)
    return number, found | {"seconds": time.process_time()}


def _enter(project: Path) -> Any:
    """Make a copy the project of this process, and give its trial module."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    os.chdir(project)
    sys.path[:] = [str(project), *(entry for entry in sys.path if entry and Path(entry) != Path(project))]
    importlib.invalidate_caches()
    return importlib.import_module("tests.leakage.trial")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write SCORE.md when all of the catalogue was tried; 1 where the guards failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to try; all unless given")
    parser.add_argument("--json", type=Path, help="where to write the trials, for tests to read")
    wanted = parser.parse_args(arguments)
    began = time.perf_counter()
    chosen = [one for one in catalogue() if not wanted.names or one.name in wanted.names]
    trials = []
    for trial in score(chosen):
        trials.append(trial)
        print(f"{len(trials):4d}/{len(chosen)} {shown(trial)}", flush=True)  # noqa: T201 - it is a command
    trials.sort(key=lambda trial: trial.mutant.name)
    seconds = time.perf_counter() - began
    if wanted.json:
        wanted.json.write_text(json.dumps([dataclasses.asdict(trial) for trial in trials]), "utf-8")
    if not wanted.names:
        SCORE.write_text(page(trials, seconds), "utf-8")
    said = failures(trials)
    print("\n".join([*said, f"{len(trials)} tried in {seconds:.0f} s, {len(said)} failed"]))  # noqa: T201
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
