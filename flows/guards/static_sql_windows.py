"""How far a window looks: along which order, which way round, and whether its stamp goes as far."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from flows.guards.static_sql_facts import (
    DATE,
    DAY,
    EVENT,
    INSTANT,
    KNOWN,
    NONE,
    ORDINAL,
    VERSION,
    Col,
    Token,
    Tokens,
)
from flows.guards.static_sql_scopes import Reader, Scope

RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank)
WHOLE_RANKS = (exp.Ntile, exp.PercentRank, exp.CumeDist)
PRICES = {"open", "high", "low", "close", "close_base", "fill_price", "fill_price_base"}

Facts = Callable[[Reader, exp.Expr, Scope], Col]


@dataclass(frozen=True)
class Spec:
    """A window's partition, order and frame, with what it takes over from named windows filled in."""

    partition: list[exp.Expr]
    order: list[exp.Expr]
    frame: exp.WindowSpec | None

    @property
    def key(self) -> str:
        """What two windows have in common if one's stamp can speak for the other."""
        partition = sorted(part.sql() for part in self.partition)
        return f"{partition} {[part.sql() for part in self.order]}"


def window(reader: Reader, node: exp.Window, scope: Scope, fact: Facts) -> Col:
    """What is known of a window function's value, with what its frame reaches ahead among its needs."""
    spec = resolved(node, scope)
    function, condition, skips_nulls = _unwrapped(node.this)
    arguments = [
        part for part in function.iter_expressions() if not isinstance(part, exp.Order | exp.Star | exp.Var)
    ]
    cols = [fact(reader, part, scope) for part in arguments]
    cols += [fact(reader, condition, scope)] if condition is not None else []
    first = cols[0] if cols else Col()
    needs = frozenset().union(*(c.needs for c in cols))
    names = frozenset().union(*(c.names for c in cols))
    partition = [fact(reader, part, scope) for part in spec.partition]
    order = [fact(reader, part.this, scope) for part in spec.order]
    needs |= frozenset().union(*(c.needs for c in (*partition, *order)))
    direction = _direction(spec, order)
    axis = _axis(function, first, direction, spec)
    if not needs and not scope.row:
        _in_advance(reader, node, spec, function, direction, order, scope)
        return Col(
            axis=axis, kind=ORDINAL if axis and isinstance(function, RANKS) else first.kind, names=names
        )
    if any(c.kind in {KNOWN, INSTANT} and c.axis for c in partition):
        # All rows stand at one instant: the order among them is not one of time.
        return Col(axis=0, needs=needs, names=names, kind=first.kind, least=_stamp(function, first))
    _vintages(reader, node, spec, function, first, partition, scope)
    if direction is None:
        reader.doubt(node, f"whether {_order_sql(spec)} rises or falls with time")
        return Col(axis=None, needs=needs, names=names)
    if isinstance(function, exp.Min) and first.axis == 1 and not spec.order:
        return Col(axis=1, kind=first.kind, names=names, early="restated_value")
    reach = _reach(reader, node, function, spec, direction, fact, scope)
    if reach == 0:
        early = "restated_value" if isinstance(function, exp.Min | exp.Lag | exp.FirstValue) else first.early
        kept = _stamp(function, first)
        kind = ORDINAL if axis and isinstance(function, RANKS) else first.kind
        return Col(
            axis=axis,
            kind=kind,
            needs=needs,
            least=kept,
            names=names,
            early=early,
            is_max=_is_max(function, first),
        )
    leak = _leak(function, spec, direction, partition, order, skips_nulls, first)
    token = _token(reader, node, spec, scope, leak, reach)
    if first.kind == KNOWN and isinstance(function, exp.Lead):
        # The stamp goes as far as the window does, and is null where no row is there yet. A maximum is not:
        # at the end of the data it is that of fewer rows, and rises later.
        covered = first.least | {token}
        return Col(axis=1, kind=KNOWN, needs=needs | {token}, least=covered, names=names, is_max=True)
    kept = _stamp(function, first)
    return Col(axis=axis, kind=first.kind, needs=needs | {token}, least=kept, names=names)


def resolved(node: exp.Window, scope: Scope) -> Spec:
    """The window with all that it inherits. A name stands for another window of the same select."""
    partition, order, frame = (
        node.args.get("partition_by") or [],
        node.args.get("order"),
        node.args.get("spec"),
    )
    base = node.args.get("alias")
    if base is not None and node.args.get("over") and base.name.lower() in scope.windows:
        inherited = resolved(scope.windows[base.name.lower()], scope)
        return Spec(
            partition or inherited.partition,
            order.expressions if order else inherited.order,
            frame or inherited.frame,
        )
    first = node.args.get("first")
    if (
        first is None
        and base is not None
        and base.name.lower() in scope.windows
        and not node.args.get("over")
    ):
        inherited = resolved(scope.windows[base.name.lower()], scope)
        return Spec(
            partition or inherited.partition,
            order.expressions if order else inherited.order,
            frame or inherited.frame,
        )
    return Spec(partition, order.expressions if order else [], frame)


def _unwrapped(node: exp.Expr) -> tuple[exp.Expr, exp.Expr | None, bool]:
    condition, skips_nulls = None, False
    while isinstance(node, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        if isinstance(node, exp.Filter):
            condition = node.expression.this
        skips_nulls |= isinstance(node, exp.IgnoreNulls) and not isinstance(node.this, exp.AnyValue)
        node = node.this
    return node, condition, skips_nulls


def _direction(spec: Spec, order: list[Col]) -> int | None:
    """+1 where the order goes with time, -1 against it, 0 where it has nothing to do with it."""
    for part, col in zip(spec.order, order, strict=True):
        if col.axis is None:
            return None
        if col.axis:
            return -col.axis if part.args.get("desc") else col.axis
    return 0


def _axis(function: exp.Expr, first: Col, direction: int | None, spec: Spec) -> int | None:
    if isinstance(function, RANKS):
        return direction
    if isinstance(function, exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue | exp.Max | exp.Min):
        return first.axis
    if isinstance(function, exp.Count) and direction and _start(spec) == math.inf:
        return direction
    return 0


def _stamp(function: exp.Expr, first: Col) -> Tokens:
    kept = isinstance(function, exp.Max | exp.Lead | exp.LastValue | exp.AnyValue)
    return first.least if first.kind == KNOWN and kept else NONE


def _is_max(function: exp.Expr, first: Col) -> bool:
    return first.kind == KNOWN and isinstance(function, exp.Max)


def _order_sql(spec: Spec) -> str:
    return f"order by {', '.join(part.sql('duckdb') for part in spec.order)}"


def _sides(spec: Spec) -> tuple[tuple[str, object], tuple[str, object]]:
    """Start and end of the frame as (side, value); a value is a number, an expression or 'unbounded'."""
    frame = spec.frame
    if frame is None:
        return ("PRECEDING", "UNBOUNDED"), ("CURRENT ROW", 0)
    out = []
    for place in ("start", "end"):
        value, way = frame.args.get(place), (frame.args.get(f"{place}_side") or "").upper()
        if value == "CURRENT ROW" or value is None:
            out.append(("CURRENT ROW", 0))
        else:
            out.append((way, value))
    return out[0], out[1]


def _start(spec: Spec) -> float:
    return _rows(_sides(spec)[0][1])


def _rows(value: object) -> float:
    if isinstance(value, exp.Literal) and not value.is_string:
        return float(value.name)
    if value == 0:
        return 0.0
    return math.inf


def _reach(
    reader: Reader,
    node: exp.Window,
    function: exp.Expr,
    spec: Spec,
    direction: int,
    fact: Facts,
    scope: Scope,
) -> float:
    """How many later rows the value may depend on; 0 for none."""
    if isinstance(function, WHOLE_RANKS):
        return math.inf
    if isinstance(function, RANKS):
        return 0 if direction == 1 else math.inf
    if isinstance(function, exp.Lag | exp.Lead):
        offset = _offset(reader, node, function, fact, scope)
        offset = -offset if isinstance(function, exp.Lag) else offset
        if direction == 0:
            return math.inf
        return max(0.0, offset * direction)
    if direction == 0:
        return math.inf
    (start_side, start), (end_side, end) = _sides(spec)
    ahead = "FOLLOWING" if direction == 1 else "PRECEDING"
    reaches = [
        math.inf if value == "UNBOUNDED" else max(_rows(value), 0.0)
        for side, value in ((start_side, start), (end_side, end))
        if side == ahead
    ]
    behind = "PRECEDING" if direction == 1 else "FOLLOWING"
    reaches += [
        math.inf
        for side, value in ((start_side, start), (end_side, end))
        if side == behind and _is_minus(value)
    ]
    return max(reaches, default=0.0)


def _is_minus(value: object) -> bool:
    return isinstance(value, exp.Neg)


def _offset(reader: Reader, node: exp.Window, function: exp.Expr, fact: Facts, scope: Scope) -> float:
    offset = function.args.get("offset")
    if offset is None:
        return 1.0
    if isinstance(offset, exp.Literal):
        return float(offset.name)
    if isinstance(offset, exp.Neg) and isinstance(offset.this, exp.Literal):
        return -float(offset.this.name)
    if (
        not isinstance(offset, exp.Neg)
        and not fact(reader, offset, scope).needs
        and isinstance(offset, exp.Column)
    ):
        reader.doubt(node, f"whether the offset {offset.sql()} is always positive")
        return 1.0
    return -math.inf if isinstance(function, exp.Lag) else math.inf


def _leak(
    function: exp.Expr,
    spec: Spec,
    direction: int,
    partition: list[Col],
    order: list[Col],
    skips_nulls: bool,
    first: Col,
) -> str:
    has_date = any(c.kind in {DATE, EVENT, DAY} for c in partition)
    has_symbol = any("symbol" in {name.split(".")[-1] for name in c.names} for c in partition)
    if any(c.kind == VERSION and c.axis for c in order) or first.kind == VERSION:
        return "restated_value"
    if isinstance(function, exp.Lag | exp.Lead):
        return "looks_ahead"
    if isinstance(function, WHOLE_RANKS) and not has_date:
        return "whole_sample"
    if skips_nulls and direction:
        return "backfill"
    if has_date:
        return "restated_value" if has_symbol else "not_simultaneous"
    if direction:
        return "looks_ahead"
    if isinstance(function, exp.Count) and isinstance(function.this, exp.Star) and spec.frame is None:
        return "survivorship"
    return "whole_sample" if spec.frame is None else "looks_ahead"


def _token(reader: Reader, node: exp.Window, spec: Spec, scope: Scope, leak: str, reach: float) -> Token:
    key = f"{id(scope)} {spec.key}"
    number = next((n for n, use in reader.seen.items() if use.table == f"~{key}"), None)
    if number is None:
        number = reader.number("window", f"~{key}", node)
        reader.seen[number].leak = leak
        reader.seen[number].evidence = _said(node)
    return Token((number,), "reach", reach)


def _said(node: exp.Expr) -> str:
    text = " ".join(node.sql("duckdb").split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _in_advance(
    reader: Reader,
    node: exp.Window,
    spec: Spec,
    function: exp.Expr,
    direction: int | None,
    order: list[Col],
    scope: Scope,
) -> None:
    """Rows laid down in advance may be counted, but from their start: their end moves with the run."""
    if not isinstance(function, RANKS) or direction != -1:
        return
    if any(c.kind == VERSION for c in order):
        from flows.guards import static_sql_rules as rules

        rules.unbounded(reader, node, scope)
        return
    reader.note("anchored_at_end", node, f"counted back from the end: {_said(node)}")


def _vintages(
    reader: Reader,
    node: exp.Window,
    spec: Spec,
    function: exp.Expr,
    first: Col,
    partition: list[Col],
    scope: Scope,
) -> None:
    """A window over several vintages of a symbol compares prices adjusted by different actions."""
    if not any("vintage" in rel.columns for _, rel in scope.uses.values()):
        return
    if any("vintage" in part.sql().lower() for part in spec.partition):
        return
    is_own = any(
        column.name.lower() == "is_own" for held in scope.held for column in held.find_all(exp.Column)
    )
    is_level = bool({name.split(".")[-1] for name in first.names} & PRICES) and not any(
        name.split(".")[-1].startswith("log_return") for name in first.names
    )
    if not is_own or is_level:
        reader.note("adjusted_price", node, f"levels of several vintages in one window: {_said(node)}")
