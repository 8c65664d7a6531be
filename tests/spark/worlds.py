"""The worlds of `make spark`, made by DuckDB in the project's own environment, and what that cost."""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flows.cli import app
from flows.dbt import Dbt
from flows.publish import PUBLISHED
from tests.worlds import small

NAMES = ("small", "sample")
COSTS = "duckdb.json"


def main(folder: Path, names: Sequence[str]) -> None:
    """Make each world that is not there, as `folder`/name/published.duckdb, with what it cost beside it."""
    for name in names:
        place = folder / name
        if not (place / COSTS).exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            began = time.process_time()
            {"small": _small, "sample": _sample}[name](place)
            whole = time.process_time() - began
            costs = {"whole": whole, "models": _models(place / PUBLISHED)}
            (place / COSTS).write_text(json.dumps(costs), "utf-8")


def _small(place: Path) -> None:
    world = small.build(place)
    shutil.copy(world.whole, place / PUBLISHED)


def _sample(place: Path) -> None:
    said = ["rebalance", "--warehouse", str(place), "--out", str(place / "out")]
    app(said, standalone_mode=False)


def _models(file: Path) -> float:
    """CPU seconds of every model made anew by dbt in a copy of the file, without tests or parsing."""
    copy = file.parent / "again" / file.name
    copy.parent.mkdir()
    shutil.copy(file, copy)
    dbt = Dbt(copy)
    dbt.parse()
    began = time.process_time()
    dbt.run()
    spent = time.process_time() - began
    shutil.rmtree(copy.parent)
    return spent


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or NAMES)
