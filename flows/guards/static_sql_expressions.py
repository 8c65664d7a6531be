"""What the static check knows of an expression, put together from what it knows of its columns."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlglot import exp

from flows.guards import static_sql_rules as rules
from flows.guards.static_sql_facts import (
    DATE,
    DAY,
    INSTANT,
    KNOWN,
    NONE,
    STAMPS,
    TIMES,
    VALUE,
    Col,
    Edge,
    Rel,
    Token,
    Tokens,
    nested,
)
from flows.guards.static_sql_scopes import Reader, Scope, Side
from flows.guards.static_sql_windows import window

_COMPARED = {exp.LT: (0, True), exp.LTE: (0, False), exp.GT: (1, True), exp.GTE: (1, False)}
_RISING = (
    exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.IntDiv, exp.UnixSeconds, exp.TsOrDsToDate, exp.Ln, exp.Sqrt,
    exp.Exp, exp.ToNumber, exp.TimeToUnix, exp.Year,
)  # fmt: skip
_RISING_NAMES = {
    "epoch", "epoch_ms", "epoch_us", "epoch_ns", "divide", "to_timestamp", "year", "julian", "make_timestamp",
    "century", "decade",
}  # fmt: skip


def fact(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    """What is known of `node` among the rows of `scope`. Raises Unresolved for a name without a meaning."""
    kinds: tuple[Any, ...] = type(node).__mro__
    handler: Callable[[Reader, Any, Scope], Col] = next(
        (_HANDLERS[kind] for kind in kinds if kind in _HANDLERS), _mixed
    )
    return handler(reader, node, scope)


def holds(reader: Reader, node: exp.Expr, scope: Scope, *, is_needed: bool) -> None:
    """Takes down a condition that every row of `scope` meets; `is_needed` where it can remove rows."""
    col = fact(reader, node, scope)
    scope.edges |= col.edges
    if isinstance(node, exp.EQ | exp.NullSafeEQ):
        left, right = (fact(reader, side, scope) for side in (node.left, node.right))
        if left.ident and right.ident:
            scope.unite(left.ident, right.ident)
    scope.held.append(node)
    reader.held(node, scope)
    rules.kept(reader, node, scope, fact)
    if is_needed:
        scope.row |= col.needs


def _children(reader: Reader, nodes: Iterable[exp.Expr], scope: Scope) -> list[Col]:
    return [fact(reader, node, scope) for node in nodes]


def _all(cols: Iterable[Col]) -> tuple[Tokens, frozenset[str]]:
    cols = list(cols)
    return frozenset().union(*(c.needs for c in cols)), frozenset().union(*(c.names for c in cols))


_ROUND = (exp.Month, exp.Day, exp.DayOfWeek, exp.DayOfMonth, exp.Quarter, exp.Hour, exp.Mod)
_ROUND_NAMES = {
    "isodow",
    "dayofweek",
    "weekday",
    "month",
    "quarter",
    "hour",
    "dayname",
    "monthname",
    "weekofyear",
}


def _mixed(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    """Any function: it needs what its arguments need."""
    if isinstance(node, exp.DataType | exp.Var | exp.JSONPath):
        return Col()
    cols = _children(reader, node.iter_expressions(), scope)
    needs, names = _all(cols)
    timed = [c for c in cols if c.axis != 0]
    rises = isinstance(node, _RISING) or node.name.lower() in _RISING_NAMES
    axis = 0 if not timed else timed[0].axis if rises and len(timed) == 1 else None
    if isinstance(node, _ROUND) or node.name.lower() in _ROUND_NAMES:
        axis = 0  # the time of year, week or day, which comes round again
    return Col(axis=axis, needs=needs, names=names)


def _column(reader: Reader, node: exp.Column, scope: Scope) -> Col:
    if isinstance(node.this, exp.Star):
        return Col(needs=frozenset(scope.row))
    return reader.column(node, scope)


def _inner(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    return fact(reader, node.this, scope)


def _constant(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    return Col()


def _cast(reader: Reader, node: exp.Cast, scope: Scope) -> Col:
    col = fact(reader, node.this, scope)
    if node.to.is_type("date") and col.kind in STAMPS:
        return replace(col, kind=DAY, least=NONE, ident=None, early=_event(col))
    if node.to.is_type("timestamp", "timestampntz", "timestamptz", "date") or col.kind not in TIMES:
        return col
    return replace(col, kind=VALUE, least=NONE)


def _truncated(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    col = fact(reader, node.this, scope)
    return replace(
        col, kind=DAY if col.kind in TIMES else col.kind, least=NONE, ident=None, early=_event(col)
    )


def _event(col: Col) -> str | None:
    return "event_time" if col.kind in STAMPS else col.early


def _negative(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    col = fact(reader, node.this, scope)
    return Col(axis=-col.axis if col.axis is not None else None, needs=col.needs, names=col.names)


def _shifted(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    left, right = fact(reader, node.this, scope), fact(reader, node.expression, scope)
    needs, names = left.needs | right.needs, left.names | right.names
    is_less = isinstance(node, exp.Sub | exp.DateSub)
    rules.added(reader, node, left, right, scope)
    if (left.axis and right.axis == 0) or (not is_less and right.axis and left.axis == 0):
        col, other = (left, node.expression) if left.axis else (right, node.this)
        later = (not is_less) != _is_negative(other)
        if later or col.kind not in STAMPS:
            kept = col.least if later else NONE
            return replace(col, needs=needs, names=names, least=kept, ident=None)
        by_hours = any(part.name.lower()[:4] in {"hour", "minu"} for part in other.find_all(exp.Var))
        by_hours = by_hours or "hours" in other.sql().lower()
        early = "time_zone" if by_hours else "event_time"
        return replace(col, needs=needs, names=names, least=NONE, ident=None, early=early)
    if left.axis == 0 and right.axis == 0:
        return Col(needs=needs, names=names)
    if is_less and left.axis == 0 and right.axis:
        return Col(axis=-right.axis, needs=needs, names=names)
    is_time = left.kind == DATE and right.kind not in TIMES
    return Col(
        axis=left.axis if is_time else None, kind=left.kind if is_time else VALUE, needs=needs, names=names
    )


def _is_negative(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Interval):
        return node.this is not None and (_is_negative(node.this) or node.this.name.startswith("-"))
    if isinstance(node, exp.Anonymous | exp.Func) and node.name.lower().startswith("to_"):
        return any(_is_negative(part) for part in node.iter_expressions())
    return isinstance(node, exp.Neg)


def _times(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    left, right = fact(reader, node.this, scope), fact(reader, node.expression, scope)
    needs, names = left.needs | right.needs, left.names | right.names
    if left.axis == 0 and right.axis == 0:
        return Col(needs=needs, names=names)
    for one, other, place in ((left, node.expression, 0), (right, node.this, 1)):
        is_constant = isinstance(other.unnest(), exp.Literal | exp.Neg)
        if is_constant and one.axis is not None and not (place and isinstance(node, exp.Div)):
            return Col(axis=-one.axis if _is_negative(other) else one.axis, needs=needs, names=names)
    if isinstance(node, exp.Div) and left.axis == 0 and right.axis:
        return Col(axis=-right.axis, needs=needs, names=names)
    if left.axis and right.axis == 0 and not right.needs:
        return Col(axis=left.axis, needs=needs, names=names)
    if right.axis and left.axis == 0 and not left.needs:
        return Col(axis=right.axis, needs=needs, names=names)
    return Col(axis=None, needs=needs, names=names)


def _chosen(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    """greatest, least, coalesce, nullif: one of the arguments."""
    parts = [node.this, *(node.args.get("expressions") or [])]
    if isinstance(node, exp.Nullif):
        first = fact(reader, node.this, scope)
        return replace(first, edges=frozenset(), ident=first.ident)
    cols = _children(reader, parts, scope)
    return _one_of(cols, isinstance(node, exp.Least), isinstance(node, exp.Coalesce))


def _one_of(cols: list[Col], is_least: bool, is_coalesced: bool = False) -> Col:
    needs, names = _all(cols)
    told = [c for c in cols if c.kind != VALUE or c.needs or c.axis != 0] or cols[:1]
    axes = {c.axis for c in told}
    kinds = [c.kind for c in told]
    kind = kinds[0] if len(set(kinds)) == 1 else KNOWN if set(kinds) <= STAMPS else VALUE
    least = frozenset().union(*(c.least for c in cols))
    early = next((c.early for c in cols if c.early), None)
    if is_least and len(told) > 1:
        least, early = frozenset.intersection(*(c.least for c in told)), "restated_value"
    return Col(
        axis=axes.pop() if len(axes) == 1 else None,
        kind=kind,
        needs=needs,
        least=least,
        edges=cols[0].edges if is_coalesced else frozenset(),
        names=names,
        early=early,
        is_max=any(c.is_max for c in cols),
    )


def _extracted(reader: Reader, node: exp.Extract, scope: Scope) -> Col:
    col = fact(reader, node.expression, scope)
    rises = node.this.name.lower() in {"epoch", "year", "julian", "decade", "century"}
    return Col(axis=col.axis if rises else 0, needs=col.needs, names=col.names)


def _difference(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    left, right = fact(reader, node.this, scope), fact(reader, node.expression, scope)
    axis = left.axis if right.axis == 0 else None
    if left.axis == 0 and right.axis:
        axis = -right.axis
    return Col(axis=axis, needs=left.needs | right.needs, names=left.names | right.names)


def _case(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    branches = node.args.get("ifs") or [node]
    base = node.this if isinstance(node, exp.Case) else None
    cols, conditions = [], [fact(reader, base, scope)] if base is not None else []
    for branch in branches:
        condition = fact(reader, branch.this, scope)
        value = fact(reader, branch.args["true"], scope)
        cols.append(replace(value, needs=_guarded(value.needs, condition.edges)))
        conditions.append(condition)
    last = node.args.get("default") if isinstance(node, exp.Case) else node.args.get("false")
    if last is not None:
        cols.append(fact(reader, last, scope))
    col = _one_of(cols, is_least=False)
    return replace(col, needs=col.needs | _all(conditions)[0], names=col.names | _all(conditions)[1])


def _guarded(needs: Tokens, edges: frozenset[Edge]) -> Tokens:
    """What is needed where a condition holds: what it bounds is known when the bound is past."""
    out: set[Token] = set()
    for token in needs:
        bounds = [high for high, low in edges if low == token]
        out |= bounds[0] if bounds else {token}
    return frozenset(out)


def _and(reader: Reader, node: exp.And, scope: Scope) -> Col:
    cols = [fact(reader, node.left, scope), fact(reader, node.right, scope)]
    edges = cols[0].edges | cols[1].edges
    needs = frozenset().union(*(_guarded(c.needs, edges - c.edges) for c in cols))
    return Col(needs=needs, edges=edges, names=_all(cols)[1])


def _or(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    needs, names = _all(_children(reader, node.iter_expressions(), scope))
    return Col(needs=needs, names=names)


def _not(reader: Reader, node: exp.Not, scope: Scope) -> Col:
    turned = {exp.LT: exp.GTE, exp.LTE: exp.GT, exp.GT: exp.LTE, exp.GTE: exp.LT}
    inner = node.this.unnest()
    if type(inner) in turned:
        opposite = turned[type(inner)](this=inner.left.copy(), expression=inner.right.copy())
        opposite.parent = node.parent
        return _compared(reader, opposite, scope)
    return _or(reader, node, scope)


def _between(reader: Reader, node: exp.Between, scope: Scope) -> Col:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    low.parent = high.parent = node.parent
    cols = [_compared(reader, low, scope), _compared(reader, high, scope)]
    needs, names = _all(cols)
    return Col(needs=needs, names=names, edges=cols[0].edges | cols[1].edges)


def _compared(reader: Reader, node: exp.Binary, scope: Scope) -> Col:
    left, right = side(reader, node.left, scope), side(reader, node.right, scope)
    whole = fact(reader, node.left, scope), fact(reader, node.right, scope)
    needs, names = _all(whole)
    if isinstance(node, exp.EQ | exp.NullSafeEQ):
        rules.equal(reader, node, left, right)
        edges = _bounds(reader, whole[0], right) | _bounds(reader, whole[1], left)
        return Col(needs=needs, names=names, edges=edges)
    if type(node) not in _COMPARED:
        return Col(needs=needs, names=names)
    place, is_strict = _COMPARED[type(node)]
    low, high = (left, right) if place == 0 else (right, left)
    low_whole = whole[place]
    rules.ordered(reader, node, low, high, is_strict)
    edges = _bounds(reader, low_whole, high)
    if low_whole.kind == KNOWN and high.col.kind in STAMPS and not _is_last(reader, low_whole):
        # Whether a row was known by an instant is known at the instant.
        needs = high.col.needs - low_whole.least
    for high_tokens, token in edges:
        if token.column.endswith("known_at"):
            reader.seen[token.path[-1]].tags |= {f"by:{bound.column}" for bound in high_tokens}
    return Col(needs=needs, names=names, edges=edges)


def _is_last(reader: Reader, col: Col) -> bool:
    """Whether a stamp is the last of a whole table: a row later puts it off, and what it let in goes."""
    return col.is_max and any("aggregated" in reader.seen[n].tags for token in col.least for n in token.path)


def _bounds(reader: Reader, low: Col, high: Side) -> frozenset[Edge]:
    """Once the high side is past, so is all that is never later than the low one."""
    if _is_last(reader, low):
        return frozenset()
    if low.kind not in STAMPS or high.is_optional or high.shift > 0 or high.col.kind not in STAMPS:
        return frozenset()
    ident = high.col.ident
    if ident is None:
        return frozenset()
    return frozenset((frozenset({ident}), token) for token in low.least)


def side(reader: Reader, node: exp.Expr, scope: Scope) -> Side:
    """One side of a comparison, less constants added to it."""
    shift, is_optional = 0, False
    while True:
        node = node.unnest()
        if isinstance(node, exp.Cast) and fact(reader, node, scope).kind != DAY:
            node = node.this
        elif isinstance(node, exp.Coalesce):
            node, is_optional = node.this, True
        elif isinstance(node, exp.Add | exp.Sub | exp.DateAdd | exp.DateSub):
            left, right = fact(reader, node.this, scope), fact(reader, node.expression, scope)
            sign = -1 if isinstance(node, exp.Sub | exp.DateSub) else 1
            if left.axis != 0 and right.axis == 0:
                shift += -sign if _is_negative(node.expression) else sign
                node = node.this
            elif right.axis != 0 and left.axis == 0 and sign == 1:
                shift += -1 if _is_negative(node.this) else 1
                node = node.expression
            else:
                break
        else:
            break
    return Side(node, fact(reader, node, scope), shift, is_optional)


def _aggregate(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    """A sum over the rows of a group."""
    cols = _children(reader, node.iter_expressions(), scope)
    needs, names = _all(cols)
    first = cols[0] if cols else Col()
    is_first = (isinstance(node, exp.Min) and first.axis == 1) or (
        isinstance(node, exp.Max) and first.axis == -1
    )
    if is_first:
        # The first of all is first whatever comes later.
        return Col(axis=first.axis, kind=first.kind, names=names, early="restated_value")
    needs |= frozenset(scope.row)
    rules.latest(reader, node, cols, scope)
    if isinstance(node, exp.Max) and first.axis == 1:
        return replace(first, needs=needs, names=names, ident=None, is_max=first.kind == KNOWN)
    axis = None if isinstance(node, exp.Min | exp.Max) and first.axis is None else 0
    return Col(axis=axis, needs=needs, names=names, kind=VALUE, early="restated_value")


def _filtered(reader: Reader, node: exp.Filter, scope: Scope) -> Col:
    col = fact(reader, node.this, scope)
    condition = fact(reader, node.expression.this, scope)
    return replace(
        col, needs=_guarded(col.needs, condition.edges) | condition.needs, names=col.names | condition.names
    )


def _subquery(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    query = node if isinstance(node, exp.Query) else node.this
    rel, _ = _within(reader, query, scope, "scalar")
    first = next(iter(rel.columns.values()), Col())
    return replace(first, needs=first.needs | rel.row, edges=frozenset())


def _within(reader: Reader, query: exp.Expr, scope: Scope, tag: str) -> tuple[Rel, int]:
    start = len(reader.seen)
    rel = reader.query(query, scope.env, scope)
    number = reader.number("subquery", "subquery", query)
    for use in range(start, number + 1):
        reader.seen[use].tags.add(tag)
    inside = nested(rel, number)
    scope.edges |= inside.edges
    return inside, number


def _in(reader: Reader, node: exp.In, scope: Scope) -> Col:
    col = fact(reader, node.this, scope)
    query = node.args.get("query")
    if query is None:
        needs, names = _all([col, *_children(reader, node.expressions, scope)])
        return Col(needs=needs, names=names)
    rel, _ = _within(reader, query.this if isinstance(query, exp.Subquery) else query, scope, "filter")
    first = next(iter(rel.columns.values()), Col())
    if first.ident and col.ident and not isinstance(node.parent, exp.Not):
        scope.unite(first.ident, col.ident)
    return Col(needs=col.needs | first.needs | rel.row, names=col.names | first.names)


def _exists(reader: Reader, node: exp.Exists, scope: Scope) -> Col:
    rel, _ = _within(reader, node.this, scope, "filter")
    return Col(needs=rel.row)


def _bound(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    """A list comprehension or lambda: its variable stands for the items of a list."""
    names = (
        {part.name.lower() for part in node.expressions}
        if isinstance(node, exp.Lambda)
        else {node.expression.name.lower()}
    )
    fresh = names - scope.bound
    scope.bound |= fresh
    try:
        inner = [part for part in (node.this, node.args.get("iterator"), node.args.get("condition")) if part]
        needs, cols = _all(_children(reader, inner, scope))
    finally:
        scope.bound -= fresh
    return Col(needs=needs, names=cols)


def _identifier(reader: Reader, node: exp.Identifier, scope: Scope) -> Col:
    return Col()


def _series(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    cols = _children(reader, node.iter_expressions(), scope)
    needs, names = _all(cols)
    kinds = {c.kind for c in cols}
    kind = INSTANT if kinds & STAMPS else DATE if DATE in kinds else VALUE
    return Col(axis=1, kind=kind, needs=needs, names=names)


def _opened(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    """unnest: the items of a list, with what the list says of them."""
    return replace(fact(reader, node.this, scope), ident=None)


def _zoned(reader: Reader, node: exp.Expr, scope: Scope) -> Col:
    cols = _children(reader, node.iter_expressions(), scope)
    needs, names = _all(cols)
    axis = 1 if any(c.axis == 1 for c in cols) else 0
    early = "time_zone" if any(c.kind == KNOWN for c in cols) else None
    return Col(axis=axis, kind=INSTANT if axis else VALUE, needs=needs, names=names, early=early)


def _called(reader: Reader, node: exp.Anonymous, scope: Scope) -> Col:
    name = node.name.lower()
    rules.clock(reader, node, name)
    if name in {"timezone", "to_utc"}:
        return _zoned(reader, node, scope)
    if name == "date_trunc":
        col = fact(reader, node.expressions[-1], scope)
        return replace(col, kind=DAY if col.kind in TIMES else col.kind, least=NONE, ident=None)
    return _mixed(reader, node, scope)


def _window(reader: Reader, node: exp.Window, scope: Scope) -> Col:
    return window(reader, node, scope, fact)


def _clock(reader: Reader, node: exp.Func, scope: Scope) -> Col:
    rules.clock(reader, node, node.sql_name().lower())
    return Col(axis=0, kind=KNOWN)


_HANDLERS: dict[Any, Callable[[Reader, Any, Scope], Col]] = {
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Paren: _inner,
    exp.Alias: _inner,
    exp.Ordered: _inner,
    exp.Where: _inner,
    exp.Distinct: _mixed,
    exp.Literal: _constant,
    exp.Boolean: _constant,
    exp.Null: _constant,
    exp.Interval: _mixed,
    exp.Star: lambda reader, node, scope: Col(needs=frozenset(scope.row)),
    exp.Cast: _cast,
    exp.DateTrunc: _truncated,
    exp.TimestampTrunc: _truncated,
    exp.LastDay: _truncated,
    exp.Neg: _negative,
    exp.Add: _shifted,
    exp.Sub: _shifted,
    exp.DateAdd: _shifted,
    exp.DateSub: _shifted,
    exp.Mul: _times,
    exp.Div: _times,
    exp.Greatest: _chosen,
    exp.Least: _chosen,
    exp.Coalesce: _chosen,
    exp.Nullif: _chosen,
    exp.Extract: _extracted,
    exp.DateDiff: _difference,
    exp.Case: _case,
    exp.If: _case,
    exp.And: _and,
    exp.Or: _or,
    exp.Not: _not,
    exp.Between: _between,
    exp.EQ: _compared,
    exp.NullSafeEQ: _compared,
    exp.LT: _compared,
    exp.LTE: _compared,
    exp.GT: _compared,
    exp.GTE: _compared,
    exp.AggFunc: _aggregate,
    exp.Filter: _filtered,
    exp.Subquery: _subquery,
    exp.Query: _subquery,
    exp.In: _in,
    exp.Exists: _exists,
    exp.Comprehension: _bound,
    exp.Lambda: _bound,
    exp.GenerateSeries: _series,
    exp.GenerateDateArray: _series,
    exp.GenerateTimestampArray: _series,
    exp.Explode: _opened,
    exp.Unnest: lambda reader, node, scope: _mixed(reader, node, scope),
    exp.AtTimeZone: _zoned,
    exp.Window: _window,
    exp.Anonymous: _called,
    exp.CurrentDate: _clock,
    exp.CurrentTimestamp: _clock,
    exp.CurrentTime: _clock,
    exp.Localtimestamp: _clock,
    exp.Localtime: _clock,
    exp.Rand: _clock,
    exp.Uuid: _clock,
}
