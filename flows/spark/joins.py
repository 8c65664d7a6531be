"""The as-of join: of the rows that fit, the nearest one."""

from sqlglot import exp

from flows.spark.building import Untranslatable

ORDERS = (exp.GT, exp.GTE, exp.LT, exp.LTE)
TURNED: dict[type[exp.Binary], type[exp.Binary]]
TURNED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
# Of what holds until the next: t >= b.t and t < next, or t > b.t and t <= next; and the same forward.
BEYOND: dict[type[exp.Binary], type[exp.Binary]]
BEYOND = {exp.GTE: exp.LT, exp.GT: exp.LTE, exp.LTE: exp.GT, exp.LT: exp.GTE}
NEXT = "next_asof"


def as_of(query: exp.Expr) -> exp.Expr:
    """`asof join b on .. and a.t >= b.t`: each row of b holds until the next of its keys, which b is told.

    Where two rows of b have the same keys and time DuckDB takes one of them, and so does this: a model
    whose answer hung on which would not be a model. Raises Untranslatable for a condition of another shape.
    """
    if not isinstance(query, exp.Select):
        return query
    for join in query.args.get("joins") or []:
        if join.args.get("method") == "ASOF":
            _spelled_out(join)
    return query


def _spelled_out(join: exp.Join) -> None:
    name = join.this.alias_or_name
    parts = list(join.args["on"].flatten()) if isinstance(join.args["on"], exp.And) else [join.args["on"]]
    orders = [part for part in parts if isinstance(part, exp.Binary) and isinstance(part, ORDERS)]
    keys = [_own(part, name) for part in parts if isinstance(part, exp.EQ)]
    if len(orders) != 1 or len(keys) + 1 != len(parts):
        raise Untranslatable(f"as-of join on {join.args['on'].sql('duckdb')}")
    here, kind, there = _sided(orders[0], name)
    after = exp.column(NEXT, table=name)
    is_back = kind in (exp.GT, exp.GTE)  # the last row before, else the first one after
    is_before_next = BEYOND[kind](this=here.copy(), expression=after.copy())
    until = exp.or_(exp.Is(this=after, expression=exp.null()), is_before_next)
    join.set("this", _with_next(join.this, name, keys, there, is_back=is_back))
    join.set("on", exp.and_(*parts, until))
    join.set("method", None)


def _own(equal: exp.EQ, name: str) -> exp.Expr:
    """The side of an equality that is of the joined relation."""
    for side in (equal.left, equal.right):
        if isinstance(side, exp.Column) and side.table == name:
            return side
    raise Untranslatable(f"as-of join on {equal.sql('duckdb')}")


def _sided(order: exp.Binary, name: str) -> tuple[exp.Expr, type[exp.Binary], exp.Column]:
    """What is compared as (other side, operator, column of the joined relation)."""
    if isinstance(order.right, exp.Column) and order.right.table == name:
        return order.left, type(order), order.right
    if isinstance(order.left, exp.Column) and order.left.table == name:
        return order.right, TURNED[type(order)], order.left
    raise Untranslatable(f"as-of join on {order.sql('duckdb')}")


def _with_next(
    source: exp.Expr, name: str, keys: list[exp.Expr], time: exp.Column, *, is_back: bool
) -> exp.Expr:
    """The relation with the time of its next row in the direction of the join, beside each row."""
    bare = source.copy()
    bare.set("alias", None)
    relation = (
        exp.Subquery(this=bare.this, alias=_alias("rows_asof")) if isinstance(bare, exp.Subquery) else bare
    )
    by_time = exp.Ordered(this=exp.column(time.name), desc=not is_back, nulls_first=False)
    following = exp.Window(
        this=exp.Anonymous(this="lead", expressions=[exp.column(time.name)]),
        partition_by=[exp.column(key.name) for key in keys],
        order=exp.Order(expressions=[by_time]),
    )
    told = exp.select("*", exp.alias_(following, NEXT)).from_(relation)
    told = told.where(exp.Not(this=exp.Is(this=exp.column(time.name), expression=exp.null())))
    return exp.Subquery(this=told, alias=_alias(name))


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name))
