"""Numbers as DuckDB reckons with them: division of doubles, exact sums, casts that round."""

from sqlglot import exp

from flows.spark import texts
from flows.spark.building import BIGINT, DOUBLE, HUGEINT, call, cast, mapped

INFINITY = "double('Infinity')"


def divided(tree: exp.Expr) -> exp.Expr:
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


def _is_never_zero(tree: exp.Expr) -> bool:
    plain = tree.unnest()
    if isinstance(plain, exp.Literal):
        return float(plain.this) != 0
    return isinstance(plain, exp.Nullif | exp.Cast) and _is_never_null_of_zero(plain)


def _is_never_null_of_zero(tree: exp.Expr) -> bool:
    """Whether a value is null where it would be zero."""
    if isinstance(tree, exp.Cast):
        return _is_never_zero(tree.this)
    return tree.expression.sql() == "0"


def kind(tree: exp.Expr) -> exp.Expr:
    """A cast to a type of DuckDB, as one to Spark's. What the models cast to integers is whole already."""
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


def summed(tree: exp.Expr) -> exp.Expr:
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


def of_functions(tree: exp.Expr) -> exp.Expr:
    """Functions of numbers that have another name, or none, in Spark."""
    if isinstance(tree, exp.Median):
        return call("percentile", tree.this, "0.5d")
    if not isinstance(tree, exp.Anonymous):
        return tree
    match tree.name.lower():
        case "isfinite":
            (one,) = tree.expressions
            most: exp.Expr = exp.maybe_parse(INFINITY, dialect="spark")
            return exp.Paren(this=exp.LT(this=call("abs", one), expression=most))
        case "divide":
            above, below = (exp.paren(one.copy()) for one in tree.expressions)
            return exp.Paren(this=exp.IntDiv(this=above, expression=below))
        case "gcd":
            return _divisor(*tree.expressions)
        case "hash":
            return call("struct", *tree.expressions)
    return tree


def _divisor(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """Greatest common divisor of two positive integers: the largest, up to the smaller, that divides both."""
    upto = call("sequence", "1L", call("least", cast(one, BIGINT), cast(other, BIGINT)))
    both = exp.and_(_is_divided(one), _is_divided(other))
    return call("array_max", call("filter", upto, mapped("n", both)))


def _is_divided(number: exp.Expr) -> exp.Expr:
    rest = exp.Mod(this=exp.paren(number.copy()), expression=exp.column("n"))
    return exp.EQ(this=rest, expression=exp.Literal.number(0))
