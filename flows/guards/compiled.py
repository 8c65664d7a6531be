"""The project's SQL as dbt compiled it, run without dbt: the same statements, twenty times as fast.

Guards build the same models on many files. dbt parses and compiles once; after that a model is one statement
and a test is one query, in the order of lineage.
"""

import graphlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import parsed_project
from flows.dbt import Dbt, DbtError
from python_steps import warehouse

if TYPE_CHECKING:
    import duckdb

Selection = tuple[tuple[str, ...], tuple[str, ...], str]
ROWS_SHOWN = 3


@dataclass(frozen=True)
class Failure:
    """A generic test that found rows: its kind (`known_in_time`), the models it reads, and the rows."""

    kind: str
    models: tuple[str, ...]
    count: int
    rows: tuple[tuple[Any, ...], ...]


@dataclass
class CompiledDbt(Dbt):
    """A Dbt whose `run` executes what dbt compiled. `on` hands on what was parsed and compiled.

    Tables are made with the columns of their contracts, as dbt makes them. Nothing is remembered between two
    files: each `run` drops and makes what it selects, by `make` unless another `maker` is given.
    """

    maker: Callable[[Any, Any], None] | None = field(default=None, repr=False)
    selections: dict[Selection, list[Any]] = field(default_factory=dict, repr=False)
    _kept: Path | None = field(default=None, repr=False)  # none for a manifest that was handed over

    def parse(self) -> None:
        """Take what was compiled of the same files before; else read the project."""
        self._kept = self._entry("compiled")
        self._manifest = parsed_project.load(self._kept)
        if self._manifest is None:
            super().parse()

    def compile(self) -> None:
        """Compile models and tests, or the models that are not; the file must have its source tables."""
        models = [node for node in self.manifest.nodes.values() if node.resource_type == "model"]
        missing = [node.name for node in models if not node.compiled_code]
        selected = ["--select", *missing] if len(missing) < len(models) else []
        if missing:
            self._invoke(["compile", *selected], manifest=self.manifest)
            if self._kept is not None:
                self._keep(self._kept, "compiled")

    def run(
        self, *, select: Sequence[str] = (), exclude: Sequence[str] = (), full_refresh: bool = False
    ) -> None:
        """Models without tests; raises DbtError with the model that failed."""
        self._each(self._selected(select, exclude, "model"), self.maker or make)

    def failures(self, *, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Failure]:
        """Generic tests of the selected models that find rows; those on what is not made are left out.

        Singular tests are attached to no model, and are not run.
        """
        found: list[Failure] = []
        chosen = {node.unique_id for node in self._selected(select, exclude, "model")}
        made = self._made()
        tests = [
            node
            for node in self._selected(select, exclude, "test")
            if getattr(node, "attached_node", None) in chosen and made.issuperset(_read(node))
        ]
        self._each(tests, lambda con, node: found.extend(_ask(con, node)))
        return found

    def _made(self) -> set[str]:
        """Names of the tables and views of `main` in the file."""
        con = warehouse.connect(self.file, read_only=True)
        try:
            rows = con.execute("select table_name from information_schema.tables where table_schema = 'main'")
            return {name for (name,) in rows.fetchall()}
        finally:
            con.close()

    def upstream(self, *models: str) -> list[str]:
        """Names of the models that the named ones read, directly or not, themselves included."""
        return self.chosen([f"+{model}" for model in models])

    def chosen(self, select: Sequence[str]) -> list[str]:
        """Names of the models that dbt's selectors choose, in order of lineage."""
        return [node.name for node in self._selected(select, (), "model")]

    def compiled(self) -> dict[str, str]:
        """Compiled SQL of every model, by name."""
        return {node.name: node.compiled_code for node in self._selected((), (), "model")}

    def inline(self, jinja: str) -> str:
        """Compiled SQL of a line of Jinja, such as the call of one macro."""
        self.compile()
        outcome = self._invoke(["compile", "--inline", jinja], manifest=self.manifest)
        return str(outcome.results[0].node.compiled_code)

    def _each(self, nodes: Sequence[Any], act: "Callable[[duckdb.DuckDBPyConnection, Any], Any]") -> None:
        import duckdb

        # Each statement commits by itself: DuckDB has no statistics of uncommitted rows, and plans badly.
        con = warehouse.connect(self.file)
        try:
            for node in nodes:
                try:
                    act(con, node)
                except duckdb.Error as error:
                    message = " ".join(str(error).split())
                    raise DbtError(f"{node.resource_type} {node.name}: {message}") from None
        finally:
            con.close()

    def _selected(self, select: Sequence[str], exclude: Sequence[str], kind: str) -> list[Any]:
        """Nodes of a kind in order of lineage, as dbt's own selectors choose them."""
        self.compile()
        key = (tuple(select), tuple(exclude), kind)
        if key not in self.selections:
            arguments = ["list", "--resource-type", kind, "--output", "json", "--output-keys", "unique_id"]
            for option, chosen in (("--select", select), ("--exclude", exclude)):
                arguments += [option, *chosen] if chosen else []
            self.selections[key] = _in_order(self.manifest, self._invoke(arguments, manifest=self.manifest))
        return self.selections[key]


def _in_order(manifest: Any, listed: Sequence[str]) -> list[Any]:
    wanted = {json.loads(line)["unique_id"] for line in listed}
    edges: Mapping[str, Sequence[str]] = {
        name: sorted(manifest.nodes[name].depends_on.nodes) for name in sorted(manifest.nodes)
    }
    order = graphlib.TopologicalSorter(edges).static_order()
    return [manifest.nodes[name] for name in order if name in wanted]


def make(con: "duckdb.DuckDBPyConnection", node: Any) -> None:
    """Make a model in the file of a connection, whatever stood there."""
    name = f'main."{node.name}"'
    if node.config.materialized == "view":
        con.execute("create schema if not exists main")
        con.execute(f"create or replace view {name} as {node.compiled_code}")
        return
    shape(con, node)
    columns = ", ".join(f'"{column}"' for column in node.columns)
    con.execute(f"insert into {name} select {columns} from ({node.compiled_code}\n)")


def shape(con: "duckdb.DuckDBPyConnection", node: Any) -> None:
    """Make the table of a model, with the columns of its contract and no rows."""
    columns = ", ".join(f'"{column}" {said.data_type}' for column, said in node.columns.items())
    con.execute("create schema if not exists main")
    con.execute(f'create or replace table main."{node.name}" ({columns})')


def _read(node: Any) -> list[str]:
    """Names of the models that a test reads."""
    return [name.split(".")[-1] for name in node.depends_on.nodes if name.startswith("model.")]


def _ask(con: "duckdb.DuckDBPyConnection", node: Any) -> list[Failure]:
    count = con.execute(f"select count(*) from ({node.compiled_code}\n)").fetchall()[0][0]
    if not count:
        return []
    rows = con.execute(f"select * from ({node.compiled_code}\n) limit {ROWS_SHOWN}").fetchall()
    models = _read(node)
    kind = node.test_metadata.name if node.test_metadata else node.name
    attached = (node.attached_node or "").split(".")[-1]
    ordered = sorted(models, key=lambda model: model != attached)
    return [Failure(kind, tuple(ordered), count, tuple(rows))]
