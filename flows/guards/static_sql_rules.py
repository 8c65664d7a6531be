"""Leaks that show where they stand, and what a leak through a join is called."""

import re
from collections.abc import Callable, Mapping

from sqlglot import exp

from flows.guards.static_sql_facts import (
    DATE,
    DAY,
    EVENT,
    INSTANT,
    KNOWN,
    NONE,
    ORDINAL,
    UNTIL,
    VERSION,
    Col,
    Token,
    Tokens,
    kind_of,
)
from flows.guards.static_sql_names import HELD, PROFITS, last_name
from flows.guards.static_sql_scopes import Reader, Scope, Side, Use

Facts = Callable[[Reader, exp.Expr, Scope], Col]

CLOCKS = {
    "now", "today", "current_date", "current_timestamp", "current_time", "localtimestamp", "localtime",
    "current_localtimestamp", "current_localtime", "get_current_timestamp", "get_current_time",
    "transaction_timestamp", "age", "statement_timestamp",
}  # fmt: skip
CHANCES = {"random", "rand", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed", "nextval"}
EARNED = re.compile(r"(\w+_)?(return|label|target|pnl|profit|gross|net)")

# Where a row is read under the stamp of a decision, and must not be older than the study allows.
FRESH = {"readings": "signals", "examples": "decision_bars"}


def clock(reader: Reader, node: exp.Expr, name: str) -> None:
    """No model reads a clock or throws dice."""
    name = {"currentdate": "current_date", "currenttimestamp": "current_timestamp"}.get(name, name)
    if name in CLOCKS and not (name == "age" and len(node.expressions) > 1):
        reader.note("loader_clock", node, f"{name}() tells when the model is built, not when a row was known")
    elif name in CHANCES:
        reader.note("build_state", node, f"{name}() gives another answer at each build")


def added(reader: Reader, node: exp.Expr, left: Col, right: Col, scope: Scope) -> None:
    """Sums and differences that show a leak."""
    if isinstance(node, exp.Add) and not _is_zoned(node):
        names = {column.name.lower() for column in node.find_all(exp.Column)}
        if any(name.startswith("time_of") for name in names) and (left.kind == DATE or right.kind == DATE):
            reader.note("time_zone", node, f"a local time taken for UTC: {node.sql('duckdb')}")
    if isinstance(node, exp.Sub) and _is_end(node.this):
        reader.note("anchored_at_end", node, f"counted back from the end: {node.sql('duckdb')}")


def _is_zoned(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Cast):
        parent = parent.parent
    return isinstance(parent, exp.AtTimeZone) or (
        isinstance(parent, exp.Anonymous) and parent.name.lower() == "timezone"
    )


def _is_end(node: exp.Expr) -> bool:
    """Whether an expression is the last number or instant of a table or of the run."""
    node = node.unnest()
    if isinstance(node, exp.Subquery | exp.Select):
        return any(_is_end(part.unalias()) for part in node.unnest().expressions)
    if isinstance(node, exp.Window):
        return not node.args.get("order") and _is_end(node.this)
    if isinstance(node, exp.Max):
        return any(kind_of(column.name) in {ORDINAL, INSTANT, DATE} for column in node.find_all(exp.Column))
    return False


# Comparisons


def equal(reader: Reader, node: exp.Expr, left: Side, right: Side) -> None:
    """What an equality between two tables says of the one that lies later."""
    one, other = _use(reader, left.col), _use(reader, right.col)
    shift = left.shift - right.shift
    if one is None or other is None or one is other:
        return
    if left.col.axis and right.col.axis and shift:
        later, earlier = (one, other) if shift < 0 else (other, one)
        later.tags.add("forward")
        earlier.tags.add("backward")
        if later.tables & HELD and earlier.tables & PROFITS:
            reader.note("early_fill", node, f"held only after the return began: {node.sql('duckdb')}")
    if last_name(left.col) == last_name(right.col) == "symbol":
        one.tags.add("symbol=")
        other.tags.add("symbol=")
    if {left.col.kind, right.col.kind} <= {DATE, DAY}:
        one.tags.add("date=")
        other.tags.add("date=")
    _dates(reader, node, left.col, right.col, is_equal=True)


def ordered(reader: Reader, node: exp.Expr, low: Side, high: Side, is_strict: bool) -> None:
    """What an inequality says of the side that lies later."""
    one, other = _use(reader, low.col), _use(reader, high.col)
    if one is not None and other is not None and one is not other and low.col.axis and high.col.axis:
        is_recent = high.col.kind == KNOWN and low.col.kind != KNOWN and low.shift < 0
        other.tags.add("recent" if is_recent else "forward")
        one.tags.add("backward")
        if low.col.kind in {DATE, DAY, EVENT}:
            one.tags.add("date<=")
        if low.col.kind == KNOWN and (high.shift > 0 or low.shift < 0):
            one.tags.add("allowance")
    elif one is not None and one is other and high.col.kind == KNOWN and low.shift < 0:
        one.tags.add("recent")
    _dates(reader, node, low.col, high.col, is_equal=False)
    _half_open(reader, node, low.col, high, is_strict)
    _first_session(reader, node, low, high)


def _use(reader: Reader, col: Col) -> Use | None:
    return reader.seen[col.ident.path[0]] if col.ident else None


def _dates(reader: Reader, node: exp.Expr, low: Col, high: Col, *, is_equal: bool) -> None:
    """An instant cut down to its day compares with the day of an event: what came later that day is in."""
    kinds = {low.kind, high.kind}
    if DAY not in kinds or not kinds <= {DAY, DATE, EVENT, INSTANT, KNOWN}:
        return
    if not low.names or not high.names:
        return
    is_fill = low.kind == DAY and high.kind == DATE and not is_equal
    leak = "early_fill" if is_fill else "event_time"
    reader.note(leak, node, f"an instant cut down to its day: {node.sql('duckdb')}")


def _half_open(reader: Reader, node: exp.Expr, low: Col, high: Side, is_strict: bool) -> None:
    """The upper edge of a span is outside it."""
    name = last_name(high.col)
    if (
        name is None
        or (is_strict and name not in {"test_until", "test_until_number"})
        or low.kind not in {INSTANT, ORDINAL}
    ):
        return
    if re.fullmatch(r"(train|test|used)_until(_number)?|test_from(_number)?", name) and last_name(low) in {
        "decision_at", "decision_number",
    }:  # fmt: skip
        if is_strict and not _trains(node):
            return
        reader.note("test_in_train", node, f"a span is open at its upper edge: {node.sql('duckdb')}")


def _trains(node: exp.Expr) -> bool:
    """Whether a condition says what a learner may be shown."""
    at: exp.Expr | None = node
    while at is not None and not isinstance(at, exp.Select):
        if isinstance(at, exp.Alias):
            return at.alias.lower() in {"is_train", "is_to_learn"}
        at = at.parent
    return False


def _first_session(reader: Reader, node: exp.Expr, low: Side, high: Side) -> None:
    """An order is filled in a session from its rebalance date on, never in one before."""
    if last_name(high.col) == "rebalance_date" and last_name(low.col) == "session_date" and _joins(node):
        reader.note("early_fill", node, f"a session before the rebalance date: {node.sql('duckdb')}")
    if last_name(low.col) == "rebalance_date" and low.shift < 0 and last_name(high.col) == "session_date":
        reader.note("early_fill", node, f"a session before the rebalance date: {node.sql('duckdb')}")


def _joins(node: exp.Expr) -> bool:
    return node.find_ancestor(exp.Join, exp.Select).__class__ is exp.Join


# Conditions


def kept(reader: Reader, node: exp.Expr, scope: Scope, fact: Facts) -> None:
    """Rows may not be kept or dropped by how they turned out, nor by being the last word."""
    inner = node.this.unnest() if isinstance(node, exp.Not) else node
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null) and not isinstance(node, exp.Not):
        col = fact(reader, inner.this, scope)
        if col.kind == UNTIL:
            leak = "survivorship" if "member" in str(col.names) else "restated_value"
            reader.note(leak, node, f"only what nothing later took the place of: {node.sql('duckdb')}")
    if isinstance(inner, exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Between | exp.NEQ):
        parts = list(inner.iter_expressions())
        if not any(isinstance(part.unnest(), exp.Literal | exp.Neg) for part in parts):
            return
        for part in parts:
            bare = part.unnest()
            bare = bare.this.unnest() if isinstance(bare, exp.Abs) else bare
            if (isinstance(bare, exp.Column) and EARNED.fullmatch(bare.name.lower())) and (
                fact(reader, bare, scope).needs
            ):
                reader.note(
                    "optimistic_fill", node, f"rows chosen by how they turned out: {node.sql('duckdb')}"
                )


# The latest


def latest(reader: Reader, node: exp.Expr, cols: list[Col], scope: Scope) -> None:
    """The latest version of what was landed must be bounded by what the run may see."""
    is_pick = isinstance(node, exp.ArgMax) and len(cols) > 1 and cols[1].kind == VERSION
    if is_pick or (isinstance(node, exp.Max) and cols and cols[0].kind == VERSION and cols[0].axis == 1):
        unbounded(reader, node, scope)


def unbounded(reader: Reader, node: exp.Expr, scope: Scope) -> None:
    """Notes a choice of the latest version among rows that nothing bounds."""
    tables = {rel.table.name for _, rel in scope.uses.values() if rel.table}
    if tables <= {"raw.runs"} and tables:
        return
    for held in scope.held:
        if isinstance(held, exp.LTE | exp.LT | exp.GTE | exp.GT | exp.Between):
            columns = [column.name.lower() for column in held.find_all(exp.Column)]
            if any(kind_of(column) in {VERSION, KNOWN, INSTANT} for column in columns) and len(columns) > 1:
                return
    reader.note("restated_value", node, f"the latest of all, whenever it came: {node.sql('duckdb')}")


def picked(reader: Reader, node: exp.Select, order: exp.Expr | None, scope: Scope, fact: Facts) -> Tokens:
    """What `limit` and `distinct on` need beyond their rows: the last of all must be bounded."""
    distinct = node.args.get("distinct")
    if node.args.get("limit") is None and (distinct is None or distinct.args.get("on") is None):
        return NONE
    if order is None:
        reader.note("build_state", node, "which rows are taken depends on how they happen to lie")
        return NONE
    on = distinct.args["on"].expressions if distinct is not None and distinct.args.get("on") else []
    for part in order.expressions:
        if isinstance(part.this, exp.Var):
            return NONE
        if part.this in on:
            continue
        col = fact(reader, part.this, scope)
        if col.axis is None:
            reader.doubt(part, f"whether {part.sql('duckdb')} rises or falls with time")
            return NONE
        if not col.axis:
            continue
        if (-col.axis if part.args.get("desc") else col.axis) == 1:
            return NONE
        if not scope.row:
            if col.kind == VERSION:
                unbounded(reader, node, scope)
            return NONE
        if _is_bounded(scope):
            return NONE
        number = reader.number("latest", f"~latest {id(node)}", part)
        reader.seen[number].leak = "restated_value" if col.kind == VERSION else "looks_ahead"
        reader.seen[number].evidence = f"the latest of all: {part.sql('duckdb')}"
        return frozenset({Token((number,), "reach", 1)})
    return NONE


def _is_bounded(scope: Scope) -> bool:
    """Whether the rows are those known by an instant of a row outside, or of another table beside."""
    mine = {number for number, _ in scope.uses.values()}
    return any(
        low.path[0] in mine and low.column.endswith("known_at") and all(h.path[0] not in mine for h in high)
        for high, low in scope.edges
    )


# Whole selects


def select(reader: Reader, node: exp.Select, columns: Mapping[str, Col], scope: Scope) -> None:
    """Leaks in the columns that a select gives."""
    for part in node.expressions:
        name = part.alias_or_name.lower()
        if (name == "fill_price" and not isinstance(part.unalias(), exp.Column)) and (
            {"high", "low"} & {column.name.lower() for column in part.find_all(exp.Column)}
        ):
            reader.note("optimistic_fill", part, f"a fill between prices: {part.unalias().sql('duckdb')}")
    if node.args.get("sample") is not None or any(
        table.args.get("sample") is not None for table in node.find_all(exp.Table)
    ):
        reader.note("build_state", node, "another sample of the rows at each build")
    if any(rel.table and rel.table.name == "labels" for _, rel in scope.uses.values()):
        _labels(reader, node, columns)
    if "embargo_at" in columns and (placed := _placing(node, scope)) is not None:
        columns_ = {column.name.lower() for held in placed for column in held.find_all(exp.Column)}
        if "embargo" not in columns_:
            reader.note("no_purge", node, "embargo_at is placed without the embargo")


def _placing(node: exp.Select, scope: Scope) -> list[exp.Expr] | None:
    """The conditions that place the table from which `embargo_at` comes; None where it is passed on."""
    part = next((e for e in node.expressions if e.alias_or_name.lower() == "embargo_at"), None)
    bare = part.unalias() if part is not None else None
    if not isinstance(bare, exp.Column) or bare.name.lower() == "embargo_at":
        return None
    return [held for held in scope.held if any(c.table == bare.table for c in held.find_all(exp.Column))]


def finish(reader: Reader) -> None:
    """Leaks that show once a whole model is read."""
    table = FRESH.get(reader.model)
    for use in list(reader.seen.values()):
        if use.table == table and "recent" not in use.tags:
            evidence = f"a row of {table} may be of any age under a fresh stamp"
            reader.found["filled_forward", use.line, evidence] = None
        if use.table == "labels" and reader.model == "examples" and "by:embargo_at" not in use.tags:
            is_late = any(tag.startswith("by:test_until") for tag in use.tags)
            leak = "test_in_train" if is_late else "no_purge"
            reader.found[leak, use.line, "labels not bounded by the embargo"] = None


def _labels(reader: Reader, node: exp.Select, columns: Mapping[str, Col]) -> None:
    if reader.model != "examples":
        return
    for part in node.expressions:
        name = part.alias_or_name.lower()
        if name in {"label", "normalised_label", "label_known_at", "target", "is_train", "*"}:
            continue
        if any(n.startswith("labels.") for n in columns.get(name, Col()).names):
            reader.note("target_in_features", part, f"the label reaches {name}")
