"""The study: the seeds as tables of text, and their landing in raw.study whenever a file changes."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from python_steps.errors import InputError

SEEDS = Path(__file__).parent.parent / "seeds"


@dataclass(frozen=True)
class Seed:
    """One seed file: SHA-256 of its bytes, its rows as a JSON list of objects, and as a table of text."""

    content_hash: str
    rows_json: str
    table: pa.Table


def read_study(folder: str | Path = SEEDS) -> dict[str, Seed]:
    """The CSV files directly in a folder, keyed by file name without its ending; empty cells are null.

    Raises InputError where a file cannot be read or a row has not as many cells as the header.
    """
    return {path.stem: _read(path) for path in sorted(Path(folder).glob("*.csv"))}


def tables(study: Mapping[str, Seed]) -> dict[str, pa.Table]:
    """The seeds as tables of text, as land_bars takes them."""
    return {name: seed.table for name, seed in study.items()}


def study_hash(study: Mapping[str, Seed]) -> str:
    """SHA-256 over names and contents of all seeds."""
    lines = (f"{name} {study[name].content_hash}\n" for name in sorted(study))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def land_study(con: duckdb.DuckDBPyConnection, batch_id: int, folder: str | Path = SEEDS) -> list[str]:
    """Append to raw.study every seed whose content is not the last one landed, and return their names."""
    study = read_study(folder)
    last = dict(
        con.execute("select seed, arg_max(content_hash, batch_id) from raw.study group by seed").fetchall()
    )
    changed = [name for name, seed in study.items() if last.get(name) != seed.content_hash]
    rows = [(batch_id, name, study[name].content_hash, study[name].rows_json) for name in changed]
    if rows:
        con.executemany("insert into raw.study values ($1, $2, $3, $4)", rows)
    return changed


def _read(path: Path) -> Seed:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name}: not readable as CSV ({error})") from None
    return _seed(path.name, content)


@lru_cache(maxsize=32)
def _seed(name: str, content: bytes) -> Seed:
    """Kept by content, since a run asks for the study several times, and the sessions are 28,000 rows."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name}: not readable as CSV ({error})") from None
    if not lines:
        raise InputError(f"{name}: is empty; expected a header")
    header, *body = lines
    for number, cells in enumerate(body, 1):
        if len(cells) != len(header):
            raise InputError(f"{name}: row {number}: {len(cells)} cells; expected {len(header)}")
    rows = [{column: cell or None for column, cell in zip(header, cells, strict=True)} for cells in body]
    return Seed(
        content_hash=hashlib.sha256(content).hexdigest(),
        rows_json=json.dumps(rows, ensure_ascii=False, separators=(",", ":")),
        table=pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in header])),
    )
