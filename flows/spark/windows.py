"""Windows that Spark does not know: named ones that another extends, frames that differ from row to row."""

from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from flows.spark.building import Untranslatable

Bounds = Callable[[Sequence[str]], Sequence[tuple[int, ...]]]  # what columns can hold together


def inlined(query: exp.Expr) -> exp.Expr:
    """Each window says itself what its name said."""
    if not isinstance(query, exp.Select) or not query.args.get("windows"):
        return query
    named = {window.name: window for window in query.args["windows"]}
    for window in [*query.find_all(exp.Window)]:
        if window.parent is not query and window.find_ancestor(exp.Select) is query:
            _extended(window, named)
    query.set("windows", None)
    return query


def _extended(window: exp.Window, named: Mapping[str, exp.Window]) -> None:
    base = named.get(window.alias)
    if base is None:
        return
    if base.alias:
        _extended(base, named)
    for part in ("partition_by", "order", "spec"):
        if not window.args.get(part) and base.args.get(part):
            told = base.args[part]
            window.set(part, [one.copy() for one in told] if isinstance(told, list) else told.copy())
    window.set("alias", None)


def spelled_out(window: exp.Window, bounds: Bounds) -> exp.Expr:
    """A frame bounded by a column: a case of it for each value that the column has."""
    spec = window.args.get("spec")
    names = sorted({one.name for one in spec.find_all(exp.Column)}) if spec is not None else []
    if not names:
        return _before_peers(window)
    case = exp.Case()
    for value in bounds(names):
        known = dict(zip(names, value, strict=True))
        holds = exp.and_(*(exp.column(name).eq(known[name]) for name in names))
        case = case.when(holds, _with(window, known))
    return case


def _with(window: exp.Window, known: Mapping[str, int]) -> exp.Window:
    copy = window.copy()
    for column in [*copy.args["spec"].find_all(exp.Column)]:
        column.replace(exp.Literal.number(known[column.name]))
    return copy


def _before_peers(window: exp.Window) -> exp.Window:
    """`up to the current row, exclude group`, of instants or days: up to a microsecond before."""
    spec = window.args.get("spec")
    if spec is None or not spec.args.get("exclude"):
        return window
    if (spec.text("kind").lower(), str(spec.args.get("end"))) != ("range", "CURRENT ROW"):
        raise Untranslatable(f"a frame that excludes: {spec.sql('duckdb')}")
    spec.set("exclude", None)
    spec.set("end", exp.Interval(this=exp.Literal.string("1"), unit=exp.var("MICROSECOND")))
    spec.set("end_side", "PRECEDING")
    for ordered in window.args["order"].expressions:
        ordered.set("this", exp.cast(ordered.this.copy(), "timestamp"))
    return window
