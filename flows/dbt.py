"""dbt inside this process: parsed once, quiet, and a failure that says which node and why."""

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from flows import parsed_project
from python_steps import lake, warehouse

PROJECT = Path(__file__).parent.parent
SHOWN_FAILURES = 20


class DbtError(RuntimeError):
    """What dbt could not do: one line a failing node, with its message and its failing rows."""


@dataclass(frozen=True)
class Node:
    """A model or test that dbt has finished."""

    name: str
    kind: str
    status: str
    number: int
    of: int
    seconds: float


@dataclass
class Dbt:
    """dbt on one database file; `on_node` hears of every model and test as it ends.

    The file must not be open in another process. Compiled SQL goes to `target` (a folder beside the file
    unless given); dbt's own log goes nowhere, since writing it costs a fifth of what dbt itself does.
    `project` is the folder of dbt_project.yml. Where `since` is given, models add to the tables of the file,
    which hold all that was known by then (macros/grown.sql); else all are made anew.
    """

    file: Path
    target: Path | None = None
    on_node: Callable[[Node], None] | None = None
    project: Path = PROJECT
    since: dt.datetime | None = None
    _manifest: Any = field(default=None, repr=False)

    def parse(self) -> None:
        """Read the project, or take what was made of the same files before; done by the first command if
        nobody asked."""
        kept = self._entry("parsed")
        self._manifest = parsed_project.load(kept)
        if self._manifest is None:
            self._manifest = self._invoke(["parse"], manifest=None)
            self._keep(kept, "parsed")

    def on(self, file: Path) -> Self:
        """The same project, parsed once, on another file of the same name: dbt names tables after it."""
        if file.name != self.file.name:
            raise ValueError(f"{file.name}: expected a file named {self.file.name}")
        return replace(self, file=file, target=None, _manifest=self.manifest)

    def build(
        self, *, select: Sequence[str] = (), exclude: Sequence[str] = (), full_refresh: bool = False
    ) -> None:
        """Models and their tests, in order of lineage; raises DbtError on any failure."""
        self._command("build", select, exclude, full_refresh=full_refresh)

    def run(
        self, *, select: Sequence[str] = (), exclude: Sequence[str] = (), full_refresh: bool = False
    ) -> None:
        """Models without tests."""
        self._command("run", select, exclude, full_refresh=full_refresh)

    def test(self, *, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """Tests alone."""
        self._command("test", select, exclude)

    def names(self, *, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
        """Models and tests that `build` would take, by name."""
        kinds = ["--resource-types", "model", "test", "unit_test"]
        return self._invoke([*_chosen("ls", select, exclude), *kinds], manifest=self.manifest)

    def run_operation(self, macro: str) -> None:
        """One macro. It takes no arguments: values from outside go through a table, never into SQL text."""
        self._invoke(["run-operation", macro], manifest=self.manifest)

    def docs(self) -> Path:
        """The project's own pages as one file, made from its files alone; returns its path in `target`."""
        asked = ["docs", "generate", "--static", "--empty-catalog", "--no-compile"]
        manifest = self._invoke(["parse"], manifest=None, is_written=True)  # the pages are made from a file
        self._invoke(asked, manifest=manifest)
        return self._target / "static_index.html"

    @property
    def manifest(self) -> Any:
        """dbt's manifest of the project."""
        if self._manifest is None:
            self.parse()
        return self._manifest

    def _entry(self, state: str) -> Path:
        return parsed_project.entry(self.project, self.file.name, state)

    def _keep(self, kept: Path, state: str) -> None:
        """Keep the manifest, unless a file was changed since it was read."""
        if kept == self._entry(state):
            parsed_project.save(self._manifest, kept)

    def _command(
        self, command: str, select: Sequence[str], exclude: Sequence[str], full_refresh: bool = False
    ) -> None:
        arguments = _chosen(command, select, exclude) + ["--full-refresh"] * full_refresh
        if self.since is not None:
            arguments += ["--vars", json.dumps({"since": self.since.isoformat(sep=" ")})]
        with self._opened():
            self._invoke(arguments, manifest=self.manifest)

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """The file stays open from the first node to the last: dbt-duckdb opens it anew for each of them, or,
        with keep_open, never lets go of it."""
        con = warehouse.connect(self.file)
        try:
            yield
        finally:
            con.close()

    @property
    def _target(self) -> Path:
        return (self.target or self.file.parent / "dbt").resolve()  # dbt takes it from the project's folder

    def _invoke(self, arguments: list[str], manifest: Any, *, is_written: bool = False) -> Any:
        from dbt.cli.main import dbtRunner  # four seconds of import

        watch = _Watch(self.on_node)
        with _environment(self.file, self._target):
            runner = dbtRunner(manifest=manifest, callbacks=[watch])
            quiet = [*self._quiet(self._target), "--write-json" if is_written else "--no-write-json"]
            outcome = runner.invoke([*arguments, *quiet])
        if not outcome.success:
            raise DbtError(_explain(arguments, outcome, watch))
        return outcome.result

    def _quiet(self, target: Path) -> list[str]:
        return [
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--target", "lake" if lake.is_lake(self.file) else "working"),
            *("--target-path", str(target), "--log-path", str(target)),
            *("--quiet", "--no-print", "--log-level", "none", "--log-level-file", "none", "--no-use-colors"),
        ]


class _Watch:
    """Listens to dbt's events: how many nodes there are, and each as it ends."""

    def __init__(self, on_node: Callable[[Node], None] | None) -> None:
        self.on_node = on_node
        self.errors: list[str] = []
        self.total = 0
        self.finished = 0
        self.started: dict[str, float] = {}

    def __call__(self, message: Any) -> None:
        if message.info.name == "NodeFinished":
            self._node(message.data.node_info)
        elif message.info.name == "NodeStart":
            self.started[message.data.node_info.unique_id] = time.perf_counter()
        elif message.info.name == "LogStartLine":
            self.total = max(self.total, message.data.total)
        elif message.info.level == "error":
            self.errors.append(message.info.msg.strip())

    def _node(self, info: Any) -> None:
        self.finished += 1
        if self.on_node is None:
            return
        seconds = time.perf_counter() - self.started.get(info.unique_id, time.perf_counter())
        total = max(self.total, self.finished)
        self.on_node(
            Node(
                info.node_name, info.resource_type, info.node_status, self.finished, total, round(seconds, 3)
            )
        )


@contextmanager
def _environment(file: Path, target: Path) -> Iterator[None]:
    target.mkdir(parents=True, exist_ok=True)
    wanted = {
        "PORTFOLIO_WAREHOUSE_FILE": str(file.resolve()),
        "DBT_TARGET_PATH": str(target.resolve()),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _chosen(command: str, select: Sequence[str], exclude: Sequence[str]) -> list[str]:
    arguments = [command]
    for option, selectors in (("--select", select), ("--exclude", exclude)):
        arguments += [option, *selectors] if selectors else []
    return arguments


def _explain(arguments: list[str], outcome: Any, watch: _Watch) -> str:
    command = f"dbt {' '.join(arguments)}"
    failing = [
        one
        for one in getattr(outcome.result, "results", [])
        if one.status in {"error", "fail", "runtime error"}
    ]
    if failing:
        lines = [_failure(one) for one in failing[:SHOWN_FAILURES]]
        more = [f"and {len(failing) - SHOWN_FAILURES} more"] * (len(failing) > SHOWN_FAILURES)
        return "\n".join([f"{command}: {len(failing)} failed", *lines, *more])
    reason = str(outcome.exception).strip() if outcome.exception else "; ".join(watch.errors)
    return f"{command}: {reason or 'failed without a reason'}"


def _failure(result: Any) -> str:
    node = result.node
    about = sorted({unique_id.split(".")[-1] for unique_id in node.depends_on.nodes if _is_table(unique_id)})
    on = f" on {', '.join(about)}" if node.resource_type == "test" and about else ""
    rows = f" ({result.failures} rows)" if result.failures else ""
    message = " ".join(str(result.message or "").split())
    return f"{node.resource_type} {node.name}{on}: {result.status}{rows}: {message}"


def _is_table(unique_id: str) -> bool:
    return unique_id.startswith(("model.", "source."))
