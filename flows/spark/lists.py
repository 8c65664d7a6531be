"""Lists: DuckDB counts from one, keeps nulls, and has no list where Spark has an empty one."""

from sqlglot import exp

from flows.spark.building import BIGINT, DOUBLE, HUGEINT, INTEGER, Untranslatable, call, cast, mapped

ZERO = "cast(0 as double)"


def gathered(tree: exp.Expr) -> exp.Expr:
    """`list(x order by y)`: nulls are kept, and the order is that of y."""
    if isinstance(tree, exp.Window) and isinstance(tree.this, exp.ArrayAgg):
        return _values(_collected(tree, call("named_struct", "'value'", tree.this.this)))
    if isinstance(tree, exp.Window) and tree.this.name.lower() == "product":
        return _folded(_collected(tree, tree.this.expressions[0]), "product")
    if (
        tree.name.lower() == "product"
        and isinstance(tree, exp.Anonymous)
        and not isinstance(tree.parent, exp.Window)
    ):
        return _folded(call("collect_list", tree.expressions[0]), "product")
    if isinstance(tree, exp.ArrayAgg) and not isinstance(tree.parent, exp.Window):
        return _grouped(tree)
    if isinstance(tree, exp.Last) and isinstance(tree.this, exp.Order):
        return call("max_by", tree.this.this, call("struct", *(one.this for one in tree.this.expressions)))
    return tree


def _collected(window: exp.Window, value: exp.Expr) -> exp.Window:
    """What a window has seen, as a list."""
    gathering = window.copy()
    gathering.set("this", call("collect_list", value))
    return gathering


def _grouped(tree: exp.ArrayAgg) -> exp.Expr:
    value, order = tree.this, []
    if isinstance(value, exp.Order):
        value, order = value.this, value.expressions
    if any(one.args.get("desc") for one in order):
        raise Untranslatable(f"a list in falling order: {tree.sql('duckdb')[:80]}")
    parts = [*((f"by_{place}", one.this) for place, one in enumerate(order)), ("value", value)]
    row = call("named_struct", *(part for name, one in parts for part in (f"'{name}'", one)))
    rows = call("collect_list", row)
    return _values(call("array_sort", rows) if order else rows)


def _values(rows: exp.Expr) -> exp.Expr:
    return call("transform", rows, mapped("r", exp.column("value", table="r")))


def comprehended(tree: exp.Expr) -> exp.Expr:
    """`[f(x) for x in l if g(x)]`."""
    if not (
        isinstance(tree, exp.Array)
        and tree.expressions
        and isinstance(tree.expressions[0], exp.Comprehension)
    ):
        return tree
    said = tree.expressions[0]
    name, over = said.expression.name, said.args["iterator"]
    if said.args.get("condition") is not None:
        over = call("filter", over, mapped(name, said.args["condition"].copy()))
    return call("transform", over, mapped(name, said.this.copy()))


def picked(tree: exp.Expr) -> exp.Expr:
    """`l[n]` and `l[a:b]`, from one; what is outside is null, or left out."""
    if not isinstance(tree, exp.Bracket):
        return tree
    (index,) = tree.expressions
    if index.find(exp.Placeholder):  # sqlglot reads `[:n]` as a parameter named n
        until = index.copy().transform(
            lambda one: exp.column(one.name) if isinstance(one, exp.Placeholder) else one
        )
        return _slice(tree.this, exp.Literal.number(1), until)
    if isinstance(index, exp.Slice):
        return _slice(tree.this, index.this or exp.Literal.number(1), index.expression)
    return call(
        "get",
        tree.this,
        cast(
            exp.Paren(this=exp.Sub(this=exp.paren(index.copy()), expression=exp.Literal.number(1))), INTEGER
        ),
    )


def _slice(over: exp.Expr, since: exp.Expr, until: exp.Expr | None) -> exp.Expr:
    last = until if until is not None else call("size", over)
    length = exp.Add(
        this=exp.Sub(this=exp.paren(last.copy()), expression=exp.paren(since.copy())),
        expression=exp.Literal.number(1),
    )
    return call(
        "slice", over, cast(exp.paren(since.copy()), INTEGER), cast(call("greatest", length, 0), INTEGER)
    )


def of_functions(tree: exp.Expr) -> exp.Expr:
    """Functions of lists by the names that Spark has for them, or as a fold."""
    if isinstance(tree, exp.Length):
        return call("size", tree.this)
    if isinstance(tree, exp.SortArray):
        return call("array_sort", tree.this)
    if isinstance(tree, exp.GenerateSeries):
        return _series(tree)
    if isinstance(tree, exp.ArrayOverlaps):
        return call("arrays_overlap", tree.this, tree.expression)
    if not isinstance(tree, exp.Anonymous):
        return tree
    arguments = tree.expressions
    match tree.name.lower():
        case "list_aggregate":
            return _folded(arguments[0], arguments[1].this)
        case "list_sum":
            return _folded(arguments[0], "sum")
        case "list_avg":
            return exp.paren(exp.Div(this=_folded(arguments[0], "sum"), expression=call("size", *arguments)))
        case "list_median":
            return _median(arguments[0])
        case "list_inner_product":
            return _total(call("zip_with", *arguments, mapped("p q", _product("p", "q"))), ZERO, DOUBLE)
        case "list_grade_up":
            return _graded(arguments[0])
        case "list_select":
            return call("transform", arguments[1], mapped("i", call("element_at", arguments[0], "i")))
        case "list_reduce":
            rest = call("slice", arguments[0], 2, call("greatest", call("size", arguments[0]), 1))
            return call("aggregate", rest, call("get", arguments[0], 0), arguments[1])
    return tree


def _series(tree: exp.GenerateSeries) -> exp.Expr:
    """`range` leaves its end out, and is empty where it begins there; a series of instants has its end."""
    begin, end = tree.args["start"], tree.args["end"]
    if tree.args.get("step") is not None:
        return call("sequence", begin, end, tree.args["step"])
    first: exp.Expr = cast(begin, BIGINT)
    last: exp.Expr = cast(end, BIGINT)
    if tree.args.get("is_end_exclusive"):
        last = exp.Sub(this=last, expression=exp.Literal.number(1))
    return call(
        "if",
        exp.LT(this=last, expression=first),
        "cast(array() as array<bigint>)",
        call("sequence", first, last),
    )


def _folded(over: exp.Expr, how: str) -> exp.Expr:
    """One number of a list; none of an empty one."""
    folded: exp.Expr
    if how == "product":
        folded = call("aggregate", over, "cast(1 as double)", mapped("s v", _product("s", "v")))
    elif _is_of_integers(over):
        folded = _total(over, "cast(0 as decimal(38, 0))", HUGEINT)
    else:
        folded = _total(over, ZERO, DOUBLE)
    return call("if", exp.GT(this=call("size", over), expression=exp.Literal.number(0)), folded, "null")


def _total(over: exp.Expr, zero: str, kind: exp.DataType) -> exp.Expr:
    added = exp.Add(this=exp.column("s"), expression=call("coalesce", cast(exp.column("v"), kind), zero))
    return call("aggregate", over, zero, mapped("s v", cast(exp.paren(added), kind)))


def _is_of_integers(over: exp.Expr) -> bool:
    """Whether a list is made of casts to bigint, the integers of 1e-12 that sums are exact in."""
    body = over.expression.this.unnest() if isinstance(over, exp.Transform) else None
    return isinstance(body, exp.Cast) and body.to.sql("duckdb") == "BIGINT"


def _product(one: str, other: str) -> exp.Expr:
    return exp.Mul(this=exp.column(one), expression=exp.column(other))


def _graded(over: exp.Expr) -> exp.Expr:
    """Places of a list's values in rising order, from one."""
    placed = call("named_struct", "'v'", "v", "'i'", "i + 1")
    rows = call("array_sort", call("transform", over, mapped("v i", placed)))
    return call("transform", rows, mapped("r", exp.column("i", table="r")))


def _median(over: exp.Expr) -> exp.Expr:
    """The middle of what is not null: of an even number of values the mean of two."""
    known = call("array_sort", call("array_compact", over))
    size = call("size", known)
    before = exp.paren(exp.Sub(this=size.copy(), expression=exp.Literal.number(1)))
    low, high = (call("get", known, cast(call("floor", _half(place)), INTEGER)) for place in (before, size))
    return exp.Paren(this=_half(exp.paren(exp.Add(this=low, expression=high))))


def _half(tree: exp.Expr) -> exp.Expr:
    return exp.Div(this=tree.copy(), expression=exp.Literal.number(2), typed=True, safe=True)
