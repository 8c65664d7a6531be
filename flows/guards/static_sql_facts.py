"""What the static check knows of a column: how it lies in time, what must be known for it, and since when."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

# Kinds of column. The first five are points in time; ordinals and versions count along it.
KNOWN = "known"  # the instant at which a row could first be used
INSTANT = "instant"  # an instant laid down in advance: a decision, the edge of a window
EVENT = "event"  # the instant at which something happened: an open, a close
DATE = "date"  # a day, or the day of an event
UNTIL = "until"  # the instant at which the next row took this one's place
DAY = "day"  # an instant cut down to its day
ORDINAL = "ordinal"
VERSION = "version"
KEY = "key"
VALUE = "value"
STAMPS = {KNOWN, INSTANT, EVENT, UNTIL}
TIMES = STAMPS | {DATE, DAY}

UNSTAMPED = "~"  # stands for the stamp of rows that do not say when they were known

_NAMES = (
    (KNOWN, r"known_at|\w+_known_at|printed_at|reset_at"),
    (UNTIL, r"superseded_at|until_at"),
    (INSTANT, r"(\w+_)?decision_at|booked_at|as_of|embargo_at|(train|test|used)_(from|until)|"
              r"listed_at|from_at"),
    (EVENT, r"\w+_at"),
    (DATE, r"\w+_(date|session)|member_(from|until)|day|date"),
    (VERSION, r"version|batch_id|run_number|vintage|\w+_vintage|announcement"),
    (ORDINAL, r"(?!row_)\w+_number|window_id|block|episode"),
    (KEY, r"symbol|clock|plan|portfolio|strategy|venue|currency|signal|learner|detector|asset_class|kind|"
          r"seed|source|cost_schedule|span|sample|condition|run_id|vendor"),
)  # fmt: skip

# Tables that hold the study, its calendars and the runs: known in advance, within the bounds of a run.
STUDY = {
    *("raw.study", "raw.policies", "raw.runs", "raw.batches", "raw.assets", "raw.asset_vendors"),
}
# Of what a registration says, only this is told at an instant of its own.
TOLD_LATER = {"raw.assets": {"member_from": "known_at", "member_until": "known_at"}}
# Tables of which another column than known_at says when a row was known.
STAMPED_BY = {"raw.resets": "reset_at", "raw.holdings": "decision_at"}
# Steps whose every row is known at its decision.
DECIDED = {
    "steps.regimes", "steps.strategy_gates", "steps.overfit_metrics", "steps.strategy_weights",
    "steps.expected_returns", "steps.confidences", "steps.target_exposures", "steps.weight_waterfall",
    "steps.allocation_log", "steps.stop_conditions", "steps.reality_checks", "steps.forecast_reliability",
    "steps.ensemble_exposures", "steps.ensemble_weights",
    "steps.weighting_regrets", "steps.ablated_weights", "steps.constraint_prices",
    "steps.risk_contributions", "steps.holdings_taken",
}  # fmt: skip

# What one column of a row tells of another: the later, and the earlier. Tests on the rows hold each of them.
NEVER_LATER = (
    ("known_at", "decision_at"),
    ("known_at", "embargo_at"),  # of a window, which is known as its test span begins
    ("version_known_at", "known_at"),  # of the bars that a vintage publishes
)

Path = tuple[int, ...]


@dataclass(frozen=True)
class Token:
    """A column of one use of a table: what is read there must be known, and its stamp says when it is.

    `path` leads from the outermost query to the use; `reach` is how many rows a window looks ahead.
    """

    path: Path
    column: str
    reach: float = 0

    def within(self, use: int, since: int) -> "Token":
        """The same token, seen from a query around its own; uses older than `since` stand there already."""
        return self if self.path[0] < since else replace(self, path=(use, *self.path))


Tokens = frozenset[Token]
Edge = tuple[Tokens, Token]  # once all of the first are past, so is the second
NONE: Tokens = frozenset()


@dataclass(frozen=True)
class Col:
    """A column of a query.

    `axis` is +1 where it rises with time, -1 where it falls, 0 where it does neither and None where nobody
    can say. `needs` must be known for the value to be; `least` is surely past at an instant that the column
    tells; `edges` hold where it is true. `ident` is the column it is another name of; `names` are the
    columns of tables that it was computed from; `early` is the leak if it is used as a stamp.
    """

    axis: int | None = 0
    kind: str = VALUE
    needs: Tokens = NONE
    least: Tokens = NONE
    edges: frozenset[Edge] = frozenset()
    ident: Token | None = None
    names: frozenset[str] = frozenset()
    early: str | None = None
    is_max: bool = False

    def within(self, use: int, since: int) -> "Col":
        """The same column, seen from a query around its own."""
        return replace(
            self,
            needs=_within(self.needs, use, since),
            least=_within(self.least, use, since),
            edges=_edges_within(self.edges, use, since),
            ident=self.ident.within(use, since) if self.ident else None,
        )


def _within(tokens: Tokens, use: int, since: int) -> Tokens:
    return frozenset(token.within(use, since) for token in tokens)


def _edges_within(edges: Iterable[Edge], use: int, since: int) -> frozenset[Edge]:
    return frozenset((_within(high, use, since), low.within(use, since)) for high, low in edges)


@dataclass(frozen=True)
class Shape:
    """A column of a table or of a finished query, as its readers see it.

    `guard` is the column that says when the value was known, None where it always was; `earlier` are columns
    of the same row that are never later than it.
    """

    axis: int | None
    kind: str
    guard: str | None
    earlier: frozenset[str] = frozenset()
    is_max: bool = False
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """A source, a model or a finished union: its columns, and the column that says when a row was known."""

    name: str
    columns: Mapping[str, Shape]
    guard: str | None


@dataclass
class Rel:
    """The rows of a query, or of one use of a table: columns, and what must be known for rows to exist."""

    columns: dict[str, Col]
    row: Tokens = NONE
    edges: frozenset[Edge] = frozenset()
    definition: str = ""
    table: Table | None = None
    since: int = 0


def kind_of(name: str) -> str:
    """The kind of a column that only its name tells of."""
    return next((kind for kind, pattern in _NAMES if re.fullmatch(pattern, name)), VALUE)


def axis_of(kind: str) -> int:
    """Whether columns of a kind rise with time."""
    return 0 if kind in {KEY, VALUE} else 1


def source(name: str, columns: Iterable[str]) -> Table:
    """The shape of a table that Python writes."""
    names = list(columns)
    is_study = name in STUDY
    stamp = STAMPED_BY.get(name, "known_at")
    guard = None if is_study else stamp if stamp in names else UNSTAMPED
    told_later = TOLD_LATER.get(name, {})
    shapes = {}
    for column in names:
        kind = kind_of(column)
        earlier = {"known_at"} if name in DECIDED and column == "decision_at" else set()
        shapes[column] = Shape(
            axis_of(kind), kind, told_later.get(column, guard), frozenset(earlier), names=_named(name, column)
        )
    return Table(name, shapes, guard)


def _named(table: str, column: str) -> frozenset[str]:
    return frozenset({f"{table}.{column}"})


def use(table: Table, number: int) -> Rel:
    """One use of a table in a query."""

    def token(column: str) -> Token:
        return Token((number,), column)

    columns = {}
    for name, shape in table.columns.items():
        earlier = {name, *shape.earlier}
        earlier |= {low for high, low in NEVER_LATER if high == name and low in table.columns}
        columns[name] = Col(
            axis=shape.axis,
            kind=shape.kind,
            needs=frozenset({token(shape.guard)}) if shape.guard else NONE,
            least=frozenset(map(token, earlier)) if shape.kind in STAMPS else NONE,
            ident=token(name),
            names=_named(table.name, name),
            is_max=shape.is_max,
        )
    row = frozenset({token(table.guard)}) if table.guard else NONE
    return Rel(columns, row, definition=table.name, table=table)


def nested(rel: Rel, number: int) -> Rel:
    """One use of a common table expression or subquery."""
    columns = {}
    for name, col in rel.columns.items():
        seen = col.within(number, rel.since)
        if seen.ident is None:
            fresh = Token((number,), name)
            least = seen.least | {fresh} if seen.kind in STAMPS else NONE
            seen = replace(seen, ident=fresh, least=least)
        columns[name] = seen
    return Rel(
        columns,
        _within(rel.row, number, rel.since),
        _edges_within(rel.edges, number, rel.since),
        rel.definition,
        rel.table,
    )


def past(stamps: Tokens, edges: Iterable[Edge]) -> set[Token]:
    """All that is surely past once `stamps` are."""
    found, waiting = set(stamps), list(edges)
    while True:
        fresh = {low for high, low in waiting if low not in found and high <= found}
        if not fresh:
            return found
        found |= fresh


def missing(needs: Tokens, reached: set[Token]) -> set[Token]:
    """What must be known and is not surely past; a window's stamp covers what the window reaches."""
    reaches: dict[tuple[Path, str], float] = {}
    for token in reached:
        key = (token.path, token.column)
        reaches[key] = max(reaches.get(key, 0), token.reach)
    return {token for token in needs if reaches.get((token.path, token.column), -1) < token.reach}


def export(name: str, rels: list[Rel]) -> tuple[Table, set[Token], dict[str, set[Token]]]:
    """A finished query as a table, what no stamp covers in its rows, and what none covers in its columns.

    `rels` are the branches of a union, or the one query there is; columns are matched by name.
    """
    shapes: dict[str, Shape] = {}
    rows_open: set[Token] = set()
    open_: dict[str, set[Token]] = {}
    first = rels[0].columns
    stamps = [c for c in first if any(r.columns[c].kind == KNOWN for r in rels if c in r.columns)]
    main = "known_at" if "known_at" in first else None
    stamps = [main, *stamps] if main and main not in stamps else stamps
    guards: dict[str, set[str]] = {column: set() for column in first}
    row_guards: set[str] = set()
    earlier: dict[str, list[set[str]]] = {column: [] for column in first}
    for rel in rels:
        reached = {c: past(_stamp(rel, c), rel.edges) for c in stamps if c in rel.columns}
        if main in reached and "decision_at" in rel.columns:
            # Nothing is known before its decision: that is tested on the rows themselves.
            reached[main] = past(_stamp(rel, main) | rel.columns["decision_at"].least, rel.edges)
        rest = _guard(rel.row, reached, row_guards)
        rows_open |= rest
        for column, col in rel.columns.items():
            if col.kind == UNTIL:
                guards.setdefault(column, set()).update({main} if main and rel.row else set())
                continue
            needs = col.needs if main is None else col.needs | rel.row
            open_.setdefault(column, set()).update(
                _guard(needs, reached, guards.setdefault(column, set())) - rest
            )
        for column, col in rel.columns.items():
            if col.kind not in STAMPS:
                continue
            at_least = reached.get(column) or past(col.least, rel.edges)
            below = {c for c, other in rel.columns.items() if other.ident and other.ident in at_least}
            if column == main and "decision_at" in rel.columns:
                below.add("decision_at")
            earlier.setdefault(column, []).append(below - {column})
    for column, col in first.items():
        guard = next(iter(sorted(guards[column], key=lambda c: (c != "known_at", c))), None)
        if guard is None and open_.get(column):
            guard = UNSTAMPED
        below = set.intersection(*earlier[column]) if earlier[column] else set()
        kind, axis = KNOWN if column in stamps else col.kind, col.axis
        if any(rel.columns[column].axis != axis for rel in rels if column in rel.columns):
            axis = next((r.columns[column].axis for r in rels if r.columns[column].axis), axis)
        shapes[column] = Shape(
            axis,
            kind,
            guard,
            frozenset(below),
            any(r.columns[column].is_max for r in rels if column in r.columns),
        )
    row_guard = next(iter(sorted(row_guards, key=lambda c: (c != "known_at", c))), None)
    if main is None and rows_open:
        row_guard = UNSTAMPED
    return Table(name, shapes, row_guard), rows_open, open_


def as_named(table: Table) -> Table:
    """The table as the names of its columns promise it: what leaks in it is not found again downstream."""
    stamps = frozenset(name for name in table.columns if kind_of(name) in STAMPS)
    guard = "known_at" if "known_at" in table.columns else None
    columns = {}
    settled_later = {"label", "status", "unit_return", "net_return", "target"} & table.columns.keys()
    for name, shape in table.columns.items():
        kind = kind_of(name)
        is_late = kind == KNOWN or (name == "decision_at" and not settled_later)
        earlier = stamps - {name} if is_late else shape.earlier
        columns[name] = Shape(axis_of(kind), kind, guard if shape.guard else None, earlier)
    return Table(table.name, columns, guard if table.guard else None)


def _stamp(rel: Rel, column: str) -> Tokens:
    return rel.columns[column].least


def _guard(needs: Tokens, reached: dict[str, set[Token]], guards: set[str]) -> set[Token]:
    """Notes in `guards` the first stamp that covers what is needed; returns what the best of them leaves."""
    if not needs:
        return set()
    left = {column: missing(needs, there) for column, there in reached.items()}
    if "known_at" in left:
        guards.add("known_at")
        return left["known_at"]
    for column, rest in left.items():
        if not rest:
            guards.add(column)
            return set()
    return set(needs)
