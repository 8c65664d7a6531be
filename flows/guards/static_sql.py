"""The static check of compiled SQL: no model may use what was not known, whatever way it is written.

Each query is read from the inside out. A column carries what must be known for it (every use of a dated table
among that), a stamp carries what is surely past by then, and joins add what is never later than what. At the
end of a model all that its rows need must be past at their `known_at`; what is not is a leak, and is called
by the way it came in. Windows that reach ahead need what they reach, and only a stamp of the same reach
covers it: so labels pass, and so does a frame that looks forward among the rows of one instant. Calendars
and the study need nothing, since they are laid down in advance.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from flows.guards import static_sql_rules as rules
from flows.guards.findings import Finding
from flows.guards.static_sql_facts import KNOWN, Rel, Table, Token, as_named, export, source
from flows.guards.static_sql_names import name_of
from flows.guards.static_sql_scopes import Reader, Unresolved

GUARD = "static_sql"
EXCEPTIONS = Path(__file__).parent / "exceptions.yml"
EXPOSURES = "target_exposures"

# What each step reads and writes; a test reads the same from flows/pipeline.py.
STEPS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "learn": (
        (
            "strategies",
            "walk_forward_windows",
            "examples",
            "readings",
            "decision_returns",
            "assets",
            "decisions",
        ),
        (
            "steps.forecasts",
            "steps.fitted_models",
            "steps.feature_importances",
            "steps.tuning_trials",
            "steps.cpcv_metrics",
            "steps.regimes",
        ),
    ),
    "weigh": (
        (
            "strategies",
            "assets",
            "clocks",
            "booked_pnl",
            "walk_forward_windows",
            "positions",
            "window_metrics",
            "regimes",
        ),
        (
            "steps.trials",
            "steps.strategy_gates",
            "steps.overfit_metrics",
            "steps.strategy_weights",
            "steps.expected_returns",
            "steps.confidences",
            "steps.reality_checks",
            "steps.forecast_reliability",
            "steps.ensemble_exposures",
            "steps.ensemble_weights",
            "steps.weighting_regrets",
        ),
    ),
    "allocate": (
        (
            "clocks",
            "asset_costs",
            "assets",
            "marks",
            "decision_returns",
            "order_fills",
            "late_actions",
            "market_impacts",
            "data_quality",
            "market_conditions",
            "expected_returns",
            "regimes",
            "confidences",
        ),
        (
            "steps.target_exposures",
            "steps.weight_waterfall",
            "steps.allocation_log",
            "steps.stop_conditions",
            "steps.ablated_weights",
            "steps.constraint_prices",
            "steps.holdings_taken",
            "steps.risk_contributions",
        ),
    ),
}


@dataclass(frozen=True)
class ModelSql:
    """A model as dbt compiled it: what it reads (models, and sources as `schema.table`), how it is built."""

    sql: str
    reads: tuple[str, ...] = ()
    materialized: str = "table"


@dataclass(frozen=True)
class Undecided:
    """A place that nobody can decide from the text alone."""

    place: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{GUARD}: {self.place}:{self.line}: undecided: {self.reason}"


@dataclass(frozen=True)
class Exempt:
    """One use of a table in a model, or so many, that is honest though the text alone cannot show it.

    It stands only while the model holds to the conditions in `provided`, whose columns are named by the
    table they come from.
    """

    model: str
    leak: str
    table: str
    reason: str
    provided: tuple[str, ...] = ()
    uses: int = 1

    def covers(self, model: str, leak: str, table: str, conditions: Collection[str]) -> bool:
        """Whether it speaks of that use, and still holds."""
        return (self.model, self.leak, self.table) == (model, leak, table) and set(self.provided) <= set(
            conditions
        )


@dataclass(frozen=True)
class Report:
    """What was looked at, found, left undecided, and let pass by a declared exception."""

    findings: list[Finding] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    exempted: list[Exempt] = field(default_factory=list)


def check_models(
    models: Mapping[str, ModelSql],
    sources: Mapping[str, Iterable[str]],
    *,
    only: Iterable[str] | None = None,
    exceptions: Iterable[Exempt] | None = None,
) -> Report:
    """Findings in compiled models, in order of lineage.

    `models` by name; `sources` has the columns of each table that Python writes, by `schema.table`. With
    `only`, the other models are read for their shape alone. Raises ValueError where models read in a circle.
    """
    allowed = list(declared() if exceptions is None else exceptions)
    wanted = set(models if only is None else only)
    tables = {name: source(name, columns) for name, columns in sources.items()}
    report = Report()
    known = {name: [r for r in model.reads if r in models] for name, model in models.items()}
    for name in TopologicalSorter(known).static_order():
        table, findings, undecided, used = _checked(name, models[name], tables, allowed)
        tables[name] = table
        if name in wanted:
            report.findings.extend(findings)
            report.undecided.extend(undecided)
            report.looked_at.append(name)
            report.exempted.extend(used)
    return report


def check_signal(
    name: str, sql: str, models: Mapping[str, ModelSql], sources: Mapping[str, Iterable[str]]
) -> Report:
    """Findings in the compiled SQL of one signal's macro; `models` are those it may read, and theirs."""
    place = f"signal {name}"
    reads = tuple(sorted({table.name for table in _parsed(sql).find_all(exp.Table)} & set(models)))
    whole = {**{one: models[one] for one in upstream(reads, models)}, place: ModelSql(sql, reads)}
    return check_models(whole, sources, only=[place])


def compiled(manifest: Any) -> tuple[dict[str, ModelSql], dict[str, list[str]]]:
    """Models and source columns of dbt's manifest after `dbt compile`, as `check_models` takes them.

    Raises ValueError for a model that was not compiled.
    """
    sources = {key: f"{node.schema}.{node.name}" for key, node in manifest.sources.items()}
    columns = {sources[key]: list(node.columns) for key, node in manifest.sources.items()}
    nodes = {key: node for key, node in manifest.nodes.items() if node.resource_type == "model"}
    missing = sorted(node.name for node in nodes.values() if not node.compiled_code)
    if missing:
        raise ValueError(f"not compiled: {', '.join(missing)}")
    models = {}
    for node in nodes.values():
        reads = [
            sources.get(key) or nodes[key].name
            for key in node.depends_on.nodes
            if key in sources or key in nodes
        ]
        models[node.name] = ModelSql(node.compiled_code, tuple(reads), str(node.config.materialized))
    return models, columns


def upstream(targets: Iterable[str], models: Mapping[str, ModelSql]) -> list[str]:
    """The models that `targets` (models or step tables) stand on, themselves among them, steps passed."""
    written = {table: reads for reads, tables in STEPS.values() for table in tables}
    found: set[str] = set()
    waiting = list(targets)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += written.get(name, ()) if name not in models else models[name].reads
    return sorted(found & set(models))


def declared(path: Path = EXCEPTIONS) -> list[Exempt]:
    """The declared exceptions for SQL."""
    entries = yaml.safe_load(path.read_text("utf-8"))["sql"]
    return [Exempt(**{**entry, "provided": tuple(entry["provided"])}) for entry in entries]


def _parsed(sql: str) -> exp.Expr:
    return parse_one(sql, dialect="duckdb")


def _checked(
    name: str, model: ModelSql, tables: Mapping[str, Table], allowed: list[Exempt]
) -> tuple[Table, list[Finding], list[Undecided], list[Exempt]]:
    reader = Reader(name, tables)
    try:
        rel = reader.query(_parsed(model.sql), {})
    except Unresolved as unresolved:
        reader.doubt(unresolved.node, f"cannot be resolved: {unresolved}")
        rel = Rel({})
    except SqlglotError as error:
        reader.undecided[None, f"cannot be parsed: {str(error).splitlines()[0]}"] = None
        rel = Rel({})
    if model.materialized == "incremental":
        reader.found["build_state", None, "an incremental model keeps what an earlier run built"] = None
    rules.finish(reader)
    table, rows, columns = export(name, [rel])
    used: dict[Exempt, set[Token]] = {}
    for token, column in _open(table, rows, columns):
        stamp = rel.columns.get("known_at")
        leak, line, evidence = name_of(reader, token, stamp)
        about = (name, leak, reader.seen[token.path[-1]].table, reader.conditions)
        fitting = (one for one in allowed if one.covers(*about))
        exempt = next((one for one in fitting if len(used.get(one, set()) | {token}) <= one.uses), None)
        if exempt is not None:
            used.setdefault(exempt, set()).add(token)
        else:
            where = f" (in {column})" if column else ""
            reader.found[leak, line, evidence + where] = None
    if reader.found or reader.undecided:
        table = as_named(table)
    findings = {(leak, line): evidence for leak, line, evidence in reversed(reader.found)}
    return (
        table,
        [
            Finding(GUARD, leak, name, evidence, line)
            for (leak, line), evidence in sorted(findings.items(), key=str)
        ],
        [Undecided(name, line, reason) for line, reason in reader.undecided],
        list(used),
    )


def _open(table: Table, rows: set[Token], columns: Mapping[str, set[Token]]) -> Iterable[tuple[Token, str]]:
    """What no stamp covers; in a table without one, only what would be a leak under any."""
    has_stamp = any(shape.kind == KNOWN and name == "known_at" for name, shape in table.columns.items())
    for token in sorted(rows, key=str):
        if has_stamp or token.column == "reach":
            yield token, ""
    for column, tokens in columns.items():
        for token in sorted(tokens, key=str):
            if (has_stamp or token.column == "reach") and token not in rows:
                yield token, column
