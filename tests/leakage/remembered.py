"""What a step made of the same rows, by the same code, is taken from an earlier trial.

A step is a function of tables, so where neither its code nor a row that it reads was edited, it would say the
same again. Its key is the code it reaches by imports and plug-ins, every row it reads, and what it is told.
Only what the code of the original made is kept: an edited step always runs.
"""

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import pipeline
from flows.guards.static_sql import STEPS
from python_steps import warehouse

if TYPE_CHECKING:
    import duckdb

# Where the code of a step begins, beside flows/pipeline.py.
ROOTS = {
    "learn": ("learn_forecasts", "detect_regimes", "estimate_overfit"),
    "weigh": ("weigh_strategies", "belief_inputs"),
    "allocate": ("allocate_exposures", "allocation_inputs"),
}
TOLD = ("raw.holdings", "raw.resets")
PACKAGE = "python_steps"
CODES = "codes.json"


def note_code(folder: Path) -> None:
    """Write down the code of the steps of this process' project, the original, for the trials to come."""
    codes = {step: code_of(step, Path.cwd()) for step in ROOTS}
    (folder / CODES).write_text(json.dumps(codes), "utf-8")


def remember(folder: Path, *, is_edited: bool) -> None:
    """Let the steps of this process' project look into `folder`; `is_edited` where Python was."""
    codes = json.loads((folder / CODES).read_text("utf-8"))
    for step, code in codes.items():
        if not is_edited or code_of(step, Path.cwd()) == code:
            setattr(pipeline, step, _remembering(step, getattr(pipeline, step), folder, code))


def _remembering(step: str, act: Callable[..., None], folder: Path, code: str) -> Callable[..., None]:

    def remembered(run: pipeline.Run, *told: Any) -> None:
        con = warehouse.connect(run.file)
        try:
            place = folder / _key(con, step, code, run, told)
            written = _written(step)
            if place.is_dir():
                _recall(con, place, written)
                return
            sizes = {table: _count(con, table) for table in written}
        finally:
            con.close()
        act(run, *told)
        _keep(run.file, place, sizes)

    return remembered


def code_of(step: str, project: Path) -> str:
    """SHA-256 over the files that a step's answer may hang on."""
    seen = hashlib.sha256()
    for file in files_of(step, project):
        seen.update(f"{file.relative_to(project)} ".encode() + file.read_bytes())
    return seen.hexdigest()


def files_of(step: str, project: Path) -> list[Path]:
    """What hands it its rows, and all that the step reaches from its roots."""
    files, waiting = set(), [project / PACKAGE / f"{root}.py" for root in (*ROOTS[step], "warehouse")]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += _reached(file, project)
    return sorted(files | {project / "flows" / name for name in ("pipeline.py", "fan_out.py")})


def _reached(file: Path, project: Path) -> Iterator[Path]:
    """Files that a file imports, or names: of a package all, since they may be plug-ins."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    for name in names:
        if name.startswith(f"{PACKAGE}."):
            path = project.joinpath(*name.split("."))
            yield from sorted(path.glob("*.py")) if path.is_dir() else _there(path.with_suffix(".py"))


@cache
def _there(path: Path) -> tuple[Path, ...]:
    return (path,) if path.exists() else ()


def _key(con: "duckdb.DuckDBPyConnection", step: str, code: str, run: pipeline.Run, told: Any) -> str:
    """SHA-256 over the code, what the step is told, and its tables, those that it adds rows to among them."""
    about = (step, code, run.run_id, run.portfolio, run.policy, run.as_of, run.batch_until, run.holdings)
    seen = hashlib.sha256(repr(about).encode())
    for one in told:
        if callable(one):  # who does the work changes no bit
            continue
        seen.update((one.to_json() if hasattr(one, "to_json") else repr(one)).encode())
    for table in sorted({*STEPS[step][0], *_written(step), *TOLD}):
        rows = con.execute(f"select count(*), bit_xor(hash(t)), sum(hash(t)) from {table} as t").fetchall()
        seen.update(f"{table} {rows}".encode())
    return seen.hexdigest()


def _written(step: str) -> tuple[str, ...]:
    """The tables that a step adds rows to; trials are counted beside."""
    return tuple(table for table in STEPS[step][1] if table != "steps.trials")


def _count(con: "duckdb.DuckDBPyConnection", table: str) -> int:
    return int(con.execute(f"select count(*) from {table}").fetchall()[0][0])


def _recall(con: "duckdb.DuckDBPyConnection", place: Path, tables: tuple[str, ...]) -> None:
    for table in tables:
        con.execute(f"insert into {table} from read_parquet(?)", [str(place / f"{table}.parquet")])


def _keep(file: Path, place: Path, sizes: dict[str, int]) -> None:
    """Keep the rows that came after so many; whole or not at all, since trials run side by side."""
    new = place.with_suffix(f".{os.getpid()}")
    new.mkdir(parents=True)
    con = warehouse.connect(file)
    try:
        for table, size in sizes.items():
            rows = f"select * from {table} where rowid >= {size} order by rowid"
            con.execute(f"copy ({rows}) to '{new / f'{table}.parquet'}'")
    finally:
        con.close()
    try:
        new.rename(place)
    except OSError:  # another trial was faster
        shutil.rmtree(new)
