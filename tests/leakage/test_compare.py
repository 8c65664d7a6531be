"""What a comparison calls a difference: a value that changed, a row more, or last bits alone."""

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from flows.guards.compare import Difference, differences

T = dt.datetime(2017, 6, 1)
ROW = "select 'AAA' as symbol, date '2017-05-31' as session_date, 0.1 + 0.2::double as value"


def compared(folder: Path, whole: str, cut: str) -> Difference | None:
    """The difference of two warehouses of one table."""
    for name, query in (("whole", whole), ("cut", cut)):
        con = duckdb.connect(folder / f"{name}.duckdb")
        con.execute(f"create table readings as select *, timestamp '2017-05-31' as known_at from ({query})")
        con.close()
    found = differences(folder / "whole.duckdb", folder / "cut.duckdb", T, tables=["main.readings"])
    return found[0] if found else None


def test_the_same_rows_do_not_differ(tmp_path: Path) -> None:
    assert compared(tmp_path, ROW, ROW) is None


@pytest.mark.parametrize(
    ("other", "is_rounding"),
    [
        (ROW.replace("0.1 + 0.2::double", "0.30000000000000010::double"), True),
        (ROW.replace("0.1 + 0.2::double", "0.3000001::double"), False),
        (ROW.replace("0.1 + 0.2::double", "null::double"), False),
        (ROW.replace("0.1 + 0.2::double", "'nan'::double"), False),
        (ROW.replace("AAA", "BBB"), False),
        (f"{ROW} union all {ROW}", False),
    ],
)
def test_only_last_bits_of_the_same_rows_are_rounding(tmp_path: Path, other: str, is_rounding: bool) -> None:
    for folder, sides in (("there", (ROW, other)), ("back", (other, ROW))):
        (tmp_path / folder).mkdir()
        difference = compared(tmp_path / folder, *sides)
        assert difference is not None
        assert difference.is_rounding is is_rounding
