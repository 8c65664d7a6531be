"""A few queries asked of DuckDB and, translated, of Spark; prints those whose rows differ. Needs PySpark."""

import tempfile
from pathlib import Path
from typing import Any

import duckdb

from flows.spark.session import begin, translated

ROWS = """
    with rows as (
        select *
        from (
            values
                (1, 'a', 2.0::double, 3.0::double), (2, 'a', 4.0, 0.0),
                (4, 'a', null, 1.0), (3, 'b', 1.0, 8.0)
        ) as t(n, k, x, y)
    )
"""
QUERIES = [
    "select a.n, b.n as past from rows as a asof left join rows as b on b.k = a.k and a.n > b.n",
    "select a.n, b.n as next from rows as a asof join rows as b on b.k = a.k and a.n <= b.n",
    "select n, x / y as ratio, isfinite(x / y) as is_number from rows",
    "select k, list(x order by n) as xs, last(x order by n) as z, median(y) as m from rows group by all",
    "select sum(y) over (w rows between 1 preceding and current row) as s from rows window w as (order by n)",
    "select n, unnest(range(0, n)) as i, [v * v for v in range(0, n) if v > 1] as l from rows",
    "select sum(round(x * 1e12)::bigint)::hugeint * sum(round(y)::bigint)::hugeint as p from rows",
    "select n, x from rows union all by name select y, n from rows",
    "select k, list_inner_product(list(n order by n), list(y order by n)) as p from rows group by k",
]


def main() -> None:
    """Ask all; prints what differs."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as con:
        spark = begin(Path(folder), 1, "1g")
        for query in QUERIES:
            sql = ROWS + query
            here = con.execute(sql).fetchall()
            there = [
                tuple(row) for row in spark.sql(translated(f"/* duckdb */{sql}/* spark */", spark)).collect()
            ]
            if _told(here) != _told(there):
                print(query, _told(here), _told(there))  # noqa: T201


def _told(rows: Any) -> list[str]:
    """Rows as text in one order: whole numbers alike, whatever type they have."""
    return sorted(str([_plain(value) for value in row]) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | bool) else float(value)


if __name__ == "__main__":
    main()
