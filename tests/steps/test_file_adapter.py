"""Files of a user: what is read, and one clear line for what cannot be."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from python_steps.adapters.file import BARS, Parsed, fetch, parse, parse_assets
from python_steps.errors import InputError


def written(folder: Path, text: str | bytes, name: str = "my.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def bars(folder: Path, text: str) -> Parsed:
    return parse(fetch(written(folder, text)))


def test_every_column_of_the_contract_is_there_with_its_type(tmp_path: Path):
    rows = bars(tmp_path, "symbol,date,close\nA,2019-01-02,1.5\n").rows
    assert rows.column_names == ["row_number", *BARS]
    assert rows.to_pylist() == [
        dict.fromkeys(BARS)
        | {"row_number": 1, "symbol": "A", "session_date": dt.date(2019, 1, 2), "close": 1.5}
    ]


def test_an_offset_is_turned_into_utc(tmp_path: Path):
    rows = bars(tmp_path, "symbol,date,close,known_at\nA,2019-01-02,1,2019-01-03T01:00:00+02:00\n").rows
    assert rows["known_at"].to_pylist() == [dt.datetime(2019, 1, 2, 23)]


def test_parquet_and_csv_give_the_same_rows(tmp_path: Path):
    table = pa.table(
        {
            "symbol": ["A", "B"],
            "date": [dt.date(2019, 1, 2), dt.date(2019, 1, 3)],
            "close": [0.1 + 0.2, 7],
            "volume": pa.array([1, None], pa.int32()),
            "known_at": pa.array([dt.datetime(2019, 1, 4)] * 2, pa.timestamp("ns", "UTC")),
        }
    )
    parquet.write_table(table, tmp_path / "my.parquet")
    text = (
        "symbol,date,close,volume,known_at\n"
        "A,2019-01-02,0.30000000000000004,1,2019-01-04\nB,2019-01-03,7,,2019-01-04\n"
    )
    assert parse(fetch(tmp_path / "my.parquet")).rows.equals(bars(tmp_path, text).rows)


def test_source_is_the_vendor_only_where_no_column_is_called_vendor(tmp_path: Path):
    assert bars(tmp_path, "symbol,date,close,source\nA,2019-01-02,1,ecb\n").rows["vendor"].to_pylist() == [
        "ecb"
    ]
    both = bars(tmp_path, "symbol,date,close,source,vendor\nA,2019-01-02,1,ecb,me\n")
    assert (both.rows["vendor"].to_pylist(), both.ignored) == (["me"], ("source",))


def test_columns_that_nothing_reads_are_named(tmp_path: Path):
    assert bars(tmp_path, "Symbol,Date,Close,adj,note\nA,2019-01-02,1,2,x\n").ignored == ("adj", "note")


def test_the_hash_is_of_the_bytes(tmp_path: Path):
    same = [fetch(written(tmp_path, "symbol\nA\n", name)).payload_hash for name in ("a.csv", "b.csv")]
    assert same[0] == same[1] != fetch(written(tmp_path, "symbol\nB\n")).payload_hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,date,close\nA,2019-01-02,1\nB,2019-01-03,abc\n", ["row 2", "'close'", "'abc'", "a number"]),
        ("symbol,date,close\nA,2019-13-02,1\n", ["row 1", "'date'", "'2019-13-02'", "a day"]),
        ("symbol,date,close\nA,2019-01-02 10:00,1\n", ["row 1", "'date'", "a day"]),
        ("symbol,date,close\nA,infinity,1\n", ["row 1", "'date'", "a day"]),
        ("symbol,date,close,known_at\nA,2019-01-02,1,soon\n", ["row 1", "'known_at'", "an instant in UTC"]),
        ("symbol,date,close\nA,2019-01-02,1\n,2019-01-02,1\n", ["row 2", "'symbol'", "expected a symbol"]),
        ("symbol,date,close\nA,,1\n", ["row 1", "no date", "'opened_at' and 'closed_at'"]),
        ("symbol,date\nA,2019-01-02\n", ["missing column 'close'", "found symbol, date"]),
        ("symbol,close\nA,1\n", ["missing column 'date'", "'opened_at' and 'closed_at'"]),
        ("symbol;date;close\nA;2019-01-02;1\n", ["missing column 'symbol'", "found symbol;date;close"]),
        ("symbol,date,close,opened_at\nA,2019-01-02,1,2019-01-02 10:00\n", ["row 1", "expected both"]),
        ("symbol,date,close\nA,2019-01-02,1\nB,2019-01-03\n", ["row 2", "Expected 3 columns, got 2"]),
        ("symbol,date,date,close\nA,2019-01-02,2019-01-02,1\n", ["'date' stands twice"]),
        (b"symbol,date,close\nA,2019-01-02,1\n\xff,2019-01-02,1\n", ["not readable as CSV", "row 2", "UTF8"]),
        ("symbol,date,close\n", ["no rows"]),
    ],
)
def test_bad_input_is_one_line_that_names_file_row_and_column(
    tmp_path: Path, text: str | bytes, said: list[str]
):
    with pytest.raises(InputError) as error:
        parse(fetch(written(tmp_path, text)))
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in ["my.csv", *said]), message


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("my.csv", b"", "is empty"),
        ("my.txt", b"symbol", "expected .csv or .parquet"),
        ("my.parquet", b"PAR1", "not readable as Parquet"),
        ("none/my.csv", None, "No such file"),
        (".", None, "unknown format"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, text: bytes | None, said: str):
    if text is not None:
        written(tmp_path, text, name)
    with pytest.raises(InputError, match=said):
        parse(fetch(tmp_path / name))


def test_a_column_of_another_kind_in_parquet_names_its_first_row(tmp_path: Path):
    table = pa.table({"symbol": ["A"], "date": [dt.date(2019, 1, 2)], "close": [True]})
    parquet.write_table(table, tmp_path / "my.parquet")
    with pytest.raises(InputError, match=r"my.parquet: row 1: column 'close' is 'true'; expected a number"):
        parse(fetch(tmp_path / "my.parquet"))


def test_assets_may_leave_out_venue_currency_and_membership(tmp_path: Path):
    path = written(tmp_path, "symbol,asset_class,member_until\nA,equity,2019-05-01\nB,fx,\n")
    rows = parse_assets(fetch(path)).rows.to_pylist()
    assert [(row["symbol"], row["member_until"]) for row in rows] == [("A", dt.date(2019, 5, 1)), ("B", None)]
    assert rows[0]["venue"] is rows[0]["currency"] is rows[0]["known_at"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,asset_class\nA,equity\nA,fx\n", "row 2: its symbol stands in an earlier row"),
        ("symbol,asset_class\nA,\n", "row 1: column 'asset_class' is empty"),
        ("symbol\nA\n", "missing column 'asset_class'"),
        (
            "symbol,asset_class,member_from,member_until\nA,fx,2019-05-01,2019-05-01\n",
            "row 1: 'member_until' is not after 'member_from'",
        ),
    ],
)
def test_bad_assets_are_one_line_that_names_the_row(tmp_path: Path, text: str, said: str):
    with pytest.raises(InputError, match=said):
        parse_assets(fetch(written(tmp_path, text)))
