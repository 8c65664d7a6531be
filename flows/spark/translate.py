"""A query of DuckDB as one of Spark, construct by construct."""

import sqlglot
from sqlglot import exp

from flows.spark import joins, lists, numbers, selects, texts, windows
from flows.spark.columns import Catalog
from flows.spark.windows import Bounds


def translate(sql: str, catalog: Catalog, bounds: Bounds) -> str:
    """The SQL of a model as Spark runs it. Raises Untranslatable for what has no counterpart here.

    `catalog` gives the columns of `schema.table`, for what is joined by name; `bounds` has what the bounds of
    frames can be, row by row, for frames that differ from class to class.
    """
    tree = sqlglot.parse_one(sql, read="duckdb")
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)
    # Queries from the innermost out, then what stands in them: a transform may look at what is around it.
    for query in reversed([*tree.find_all(exp.Query)]):
        changed: exp.Expr = query
        for named in (selects.by_name, selects.replaced, selects.aliases_filtered):
            changed = named(changed, catalog)
        for shape in (joins.as_of, windows.inlined, selects.unnested):
            changed = shape(changed)
        tree = _put(tree, query, changed)
    for window in [*tree.find_all(exp.Window)]:
        tree = _put(tree, window, windows.spelled_out(window, bounds))
    for node in reversed([*tree.walk()]):
        tree = _put(tree, node, _expressed(node))
    return tree.sql(dialect="spark", pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)


def _expressed(node: exp.Expr) -> exp.Expr:
    """A node after the first transform that knows it."""
    for change in (
        *(numbers.summed, lists.gathered, lists.comprehended, lists.picked, lists.of_functions),
        *(texts.of_times, texts.of_json, numbers.of_functions, numbers.divided, numbers.kind),
    ):
        changed = change(node)
        if changed is not node:
            return changed
    return node


def _put(tree: exp.Expr, old: exp.Expr, new: exp.Expr) -> exp.Expr:
    if new is old:
        return tree
    if old is tree:
        return new
    old.replace(new)
    return tree
