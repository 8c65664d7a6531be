"""Numbers as DuckDB reckons with them: division of doubles, exact sums, casts that round."""

from sqlglot import exp

from flows.spark import texts
from flows.spark.building import BIGINT, DOUBLE, HUGEINT, Untranslatable, call, cast

INFINITY = "double('Infinity')"


def divided(tree: exp.Expression) -> exp.Expression:
    """`a / b` of doubles, as IEEE 754 has it: by zero it is infinite, or no number."""
    if not isinstance(tree, exp.Div):
        return tree
    above, below = cast(tree.left, DOUBLE), tree.right
    if _is_never_zero(below):
        return exp.Paren(this=exp.Div(this=above, expression=below.copy(), typed=True, safe=True))
    is_zero = exp.EQ(this=exp.paren(below.copy()), expression=exp.Literal.number(0))
    over = exp.Mul(this=above, expression=call("if", is_zero, INFINITY, "1d"))
    under = call("if", is_zero, "1d", cast(below, DOUBLE))
    return exp.Paren(this=exp.Div(this=over, expression=under, typed=True, safe=True))


def _is_never_zero(tree: exp.Expression) -> bool:
    plain = tree.unnest()
    if isinstance(plain, exp.Literal):
        return float(plain.this) != 0
    return isinstance(plain, exp.Nullif | exp.Cast) and _is_never_null_of_zero(plain)


def _is_never_null_of_zero(tree: exp.Expression) -> bool:
    """Whether a value is null where it would be zero."""
    if isinstance(tree, exp.Cast):
        return _is_never_zero(tree.this)
    return tree.expression.sql() == "0"


def kind(tree: exp.Expression) -> exp.Expression:
    """A cast to a type of DuckDB, as one to Spark's; of what is no integer it rounds, which Spark would cut."""
    if not isinstance(tree, exp.Cast):
        return tree
    wanted = tree.to.sql("duckdb")
    if wanted == "INT128":
        tree.set("to", HUGEINT.copy())
    elif wanted == "TIMESTAMP":
        tree.set("to", exp.DataType.build("timestamp"))
    elif wanted == "JSON":
        return tree.this
    elif wanted == "TEXT[]":
        return call("from_json", tree.this, "'array<string>'")
    elif wanted == "JSON[]":
        return texts.parts(tree.this)
    return tree


def summed(tree: exp.Expression) -> exp.Expression:
    """A sum of integers of 1e-12 is one of hugeints, as DuckDB makes it; Spark would overflow."""
    if isinstance(tree, exp.Sum):
        value = tree.this.unnest()
        if isinstance(value, exp.Cast) and value.to.sql("duckdb") == "BIGINT":
            tree.set("this", cast(value, HUGEINT))
        elif isinstance(value, exp.Order):
            tree.set("this", value.this)  # an order of what is added shows in its last bits alone
    elif isinstance(tree, exp.Avg) and isinstance(tree.this, exp.Order):
        tree.set("this", tree.this.this)
    return tree


def of_functions(tree: exp.Expression) -> exp.Expression:
    """Functions of numbers that have another name, or none, in Spark."""
    if isinstance(tree, exp.Median):
        return call("percentile", tree.this, "0.5d")
    if not isinstance(tree, exp.Anonymous):
        return tree
    one = tree.expressions[0] if tree.expressions else None
    match tree.name.lower():
        case "isfinite":
            return exp.Paren(this=exp.LT(this=call("abs", one), expression=exp.maybe_parse(INFINITY, dialect="spark")))
        case "divide":
            return exp.Paren(this=exp.IntDiv(this=exp.paren(one.copy()), expression=exp.paren(tree.expressions[1].copy())))
        case "gcd":
            return _divisor(one, tree.expressions[1])
        case "hash":
            return call("struct", *tree.expressions)
    return tree


def _divisor(one: exp.Expression, other: exp.Expression) -> exp.Expression:
    """Greatest common divisor of two positive integers: the largest number up to the smaller that divides both."""
    upto = call("sequence", "1L", call("least", cast(one, BIGINT), cast(other, BIGINT)))
    both = exp.and_(
        exp.EQ(this=exp.Mod(this=exp.paren(one.copy()), expression=exp.column("n")), expression=exp.Literal.number(0)),
        exp.EQ(this=exp.Mod(this=exp.paren(other.copy()), expression=exp.column("n")), expression=exp.Literal.number(0)),
    )
    return call("array_max", call("filter", upto, exp.Lambda(this=both, expressions=[exp.to_identifier("n")])))
