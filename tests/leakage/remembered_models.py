"""What a model made of the same rows, by the same SQL, is taken from an earlier trial.

A model is a function of the tables it reads, so a table is known by the SHA-256 of its SQL and of what those
hold, in whatever order. An edited model always runs, and the original's may hold nothing volatile: the static
check says so.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.guards import compiled

if TYPE_CHECKING:
    import duckdb

FILE = "select path from duckdb_databases() where database_name = current_database()"
WORTH = 0.02  # seconds of making from which rows are worth keeping


@dataclass
class Memory:
    """`folder` has a file for each table ever made, which says what it holds, and the rows of those that came
    twice, or at once where it `keeps_all`: they will come again.

    `manifest` is that of the project as it was edited, `original` the SQL of every model before, by name.
    """

    folder: Path
    manifest: Any
    original: Mapping[str, str]
    keeps_all: bool = False
    held: dict[tuple[str, str], str] = field(default_factory=dict)  # digests of tables, by file and model

    def make(self, con: "duckdb.DuckDBPyConnection", node: Any) -> None:
        """Make a model, or take its rows."""
        file = con.execute(FILE).fetchall()[0][0]
        if node.config.materialized == "view" or node.compiled_code != self.original.get(node.name):
            compiled.make(con, node)
            self.held.pop((file, node.name), None)
            return
        place = self.folder / self._key(con, file, node)
        if place.with_suffix(".duckdb").exists():
            _recall(con, node, place.with_suffix(".duckdb"))
        else:
            began = time.thread_time()
            compiled.make(con, node)
            is_wanted = self.keeps_all or place.exists()
            if is_wanted and time.thread_time() - began > WORTH:
                _keep(con, node, place.with_suffix(".duckdb"))
        if not place.exists():
            _put(place, _digest(con, f'main."{node.name}"'))
        self.held[file, node.name] = place.read_text("utf-8")

    def _key(self, con: "duckdb.DuckDBPyConnection", file: str, node: Any) -> str:
        parts = [self._holds(con, file, name) for name in sorted(node.depends_on.nodes)]
        return hashlib.sha256("\n".join([node.name, node.compiled_code, *parts]).encode()).hexdigest()

    def _holds(self, con: "duckdb.DuckDBPyConnection", file: str, name: str) -> str:
        """What a model or source holds; of a view, its SQL and what it reads."""
        if name in self.manifest.sources:
            source = self.manifest.sources[name]
            return _digest(con, f'{source.schema}."{source.name}"')
        node = self.manifest.nodes[name]
        if node.config.materialized == "view":
            return self._key(con, file, node)
        if (file, node.name) not in self.held:
            self.held[file, node.name] = _digest(con, f'main."{node.name}"')
        return self.held[file, node.name]


def _digest(con: "duckdb.DuckDBPyConnection", table: str) -> str:
    rows = con.execute(f"select count(*), bit_xor(hash(t)), sum(hash(t)) from {table} as t").fetchall()
    return f"{table} {rows}"


def _recall(con: "duckdb.DuckDBPyConnection", node: Any, place: Path) -> None:
    con.execute(f"attach '{place}' as kept (read_only)")
    compiled.shape(con, node)
    con.execute(f'insert into main."{node.name}" from kept.rows')
    con.execute("detach kept")


def _keep(con: "duckdb.DuckDBPyConnection", node: Any, place: Path) -> None:
    """Whole or not at all, since trials run side by side."""
    new = place.with_suffix(f".{os.getpid()}")
    con.execute(f"attach '{new}' as kept")
    con.execute(f'create table kept.rows as from main."{node.name}"')
    con.execute("detach kept")
    new.rename(place)


def _put(place: Path, text: str) -> None:
    new = place.with_suffix(f".{os.getpid()}")
    new.write_text(text, "utf-8")
    new.rename(place)
