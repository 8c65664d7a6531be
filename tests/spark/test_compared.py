"""The comparison of `make spark` finds what is not the same, and nothing else."""

import duckdb
import pytest

from tests.spark.compared import Compared, compare

HERE = "select * from (values ('a', 1.5::double, 1::hugeint), ('b', 2.5, 2), ('c', null, 3)) as t(k, x, n)"
SAME = HERE.replace("2.5", "2.5000000001").replace("hugeint", "decimal(38, 0)")
OTHERS = {
    "a number further off": (HERE.replace("2.5", "2.50000001"), {"x": 1}, 0, 0),
    "no number where there is one": (HERE.replace("2.5", "'nan'::double"), {"x": 1}, 0, 0),
    "nan for null": (HERE.replace("null", "'nan'::double"), {"x": 1}, 0, 0),
    "an integer": (HERE.replace("2)", "4)"), {"n": 1}, 0, 0),
    "a row missing": (HERE + " where k <> 'b'", {}, 1, 0),
    "a row extra": (HERE + " union all select 'd', 1, 1", {}, 0, 1),
    "a row twice": (HERE + " union all select 'c', null, 3", {}, 0, 1),
}


@pytest.mark.parametrize("other", ["[1.0]", "[1.0, null]", "[1.0, 'nan'::double]", "[1.0, 2.1]", "null"])
def test_lists_of_numbers_are_compared_one_by_one(other: str) -> None:
    with duckdb.connect() as con:
        found = compare(
            con,
            "t",
            "select 1 as k, [1.0, 2.0]::double[] as x",
            f"select 1 as k, {other}::double[] as x",
            ["k"],
        )
    assert found.differing == {"x": 1}


def _compared(there: str, keys: list[str]) -> Compared:
    with duckdb.connect() as con:
        return compare(con, "t", HERE, there, keys)


@pytest.mark.parametrize("keys", [["k"], []])
def test_what_is_the_same_but_for_last_digits_is_equal(keys: list[str]) -> None:
    found = _compared(SAME, keys)
    assert found.is_equal
    assert found.largest == pytest.approx(4e-11)


@pytest.mark.parametrize("case", OTHERS)
def test_what_differs_is_found(case: str) -> None:
    there, differing, missing, extra = OTHERS[case]
    found = _compared(there, ["k"])
    assert (dict(found.differing), found.missing, found.extra) == (differing, missing, extra)
    assert not found.is_equal
