"""Small trees of SQL that several transforms put together."""

from typing import Any

from sqlglot import exp

DOUBLE = exp.DataType.build("double")
INTEGER = exp.DataType.build("int")
BIGINT = exp.DataType.build("bigint")
HUGEINT = exp.DataType.build("decimal(38, 0)")  # Spark's widest: the exact sums of the models stay below 1e38


class Untranslatable(ValueError):
    """A construct for which Spark has no counterpart here; names it."""


def call(name: str, *arguments: Any) -> exp.Anonymous:
    """A function of Spark by its name; texts and numbers among the arguments are parsed."""
    return exp.Anonymous(this=name, expressions=[_tree(one) for one in arguments])


def mapped(names: str, body: exp.Expr) -> exp.Lambda:
    """`(a, b) -> body`, of names with spaces between."""
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name) for name in names.split()])


def cast(value: exp.Expr, kind: exp.DataType) -> exp.Cast:
    """The value as another type, whatever it is now."""
    return exp.Cast(this=value.copy(), to=kind.copy())


def same_or(tree: exp.Expr, other: exp.Expr | None) -> exp.Expr:
    """What a transform made, or what it left as it was."""
    return tree if other is None else other


def _tree(value: Any) -> exp.Expr:
    return value.copy() if isinstance(value, exp.Expr) else exp.maybe_parse(str(value), dialect="spark")
