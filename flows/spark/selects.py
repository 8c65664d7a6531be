"""Shapes of a query that DuckDB has and Spark has not: by name, replace, unnest among the columns."""

from itertools import count

from sqlglot import exp

from flows.spark import columns
from flows.spark.building import Untranslatable, call
from flows.spark.columns import Catalog


def by_name(union: exp.Expr, catalog: Catalog) -> exp.Expr:
    """`union all by name`: both sides give every column of either, in one order, null where it has none."""
    if not (isinstance(union, exp.Union) and union.args.get("by_name")):
        return union
    every = columns.names(union, catalog)
    for side in ("this", "expression"):
        query = union.args[side]
        has = set(columns.names(query, catalog))
        if columns.names(query, catalog) != every:
            listed = [exp.column(name) if name in has else exp.alias_(exp.null(), name) for name in every]
            inner = query.copy()
            inner.set("with_", None)
            around = exp.select(*listed).from_(exp.Subquery(this=inner, alias=_alias("side")))
            around.set("with_", query.args.get("with_"))
            union.set(side, around)
    union.set("by_name", False)
    return union


def replaced(query: exp.Expr, catalog: Catalog) -> exp.Expr:
    """`* replace (x as a)` and `* rename (a as b)`: every column in its place, x in that of a, or a as b."""
    if isinstance(query, exp.Select):
        listed = [new for one in query.expressions for new in _listed(one, query, catalog)]
        query.set("expressions", listed)
    return query


def _listed(one: exp.Expr, query: exp.Select, catalog: Catalog) -> list[exp.Expr]:
    star = one.this if isinstance(one, exp.Column) else one
    if not (isinstance(star, exp.Star) and (star.args.get("replace") or star.args.get("rename"))):
        return [one]
    table = one.table if isinstance(one, exp.Column) and one.table else None
    new = {alias.alias: alias for alias in star.args.get("replace") or []}
    renamed = {alias.this.name: alias.alias for alias in star.args.get("rename") or []}
    told = columns.before_renaming(one, query, catalog)
    own = {name: exp.column(name, table=table) for name in told}
    own |= {name: exp.alias_(own[name], other) for name, other in renamed.items()}
    return [new.get(name) or own[name] for name in told]


def aliases_filtered(query: exp.Expr, catalog: Catalog) -> exp.Expr:
    """A `where` over the name of a computed column says the column; a name of a source stays what it is."""
    where = query.args.get("where")
    if where is None or not isinstance(query, exp.Select):
        return query
    told = {one.alias: one.this for one in query.expressions if isinstance(one, exp.Alias)}
    used = [one for one in where.find_all(exp.Column) if not one.table and one.name in told]
    own = set(columns.of_star(query, catalog)) if used else set()
    for one in used:
        if one.name not in own and one.find_ancestor(exp.Select) is query:
            one.replace(exp.paren(told[one.name].copy()))
    return query


def unnested(query: exp.Expr) -> exp.Expr:
    """Every `unnest` of a select becomes a column of a lateral view, all of them side by side."""
    if not isinstance(query, exp.Select):
        return query
    found = [one for listed in query.expressions for one in listed.find_all(exp.Explode, exp.Unnest)]
    if not found:
        return query
    if query.args.get("group") or any(one.find(exp.Window, exp.AggFunc) for one in found):
        query = _brought_inside(query)
        found = [one for listed in query.expressions for one in listed.find_all(exp.Explode, exp.Unnest)]
    numbered = count(1)
    names = [f"unnested_{next(numbered)}" for _ in found]
    lists = [one.this.copy() for one in found]
    for one, name in zip(found, names, strict=True):
        one.replace(exp.column(name, table="unnested"))
    every = call("inline", call("arrays_zip", *lists))
    alias = exp.TableAlias(this=exp.to_identifier("unnested"), columns=[exp.to_identifier(n) for n in names])
    query.append("laterals", exp.Lateral(this=every, view=True, alias=alias))
    return query


def _brought_inside(query: exp.Select) -> exp.Select:
    """Lists that aggregates or windows make stand in a query of their own, and are unnested around it."""
    outside: list[exp.Expr] = []
    for place, one in enumerate(query.expressions):
        if not one.find(exp.Explode, exp.Unnest):
            outside.append(exp.column(one.alias_or_name))
            continue
        unnest = one.unalias()
        if not isinstance(unnest, exp.Explode | exp.Unnest):
            raise Untranslatable(f"a computed unnest of a window: {one.sql('duckdb')[:80]}")
        name = f"list_{place}"
        outside.append(exp.alias_(exp.Explode(this=exp.column(name)), one.alias_or_name))
        one.replace(exp.alias_(unnest.this.copy(), name))
    inner = query.copy()
    inner.set("with_", None)
    around = exp.select(*outside).from_(exp.Subquery(this=inner, alias=_alias("listed")))
    around.set("with_", query.args.get("with_"))
    return around


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name))
