"""Times, JSON and texts."""

import json

from sqlglot import exp

from flows.spark.building import Untranslatable, call, mapped


def of_times(tree: exp.Expr) -> exp.Expr:
    """Days of the week, spans and clocks."""
    if isinstance(tree, exp.DayOfWeekIso):
        return exp.Paren(this=exp.Add(this=call("weekday", tree.this), expression=exp.Literal.number(1)))
    if isinstance(tree, exp.DateDiff):
        return call("timestampdiff", exp.var(tree.text("unit")), tree.expression, tree.this)
    if isinstance(tree, exp.Anonymous) and tree.name.lower() == "to_minutes":
        return call("make_dt_interval", 0, 0, tree.expressions[0])
    if isinstance(tree, exp.Anonymous) and tree.name.lower() == "timezone":
        zone, wall = tree.expressions
        return call("to_utc_timestamp", _wall_clock(wall), zone)
    return tree


def _wall_clock(wall: exp.Expr) -> exp.Expr:
    """`day + time_of_day` as an instant."""
    if not isinstance(wall, exp.Add):
        raise Untranslatable(f"a wall clock of another shape: {wall.sql('duckdb')}")
    return call("make_timestamp", wall.left, wall.right)


def of_json(tree: exp.Expr) -> exp.Expr:
    """JSON is text in Spark, and its values are read by path."""
    if isinstance(tree, exp.JSONExtract | exp.JSONExtractScalar):
        return _read(tree)
    if isinstance(tree, exp.JSONKeys):
        return call("json_object_keys", tree.this)
    if isinstance(tree, exp.JSONType):
        return _type(tree.this)
    if isinstance(tree, exp.Anonymous) and tree.name.lower() == "from_json":
        return call("from_json", tree.expressions[0], f"'{_schema(tree.expressions[1].this)}'")
    if isinstance(tree, exp.JSONObject):
        pairs = [part for pair in tree.expressions for part in (pair.this, pair.expression)]
        return call("to_json", call("named_struct", *pairs), "map('ignoreNullFields', 'false')")
    if isinstance(tree, exp.Anonymous) and tree.name.lower() == "to_json":
        return _written(tree.expressions[0])
    return tree


def parts(value: exp.Expr) -> exp.Expr:
    """The elements of a list in JSON, each as it was written; a text has lost its quotes."""
    return call("from_json", value, "'array<string>'")


def _written(told: exp.Expr) -> exp.Expr:
    """A map of names to JSON, as JSON, each value as it was; a text that stood alone gets its quotes."""
    if not isinstance(told, exp.Map):
        raise Untranslatable(f"JSON of what is no map: {told.sql('duckdb')[:80]}")
    is_text = exp.Is(this=call("try_parse_json", "v"), expression=exp.null())
    value = call("if", is_text, call("concat", "'\"'", "v", "'\"'"), "v")
    entry = mapped("k v", call("concat", "'\"'", "k", "'\":'", value))
    entries = call("zip_with", told.args["keys"], told.args["values"], entry)
    return call("concat", "'{'", call("concat_ws", "','", entries), "'}'")


def _read(tree: exp.Expr) -> exp.Expr:
    path = tree.expression
    if not isinstance(path, exp.JSONPath):
        is_path = any(one.this.startswith("$") for one in path.find_all(exp.Literal))
        path = (
            call("replace", path.unnest(), "'\"'", "''") if is_path else call("concat", "'$.'", path.unnest())
        )
    elif len(path.expressions) == 1:  # all of it: a text that stands alone may have lost its quotes
        return call("coalesce", call("get_json_object", tree.this, "'$'"), tree.this)
    else:
        path = exp.Literal.string("$" + "".join(f".{one.this}" for one in path.expressions[1:]))
    return call("get_json_object", tree.this, path)


def _type(value: exp.Expr) -> exp.Expr:
    is_list = exp.EQ(this=call("left", value, 1), expression=exp.Literal.string("["))
    return call("if", is_list, "'ARRAY'", "'OTHER'")


def _schema(told: str) -> str:
    (shape,) = json.loads(told)
    return f"array<struct<{','.join(f'{name}:string' for name in shape)}>>"
