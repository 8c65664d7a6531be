"""A lake put back to what is published: a run that died wrote into tables that no reader was told of.

Nothing here is seen before the next publication, and all of it can be done twice, so it needs no transaction.
"""

from typing import Any

import duckdb

from python_steps import lake

SCHEMAS = ["raw", "steps", "stored", "main"]
TABLES = """
    select schema_name, table_name, list(column_name || ' ' || data_type order by column_index)
    from duckdb_columns()
    inner join duckdb_tables() using (database_name, schema_name, table_name)
    where database_name = $database and list_contains($schemas, schema_name)
    group by all
"""
VIEWS = """
    select schema_name, view_name, sql from duckdb_views()
    where database_name = $database and list_contains($schemas, schema_name) and not internal
"""
FILES = """
    select data_file, delete_file from ducklake_list_files($database, $table, schema => $schema) order by all
"""

Name = tuple[str, str]


def restore(con: duckdb.DuckDBPyConnection, snapshot: int | None) -> list[str]:
    """Make the newest state that of a snapshot, or empty where there is none; returns what differed."""
    newest = con.execute(f"from {lake.NAME}.current_snapshot()").fetchall()[0][0]
    if snapshot is not None and newest == snapshot + 1:  # nothing happened since it was published
        return []
    if snapshot is None:
        return _take_over(con, {}, {})
    with lake.opened(snapshot) as alone:  # beside another state, views would name tables of that
        views = _views(alone)
    with lake.beside(con, snapshot) as before:
        return _take_over(con, _tables(con, before), views, before)


def _take_over(
    con: duckdb.DuckDBPyConnection, tables: dict[Name, Any], views: dict[Name, str], before: str = ""
) -> list[str]:
    there, seen = _tables(con, lake.NAME), _views(con)
    turned = sorted(name for name in {*seen, *views} if seen.get(name) != views.get(name))
    changed = sorted(name for name in {*there, *tables} if there.get(name) != tables.get(name))
    for name in [name for name in turned if name in seen]:
        con.execute(f"drop view {lake.NAME}.{_text(name)}")
    for name in changed:
        is_same_shape = name in there and name in tables and there[name][0] == tables[name][0]
        for statement in _statements(
            _text(name), before, is_kept=name in tables, is_same_shape=is_same_shape
        ):
            con.execute(statement)
    for name in [name for name in turned if name in views]:
        con.execute(views[name])
    return [".".join(name) for name in sorted({*turned, *changed})]


def _statements(table: str, before: str, *, is_kept: bool, is_same_shape: bool) -> list[str]:
    """What makes one table what it was; one with the same columns keeps what they may not be."""
    if not is_kept:
        return [f"drop table {lake.NAME}.{table}"]
    if is_same_shape:
        return [f"delete from {lake.NAME}.{table}", f"insert into {lake.NAME}.{table} from {before}.{table}"]
    return [f"create or replace table {lake.NAME}.{table} as from {before}.{table}"]


def _tables(con: duckdb.DuckDBPyConnection, database: str) -> dict[Name, Any]:
    """Columns and Parquet files of each table: where these are the same, so are its rows."""
    found = con.execute(TABLES, {"database": database, "schemas": SCHEMAS}).fetchall()
    return {
        (schema, table): (columns, _files(con, database, schema, table)) for schema, table, columns in found
    }


def _files(con: duckdb.DuckDBPyConnection, database: str, schema: str, table: str) -> list[Any]:
    return con.execute(FILES, {"database": database, "table": table, "schema": schema}).fetchall()


def _views(con: duckdb.DuckDBPyConnection) -> dict[Name, str]:
    found = con.execute(VIEWS, {"database": lake.NAME, "schemas": SCHEMAS}).fetchall()
    return {(schema, view): sql for schema, view, sql in found}


def _text(name: Name) -> str:
    return '"' + '"."'.join(part.replace('"', '""') for part in name) + '"'
