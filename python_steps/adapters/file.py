"""Bars, assets, corporate actions and holdings from a user's CSV or Parquet file."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from python_steps import warehouse
from python_steps.errors import InputError

VENDOR = "file"
FORMATS = (".csv", ".parquet")

# Column and kind of value, in the order in which rows carry them.
BARS = {
    "symbol": "text",
    "session_date": "day",
    "opened_at": "instant",
    "closed_at": "instant",
    "open": "number",
    "high": "number",
    "low": "number",
    "close": "number",
    "volume": "number",
    "asset_class": "text",
    "known_at": "instant",
    "recorded_at": "instant",
    "vendor": "text",
}
ASSETS = {
    "symbol": "text",
    "asset_class": "text",
    "venue": "text",
    "currency": "text",
    "member_from": "day",
    "member_until": "day",
    "known_at": "instant",
    "adjustment": "text",
}
ADJUSTMENTS = ("none", "splits", "splits_and_dividends")
ACTIONS = {
    "symbol": "text",
    "ex_date": "day",
    "kind": "text",
    "value": "number",
    "known_at": "instant",
    "vendor": "text",
}
HOLDINGS = {"symbol": "text", "weight": "number"}
# What a file may call a column, by preference; all else goes by its own name.
NAMES_IN_FILES = {"session_date": ("date", "session_date"), "vendor": ("vendor", "source")}
EXPECTED = {
    "text": "text",
    "number": "a number such as 12.5",
    "day": "a day such as 2019-09-30",
    "instant": "an instant in UTC such as 2019-09-30 20:00:00",
}
DUCKDB_TYPES = {"text": "varchar", "number": "double", "day": "date", "instant": "timestamp"}
NUMBER_TYPES = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    *("FLOAT", "DOUBLE", "DECIMAL"),
)


@dataclass(frozen=True)
class Payload:
    """A file as it came: its name, its bytes, and their SHA-256."""

    name: str
    content: bytes
    payload_hash: str


@dataclass(frozen=True)
class Parsed:
    """Rows of a payload in file order, and the columns of the file that nothing reads.

    `rows` has `row_number` (1 for the first row of data) and then the columns of BARS, ASSETS or ACTIONS;
    what the file lacks is null.
    """

    rows: pa.Table
    ignored: tuple[str, ...]


def fetch(path: str | Path) -> Payload:
    """The bytes of a file; raises InputError where it cannot be read, is empty, or is of no known format."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: unknown format '{path.suffix}'; expected {' or '.join(FORMATS)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    if not content:
        raise InputError(f"{path}: is empty; expected a header and rows")
    return Payload(path.name, content, hashlib.sha256(content).hexdigest())


def parse(payload: Payload) -> Parsed:
    """Bars of a payload. A row that lacks a date has both instants.

    Raises InputError with file, row and column: a missing column, a value of the wrong kind, no symbol,
    no date, one instant without the other.
    """
    table = _read(payload)
    places = _places(payload.name, table, BARS)
    _require(payload.name, places, table, ["symbol", "close"])
    if "session_date" not in places and not {"opened_at", "closed_at"} <= places.keys():
        raise InputError(
            f"{payload.name}: missing column 'date', or 'opened_at' and 'closed_at'; found {_found(table)}"
        )
    con = warehouse.connect(":memory:")
    rows = _typed(payload.name, con, table, places, BARS)
    _refuse_first(payload.name, con, "symbol is null", "column 'symbol' is empty; expected a symbol")
    _refuse_first(
        payload.name,
        con,
        "(opened_at is null) <> (closed_at is null)",
        "has one of 'opened_at' and 'closed_at'; expected both or neither",
    )
    _refuse_first(
        payload.name,
        con,
        "session_date is null and opened_at is null",
        "has no date; expected 'date', or 'opened_at' and 'closed_at'",
    )
    return Parsed(rows, _ignored(table, places))


def parse_assets(payload: Payload) -> Parsed:
    """Assets of a payload, one row per symbol; venue and currency may be null, for those of the class.

    Raises InputError with file, row and column: as `parse`, and a symbol that stands twice or a
    membership that ends before it begins.
    """
    table = _read(payload)
    places = _places(payload.name, table, ASSETS)
    con = warehouse.connect(":memory:")
    rows = _by_symbol(payload.name, con, table, places, ASSETS, "asset_class")
    _refuse_first(
        payload.name, con, "member_from >= member_until", "'member_until' is not after 'member_from'"
    )
    return Parsed(rows, _ignored(table, places))


def parse_actions(payload: Payload) -> Parsed:
    """Corporate actions of a payload; `known_at` and `vendor` may be null.

    Raises InputError with file, row and column: as `parse`, and a row without symbol, ex_date, kind or value.
    """
    table = _read(payload)
    places = _places(payload.name, table, ACTIONS)
    needed = ["symbol", "ex_date", "kind", "value"]
    _require(payload.name, places, table, needed)
    con = warehouse.connect(":memory:")
    rows = _typed(payload.name, con, table, places, ACTIONS)
    for column in needed:
        expected = EXPECTED[ACTIONS[column]]
        _refuse_first(
            payload.name, con, f"{column} is null", f"column '{column}' is empty; expected {expected}"
        )
    return Parsed(rows, _ignored(table, places))


def parse_holdings(payload: Payload, *, allow_shorts: bool = False) -> dict[str, float]:
    """Weights by symbol. Raises InputError with file, row and column: as `parse_assets`, a weight that is
    negative (with shorts: below -1) or not finite, and weights above 1 in all.
    """
    least = -1 if allow_shorts else 0
    table = _read(payload)
    places = _places(payload.name, table, HOLDINGS)
    con = warehouse.connect(":memory:")
    rows = _by_symbol(payload.name, con, table, places, HOLDINGS, "weight")
    _refuse_first(
        payload.name,
        con,
        f"not isfinite(weight) or weight < {least}",
        f"column 'weight'; expected {least} or more",
    )
    weights = dict(zip(rows["symbol"].to_pylist(), rows["weight"].to_pylist(), strict=True))
    if sum(weights.values()) > 1 + 1e-9:
        raise InputError(f"{payload.name}: the weights sum to {sum(weights.values()):g}; expected at most 1")
    return weights


def _by_symbol(
    name: str,
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    places: Mapping[str, str],
    kinds: Mapping[str, str],
    needed: str,
) -> pa.Table:
    """Typed rows, one for each symbol, none without a symbol or the needed column."""
    _require(name, places, table, ["symbol", needed])
    rows = _typed(name, con, table, places, kinds)
    for column in ("symbol", needed):
        _refuse_first(name, con, f"{column} is null", f"column '{column}' is empty; expected {kinds[column]}")
    _refuse_first(
        name,
        con,
        "row_number not in (select min(row_number) from rows group by symbol)",
        "its symbol stands in an earlier row; expected one row per symbol",
    )
    return rows


def _read(payload: Payload) -> pa.Table:
    is_csv = payload.name.lower().endswith(".csv")
    try:
        table = (
            _read_csv(payload.content) if is_csv else arrow_parquet.read_table(io.BytesIO(payload.content))
        )
    except (pa.ArrowException, OSError) as error:
        # Arrow counts the header as a row, we do not.
        said = re.sub(r"Row #(\d+)", lambda found: f"row {int(found[1]) - 1}", str(error).splitlines()[0])
        raise InputError(
            f"{payload.name}: not readable as {'CSV' if is_csv else 'Parquet'} ({said})"
        ) from None
    if not table.num_rows:
        raise InputError(f"{payload.name}: has no rows; expected at least one below the header")
    return table


def _read_csv(content: bytes) -> pa.Table:
    """Every cell as text, or null where it is empty: what a cell means is decided in one place."""
    # On one thread, so that an error names its row.
    read = arrow_csv.ReadOptions(use_threads=False)
    names = arrow_csv.open_csv(io.BytesIO(content), read_options=read).schema.names
    if len(set(names)) < len(names):  # read_csv would fold them into one
        repeated = next(name for name in names if names.count(name) > 1)
        raise pa.ArrowInvalid(f"column '{repeated}' stands twice")
    as_text = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return arrow_csv.read_csv(io.BytesIO(content), read_options=read, convert_options=as_text)


def _places(name: str, table: pa.Table, kinds: Mapping[str, str]) -> dict[str, str]:
    """Which column of the file holds which of ours; upper case and blanks around a name do not matter."""
    found: dict[str, str] = {}
    for column in table.column_names:
        if (plain := column.strip().lower()) in found:
            raise InputError(f"{name}: column '{plain}' stands twice")
        found[plain] = column
    choices = {column: NAMES_IN_FILES.get(column, (column,)) for column in kinds}
    taken = {column: next((n for n in names if n in found), None) for column, names in choices.items()}
    return {column: found[plain] for column, plain in taken.items() if plain is not None}


def _require(name: str, places: Mapping[str, str], table: pa.Table, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in places:
            raise InputError(f"{name}: missing column '{column}'; found {_found(table)}")


def _found(table: pa.Table) -> str:
    return ", ".join(table.column_names)


def _ignored(table: pa.Table, places: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(column for column in table.column_names if column not in places.values())


def _typed(
    name: str,
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    places: Mapping[str, str],
    kinds: Mapping[str, str],
) -> pa.Table:
    """The table in our columns and types, also as the view `rows`; InputError at the first misfit."""
    numbers = pa.array(range(1, table.num_rows + 1), pa.int64())
    columns = {column: table.column(place) for column, place in places.items()}
    con.register("raw_rows", pa.table({"row_number": numbers, **columns}))
    types = {row[0]: str(row[1]) for row in con.execute("describe raw_rows").fetchall()}
    values = {column: _value(column, types[column], kinds[column]) for column in places}
    _refuse_first_misfit(name, con, values, places, kinds)
    selected = (
        f"{values.get(column, 'null')}::{DUCKDB_TYPES[kind]} as {column}" for column, kind in kinds.items()
    )
    query = f"select row_number, {', '.join(selected)} from raw_rows order by row_number"
    rows = con.execute(query).to_arrow_table()
    con.register("rows", rows)
    return rows


def _value(column: str, found: str, kind: str) -> str:
    """SQL that is the value of a cell, or null where the cell is empty or of another kind."""
    text = _text(column)
    if kind == "text":
        return text
    if kind == "number":
        return f'"{column}"' if found.startswith(NUMBER_TYPES) else f"try_cast({text} as double)"
    if found == "DATE" or (found.startswith("TIMESTAMP") and "TIME ZONE" not in found):
        instant = f'"{column}"::timestamp'
    else:
        # By way of timestamptz, because a cast to timestamp drops the offset that stands in the text.
        instant = f"try_cast({text} as timestamptz) at time zone 'UTC'"
    if kind == "instant":
        return f"case when isfinite({instant}) then {instant} end"
    return f"case when {instant} = date_trunc('day', {instant}) and isfinite({instant}) then {instant} end"


def _text(column: str) -> str:
    return f"""nullif(trim("{column}"::varchar), '')"""


def _refuse_first_misfit(
    name: str,
    con: duckdb.DuckDBPyConnection,
    values: Mapping[str, str],
    places: Mapping[str, str],
    kinds: Mapping[str, str],
) -> None:
    misfits = [
        f"select row_number, '{column}' as name, {_text(column)} as found from raw_rows"
        f" where {_text(column)} is not null and {value} is null"
        for column, value in values.items()
    ]
    query = f"from ({' union all '.join(misfits)}) order by row_number, name limit 1"
    if misfit := con.execute(query).fetchone():
        row, column, found = misfit
        raise InputError(
            f"{name}: row {row}: column '{places[column]}' is '{found}'; expected {EXPECTED[kinds[column]]}"
        )


def _refuse_first(name: str, con: duckdb.DuckDBPyConnection, condition: str, message: str) -> None:
    for (row,) in con.execute(
        f"select row_number from rows where {condition} order by row_number limit 1"
    ).fetchall():
        raise InputError(f"{name}: row {row}: {message}")
