"""The only door between Python and DuckDB: one way to connect, to read, and to append what fits."""

import datetime as dt
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from python_steps import lake

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

SOURCES = Path(__file__).parent.parent / "models" / "raw" / "sources.yml"
FILE_VARIABLE = "PORTFOLIO_WAREHOUSE_FILE"
DEFAULT_FILE = ".warehouse/working.duckdb"

# More threads change the last bits of float sums. profiles.yml repeats these, because DuckDB refuses a
# second configuration for a file that is already open in the process.
THREADS = 1
# A new file of this version keeps texts in half the time of the first; DuckDB 1.5 and later can read it.
STORAGE = "v1.5.0"
CONFIG: dict[str, Any] = {
    "threads": THREADS,
    "autoinstall_known_extensions": False,
    "storage_compatibility_version": STORAGE,
}

LARGEST_EXACT_INTEGER = 2**53
PLAIN = {"BOOLEAN", "BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "TIMESTAMP", "DATE"}
ARROW_TYPES: dict[str, pa.DataType] = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "blob": pa.binary(),
}


class SchemaError(ValueError):
    """One line: the table, the column, the row, and what was expected."""


class Declared(NamedTuple):
    """What sources.yml says of one column."""

    type: str
    is_nullable: bool

    def __str__(self) -> str:
        return self.type if self.is_nullable else f"{self.type} not null"


def path() -> Path:
    """The database file of this process, as dbt's profile finds it."""
    return Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))


def connect(file: str | Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a database file with the settings every connection of the warehouse has.

    Raises duckdb.Error, with the file's name, where it is damaged or in use.
    """
    try:
        con = duckdb.connect(str(file), read_only=read_only, config=CONFIG)
    except duckdb.Error as error:
        if str(file) in str(error):
            raise
        raise type(error)(f"{file}: {error}") from error
    con.execute("set TimeZone = 'UTC'")
    con.execute(lake.SILENT)
    # A wrong guess of the left side's size turns an as-of join into a loop over all pairs.
    con.execute("set asof_loop_join_threshold = 0")
    if lake.is_lake(file):
        lake.attach(con, read_only=read_only)
    return con


def attach(con: duckdb.DuckDBPyConnection, file: Path, name: str) -> None:
    """Another warehouse beside an open one, read-only: its file, or the lake as it is published."""
    if lake.is_lake(file):
        lake.attach_published(con, name)
    else:
        con.execute(f"attach '{lake.quoted(str(file))}' as {name} (read_only)")


def cursor(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """One more connection to what is open, for a thread of its own: one of a lake would begin in its file."""
    (name,) = con.execute("select current_database()").fetchall()[0]
    other = con.cursor()
    other.execute(f'use "{name}"')
    other.execute(lake.SILENT)
    return other


def backend(con: duckdb.DuckDBPyConnection) -> "Backend":
    """Ibis over an open connection."""
    import ibis  # a second of import, so only where it is used

    return ibis.duckdb.from_connection(con)


@cache
def declared_columns() -> dict[str, dict[str, Declared]]:
    """Columns of every table Python writes, keyed by `schema.table` and then by column."""
    content = yaml.safe_load(SOURCES.read_text("utf-8"))
    return {
        f"{source['name']}.{table['name']}": {
            column["name"]: _declared(column["data_type"]) for column in table["columns"]
        }
        for source in content["sources"]
        for table in source["tables"]
    }


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create every table of sources.yml that is missing, as dbt does before each of its commands."""
    for table, columns in declared_columns().items():
        con.execute(f"create schema if not exists {table.partition('.')[0]}")
        shape = ", ".join(f'"{name}" {declared}' for name, declared in columns.items())
        con.execute(f"create table if not exists {table} ({shape})")


def misfits(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Tables of sources.yml whose columns are not those it declares, and how they differ, in words.

    Another version of the project made them: what is declared now cannot be appended to them.
    """
    found: dict[str, set[str]] = {}
    rows = con.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns()"
    ).fetchall()
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    said = {}
    for table, columns in declared_columns().items():
        there = found.get(table, set(columns))
        parts = [f"no {', '.join(sorted(set(columns) - there))}"] * bool(set(columns) - there)
        parts += [f"unknown {', '.join(sorted(there - set(columns)))}"] * bool(there - set(columns))
        if parts:
            said[table] = " and ".join(parts)
    return said


def read(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str] | None = None,
    where: "Callable[[ibis.Table], Any] | None" = None,
) -> pd.DataFrame:
    """Rows of `schema.table` (schema main if left out), in no particular order.

    `where` gets the Ibis table and returns a predicate: `lambda t: t.decision_at <= as_of`.
    Timestamps are naive UTC, dates are datetime64 at midnight, and no zero is negative: DuckDB keeps the sign
    of a zero or not, as the rows stored around it will have it.
    """
    schema, _, name = table.rpartition(".")
    rows = backend(con).table(name, database=schema or "main")
    if where is not None:
        rows = rows.filter(where(rows))
    frame = _to_frame(rows.select(*columns) if columns is not None else rows)
    doubles = list(frame.select_dtypes("float64"))
    return frame.assign(**{name: frame[name] + 0.0 for name in doubles})


def _to_frame(rows: "ibis.Table") -> pd.DataFrame:
    """What `rows.to_pandas()` gives, in a tenth of its time where numbers or instants are null: of such a
    column Ibis makes Python's objects, one by one."""
    from ibis.backends.duckdb.converter import DuckDBPandasData

    answer = rows.to_pyarrow()
    columns = zip(answer.column_names, answer.columns, strict=True)
    frame = pd.DataFrame(
        {name: values.to_pandas() if _is_plain(values) else values.to_pylist() for name, values in columns}
    )
    return DuckDBPandasData.convert_table(frame, rows.schema())


def _is_plain(values: pa.ChunkedArray) -> bool:
    """Whether Arrow's way to pandas keeps the nulls of a column as Ibis does."""
    is_known = pa.types.is_floating(values.type) or pa.types.is_timestamp(values.type)
    has_parts = pa.types.is_nested(values.type) or pa.types.is_dictionary(values.type)
    return is_known or not (values.null_count or has_parts)


def write(con: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> int:
    """Append the rows of a frame to a table of sources.yml, and return how many there were.

    Raises SchemaError before anything is written: unknown table or columns, a wrong type, a null
    where none may stand.
    """
    rows = to_arrow(table, frame)
    schema, _, name = table.rpartition(".")
    if rows.num_rows:
        backend(con).insert(name, rows, database=schema)
    return rows.num_rows


def to_arrow(table: str, frame: pd.DataFrame) -> pa.Table:
    """The frame in the declared order and types; integers and floats change place only without loss."""
    declared = declared_columns().get(table)
    if declared is None:
        raise SchemaError(f"{table}: not in {SOURCES.name}")
    missing = [column for column in declared if column not in frame.columns]
    unknown = [str(column) for column in frame.columns if column not in declared]
    if missing or unknown:
        parts = [f"missing {missing}"] * bool(missing) + [f"unknown {unknown}"] * bool(unknown)
        raise SchemaError(f"{table}: {', '.join(parts)}")
    arrays = [_column(f"{table}: {name}", frame[name], kind) for name, kind in declared.items()]
    return pa.table(arrays, names=list(declared))


def rows_digest(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> str:
    """SHA-256 over names, types and rows of a query: the order of rows is left out, float bits are not.

    DuckDB writes a double as the shortest text that reads back to the same bits. Text stands behind its size.
    """
    described = con.execute(f"describe {query}", parameters or {}).fetchall()
    values = [_written(name.replace('"', '""'), kind) for name, kind, *_ in described]
    hashes = con.execute(
        f"select sha256(concat_ws('|', {', '.join(values)})) as row_hash from ({query}) order by row_hash",
        parameters or {},
    )
    total = hashlib.sha256(repr([row[:2] for row in described]).encode())
    while block := hashes.fetchmany(50_000):
        total.update("".join(row_hash for (row_hash,) in block).encode())
    return total.hexdigest()


def _written(name: str, kind: str) -> str:
    """A column as text that says where it ends: only that of plain values has no '|' in it."""
    if kind in PLAIN:
        return f"""coalesce("{name}"::varchar, '-')"""
    return f"""coalesce(length("{name}"::varchar) || ':' || "{name}"::varchar, '-')"""


def _declared(text: str) -> Declared:
    kind = text.removesuffix(" not null")
    if kind not in ARROW_TYPES:
        raise SchemaError(f"{SOURCES.name}: data_type '{text}' is not one of {', '.join(ARROW_TYPES)}")
    return Declared(kind, is_nullable=kind == text)


def _column(place: str, values: pd.Series, declared: Declared) -> pa.Array:
    nulls = values.isna().to_numpy(dtype=bool)
    if nulls.any() and not declared.is_nullable:
        raise SchemaError(f"{place}: row {int(nulls.argmax())} is null, expected {declared}")
    if nulls.all():
        return pa.nulls(len(values), ARROW_TYPES[declared.type])
    converted = _CONVERTERS[declared.type](values)
    if converted is None:
        row = _first_misfit(values, declared.type, nulls)
        found = values.iloc[[row]].tolist()[0]
        raise SchemaError(f"{place}: row {row} is {found!r} ({type(found).__name__}), expected {declared}")
    return pa.array(converted, type=ARROW_TYPES[declared.type], from_pandas=True)


def _first_misfit(values: pd.Series, kind: str, nulls: np.ndarray) -> int:
    rows = np.flatnonzero(~nulls)
    return int(next((row for row in rows if _CONVERTERS[kind](values.iloc[[row]]) is None), rows[0]))


# Each takes a column and returns what Arrow can take over without loss, or None where it cannot.


def _as_text(values: pd.Series) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    return values if pd.api.types.infer_dtype(values, skipna=True) == "string" else None


def _as_integers(values: pd.Series) -> Any:
    numbers = _numbers(values)
    if numbers is None or pd.api.types.is_integer_dtype(numbers):
        return numbers
    known = numbers.to_numpy(dtype=float, na_value=np.nan)
    known = known[~np.isnan(known)]
    is_whole = np.all(np.isfinite(known)) and np.all(known == np.floor(known))
    if not is_whole or np.any(np.abs(known) > LARGEST_EXACT_INTEGER):
        return None
    return numbers.astype("Int64")


def _as_doubles(values: pd.Series) -> Any:
    numbers = _numbers(values)
    if numbers is None or not pd.api.types.is_integer_dtype(numbers):
        return None if numbers is None else numbers.astype("float64") + 0.0  # no negative zero
    is_exact = bool((numbers.dropna().abs() <= LARGEST_EXACT_INTEGER).all())
    return numbers.astype("Float64").to_numpy(dtype=float, na_value=np.nan) if is_exact else None


def _numbers(values: pd.Series) -> pd.Series | None:
    if values.dtype == object:
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind == "integer":
            return values.astype("Int64")
        return values.astype("float64") if kind in {"floating", "mixed-integer-float"} else None
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return values if is_number else None


def _as_booleans(values: pd.Series) -> Any:
    return values if pd.api.types.infer_dtype(values, skipna=True) == "boolean" else None


def _as_timestamps(values: pd.Series) -> Any:
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "datetime":
        values = pd.to_datetime(values)
    if not pd.api.types.is_datetime64_dtype(values):  # also false for a time zone, which says "not UTC yet"
        return None
    rounded = values.astype("datetime64[us]")
    return rounded if bool((rounded == values).where(values.notna(), other=True).all()) else None


def _as_dates(values: pd.Series) -> Any:
    if values.dtype == object:
        is_plain = all(type(value) is dt.date for value in values.dropna())
        return values if is_plain else None
    instants = _as_timestamps(values)
    if instants is None:
        return None
    is_midnight = (instants == instants.dt.normalize()).where(instants.notna(), other=True)
    return instants.dt.date if bool(is_midnight.all()) else None


_CONVERTERS: dict[str, Callable[[pd.Series], Any]] = {
    "varchar": _as_text,
    "bigint": _as_integers,
    "double": _as_doubles,
    "boolean": _as_booleans,
    "timestamp": _as_timestamps,
    "date": _as_dates,
}
