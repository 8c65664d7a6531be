"""The names of the columns that a query gives, for what Spark wants spelled out."""

from collections.abc import Callable, Sequence

from sqlglot import exp

from flows.spark.building import Untranslatable

Catalog = Callable[[str], Sequence[str]]  # of `schema.table`


def names(query: exp.Expr, catalog: Catalog) -> list[str]:
    """Columns of a query in order; raises Untranslatable for one that has no name."""
    if isinstance(query, exp.Subquery):
        return names(query.this, catalog)
    if isinstance(query, exp.SetOperation):
        here, there = names(query.left, catalog), names(query.right, catalog)
        return list(dict.fromkeys([*here, *there])) if query.args.get("by_name") else here
    if not isinstance(query, exp.Select):
        raise Untranslatable(f"columns of {query.sql('duckdb')[:80]}")
    found: list[str] = []
    for one in query.expressions or [exp.Star()]:
        found += of_projection(one, query, catalog)
    return found


def of_projection(one: exp.Expr, query: exp.Select, catalog: Catalog) -> list[str]:
    """Columns that one entry of a select gives; a star gives many."""
    star = one.this if isinstance(one, exp.Column) else one
    renamed = {alias.this.name: alias.alias for alias in star.args.get("rename") or []}
    return [renamed.get(name, name) for name in before_renaming(one, query, catalog)]


def before_renaming(one: exp.Expr, query: exp.Select, catalog: Catalog) -> list[str]:
    """The same by the names of the sources."""
    if isinstance(one, exp.Star):
        return _kept(one, of_star(query, catalog))
    if isinstance(one, exp.Column) and isinstance(one.this, exp.Star):
        sources = [source for source in _sources(query) if source.alias_or_name == one.table]
        return _kept(one.this, of_source(sources[0], catalog))
    if not one.alias_or_name:
        raise Untranslatable(f"a column without a name: {one.sql('duckdb')[:80]}")
    return [one.alias_or_name]


def of_star(query: exp.Select, catalog: Catalog) -> list[str]:
    """Columns of all sources; one that joins them is there once."""
    found: list[str] = []
    for source in _sources(query):
        join = source.parent if isinstance(source.parent, exp.Join) else None
        shared = {key.name for key in (join.args.get("using") or [])} if join else set()
        found += [name for name in of_source(source, catalog) if name not in shared]
    return found


def _kept(star: exp.Star, every: list[str]) -> list[str]:
    left_out = {one.name for one in star.args.get("except_") or []}
    return [name for name in every if name not in left_out]


def _sources(query: exp.Select) -> list[exp.Expr]:
    joined = [join.this for join in query.args.get("joins") or []]
    begun = query.args.get("from_")
    return ([begun.this] if begun else []) + joined


def of_source(source: exp.Expr, catalog: Catalog) -> list[str]:
    """Columns of a table, a name of `with`, or a query in brackets."""
    renamed = source.args.get("alias")
    if renamed is not None and renamed.columns:
        return [one.name for one in renamed.columns]
    if not isinstance(source, exp.Table):
        return names(source, catalog)
    told = None if source.db else _told_above(source)
    if told is not None:
        return names(told, catalog)
    return list(catalog(f"{source.db}.{source.name}"))


def _told_above(source: exp.Table) -> exp.Expr | None:
    """The query that a name of `with` stands for, by the nearest `with` around it."""
    here: exp.Expr | None = source.parent
    while here is not None:
        for told in here.ctes if isinstance(here, exp.Query) else []:
            if told.alias == source.name and not _is_within(source, told):
                return told.this
        here = here.parent
    return None


def _is_within(source: exp.Expr, told: exp.Expr) -> bool:
    here: exp.Expr | None = source
    while here is not None and here is not told:
        here = here.parent
    return here is told
