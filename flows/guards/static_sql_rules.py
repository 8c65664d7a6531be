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
    STAMPS,
    UNTIL,
    VERSION,
    Col,
    Rel,
    Token,
    Tokens,
    kind_of,
)
from flows.guards.static_sql_scopes import Reader, Scope, Side, Use

Facts = Callable[[Reader, exp.Expr, Scope], Col]

CLOCKS = {
    "now", "today", "current_date", "current_timestamp", "current_time", "localtimestamp", "localtime",
    "current_localtimestamp", "current_localtime", "get_current_timestamp", "get_current_time",
    "transaction_timestamp", "age", "statement_timestamp",
}  # fmt: skip
CHANCES = {"random", "rand", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed", "nextval"}
EARNED = re.compile(r"(\w+_)?(return|label|target|pnl|profit|gross|net)")
PROFITS = {"order_returns", "order_fills", "order_exits", "strategy_pnl", "in_sample_pnl", "window_metrics",
           "span_sums", "block_sums", "settled_spans", "portfolio_returns"}  # fmt: skip
HELD = {"positions", "scores", "readings", "forecasts", "steps.forecasts"}

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
    if _last(left.col) == _last(right.col) == "symbol":
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
    """An instant cut down to its day compares with the day of an event: whatever came later that day is in."""
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
    name = _last(high.col)
    if (
        name is None
        or (is_strict and name not in {"test_until", "test_until_number"})
        or low.kind not in {INSTANT, ORDINAL}
    ):
        return
    if re.fullmatch(r"(train|test|used)_until(_number)?|test_from(_number)?", name) and _last(low) in {
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
    if _last(high.col) == "rebalance_date" and _last(low.col) == "session_date" and _joins(node):
        reader.note("early_fill", node, f"a session before the rebalance date: {node.sql('duckdb')}")
    if _last(low.col) == "rebalance_date" and low.shift < 0 and _last(high.col) == "session_date":
        reader.note("early_fill", node, f"a session before the rebalance date: {node.sql('duckdb')}")


def _joins(node: exp.Expr) -> bool:
    return node.find_ancestor(exp.Join, exp.Select).__class__ is exp.Join


def _last(col: Col) -> str | None:
    if col.ident is not None:
        return col.ident.column
    names = {name.split(".")[-1] for name in col.names}
    return names.pop() if len(names) == 1 else None


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
            if isinstance(bare, exp.Column) and EARNED.fullmatch(bare.name.lower()):
                if fact(reader, bare, scope).needs:
                    reader.note(
                        "optimistic_fill", node, f"rows chosen by how they turned out: {node.sql('duckdb')}"
                    )


def join(reader: Reader, node: exp.Join, scope: Scope) -> None:
    """What `using` and natural joins make equal."""
    using = [part.name.lower() for part in node.args.get("using") or []]
    alias = node.this.alias_or_name.lower()
    if not using or alias not in scope.uses:
        return
    mine = scope.uses[alias][1].columns
    if node.args.get("method") == "ASOF":
        using, last = using[:-1], using[-1]
        for name, (_, rel) in scope.uses.items():
            if name != alias and last in rel.columns and last in mine:
                low, high = mine[last], rel.columns[last]
                if high.ident:
                    scope.edges |= {(frozenset({high.ident}), token) for token in low.least}
                if low.kind in {DATE, DAY, EVENT}:
                    reader.seen[scope.uses[alias][0]].tags.add("date<=")
    for column in using:
        for name, (_, rel) in scope.uses.items():
            one, other = rel.columns.get(column), mine.get(column)
            if name != alias and one and other and one.ident and other.ident:
                scope.unite(one.ident, other.ident)
                scope.edges |= {(frozenset({one.ident}), token) for token in other.least}
                scope.edges |= {(frozenset({other.ident}), token) for token in one.least}
                if one.kind == DATE:
                    reader.seen[scope.uses[alias][0]].tags.add("date=")


def link(reader: Reader, scope: Scope) -> None:
    """What equalities between keys say of stamps: rows of one bar, and earlier rows of the same table."""
    _equal_stamps(scope)
    uses = list(scope.uses.values())
    for number, rel in uses:
        for other_number, other in uses:
            if number != other_number:
                _same_bar(reader, scope, rel, other)
                _earlier_row(reader, scope, (number, rel), (other_number, other))
    _two_vintages(reader, scope)
    for number, rel in uses:
        if rel.table is not None and rel.table.name in {"steps.forecasts", "forecasts"}:
            _forecasts(scope, rel)


def _equal_stamps(scope: Scope) -> None:
    for one, other in list(scope.same.items()):
        scope.edges |= {(frozenset({one}), other), (frozenset({other}), one)}


def _are_equal(scope: Scope, one: Rel, other: Rel, column: str) -> bool:
    left, right = one.columns.get(column), other.columns.get(column)
    return bool(
        left and right and left.ident and right.ident and scope.root(left.ident) == scope.root(right.ident)
    )


def _same_bar(reader: Reader, scope: Scope, rel: Rel, other: Rel) -> None:
    """A derived row of a bar is known when the bar is: whoever stands on the same bar covers it."""
    columns = rel.columns
    if (
        "session_date" not in columns
        or "decision_at" in columns
        or not _are_equal(scope, rel, other, "symbol")
    ):
        return
    stamp, date = columns.get("known_at"), columns["session_date"].ident
    if stamp is None or stamp.is_max or stamp.ident is None or date is None:
        return
    if "quarantined_bars" in reader.seen[stamp.ident.path[-1]].table:
        return
    if "version" in columns and not _says(scope, "version", "1"):
        return
    if "vintage" in columns and not (_says(scope, "is_own") or _is_shared(scope, columns["vintage"])):
        return
    for name, col in other.columns.items():
        if col.kind == DATE and col.ident and col.needs and name != "rebalance_date":
            if scope.root(col.ident) == scope.root(date) and stamp.ident not in col.needs:
                scope.edges.add((col.needs, stamp.ident))


def _says(scope: Scope, column: str, value: str | None = None) -> bool:
    for held in scope.held:
        if value is None and isinstance(held, exp.Column) and held.name.lower() == column:
            return True
        if value is not None and isinstance(held, exp.EQ) and held.right.name == value:
            if held.left.name.lower() == column:
                return True
    return False


def _is_shared(scope: Scope, col: Col) -> bool:
    root = scope.root(col.ident) if col.ident else None
    return root is not None and (root != col.ident or root in scope.same.values())


def _earlier_row(reader: Reader, scope: Scope, mine: tuple[int, Rel], theirs: tuple[int, Rel]) -> None:
    """An earlier row of the same table is known when the later one is, as in a window that looks back."""
    (number, rel), (other_number, other) = mine, theirs
    if not rel.definition or rel.definition != other.definition:
        return
    if "symbol" in rel.columns and not _are_equal(scope, rel, other, "symbol"):
        return
    if {"forward", "backward"} & reader.seen[number].tags != {"backward"}:
        return
    if {"forward", "backward"} & reader.seen[other_number].tags != {"forward"}:
        return
    needed = rel.row.union(*(col.needs for col in rel.columns.values()))
    for token in needed:
        if token.path[0] == number:
            later = Token((other_number, *token.path[1:]), token.column, token.reach)
            scope.edges.add((frozenset({later}), token))
    for name, col in rel.columns.items():
        their = other.columns[name]
        if col.kind in STAMPS and col.ident and their.ident:
            scope.edges.add((frozenset({their.ident}), col.ident))


def _two_vintages(reader: Reader, scope: Scope) -> None:
    uses = [
        (n, rel)
        for n, rel in scope.uses.values()
        if {"vintage", "close"} & rel.columns.keys() == {"vintage", "close"}
    ]
    for place, (number, rel) in enumerate(uses):
        for _, other in uses[place + 1 :]:
            if not _are_equal(scope, rel, other, "vintage"):
                use = reader.seen[number]
                reader.found[
                    "adjusted_price", use.line, f"prices of {use.table} from two vintages side by side"
                ] = None


def _forecasts(scope: Scope, rel: Rel) -> None:
    """A forecast is known at the later of its decision and its window."""
    stamp, decision = rel.columns.get("known_at"), rel.columns.get("decision_at")
    for _, other in scope.uses.values():
        if "test_from" in other.columns and _are_equal(scope, rel, other, "window_id"):
            window = other.columns["test_from"].ident
            if stamp and decision and window and stamp.ident and decision.ident:
                scope.edges.add((frozenset({window, decision.ident}), stamp.ident))


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
        if name == "fill_price" and not isinstance(part.unalias(), exp.Column):
            if {"high", "low"} & {column.name.lower() for column in part.find_all(exp.Column)}:
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


def name_of(reader: Reader, token: Token, stamp: Col | None) -> tuple[str, int, str]:
    """What a use that no stamp covers is called: the leak, its line, and the evidence."""
    uses = [reader.seen[number] for number in token.path]
    leaf = uses[-1]
    if leaf.leak is not None:
        return leaf.leak, leaf.line, leaf.evidence
    tags = set().union(*(use.tags for use in uses))
    if token.column == "membership_known_at":
        return "survivorship", leaf.line, "a membership used before it was known"
    place = uses[0] if uses[0].table in {"subquery", "union"} and len(uses) > 1 else leaf
    evidence = f"rows of {leaf.table} used before they were known"
    return _leak(reader, leaf, tags, stamp), place.line, evidence


def _leak(reader: Reader, leaf: Use, tags: set[str], stamp: Col | None) -> str:
    tables = leaf.tables
    if "labels" in tables:
        if reader.model != "examples":
            return "target_in_features"
        return "test_in_train" if any(t.startswith("by:test_until") for t in tags) else "no_purge"
    if "memberships" in tables or (tables <= {"raw.assets", "raw.study"} and tables):
        return "survivorship"
    if "scalar" in tags and "forward" in tags and "aggregated" not in tags:
        return "looks_ahead"
    if "aggregated" in tags or "scalar" in tags:
        if tables & PROFITS:
            return "chosen_by_result"
        return "survivorship" if "filter" in tags else "whole_sample"
    if "filter" in tags:
        return "survivorship"
    if stamp is not None and stamp.early:
        return stamp.early
    if stamp is not None and stamp.kind in {DATE, DAY}:
        return "event_time"
    if stamp is not None and stamp.kind == EVENT:
        return {"opened_at": "unfinished_bar"}.get(_last(stamp) or "", "loader_clock")
    if tables & HELD and "forward" in tags:
        return "early_fill"
    if "allowance" in tags:
        return "not_simultaneous"
    if "forward" in tags and not any(t.startswith("by:") for t in tags):
        return "looks_ahead"
    if tables & {"steps.forecasts", "forecasts"}:
        return "test_in_train"
    if tables & PROFITS:
        return "early_profit"
    if "date<=" in tags:
        return "event_time"
    if leaf.version_of is not None and "version" in leaf.version_of.columns:
        return "restated_value"
    return "not_simultaneous" if "date=" in tags and "symbol=" not in tags else "event_time"
