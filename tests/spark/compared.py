"""A table of DuckDB beside the same of Spark: row by row of its grain, every column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

TOLERANCE = 1e-9  # of the larger of one and the value
NUMBERS = {"DOUBLE", "FLOAT", "DOUBLE[]"}


@dataclass(frozen=True)
class Compared:
    """One table: rows of DuckDB, rows that one side lacks, columns with values that differ, largest difference."""

    table: str
    rows: int
    missing: int = 0
    extra: int = 0
    differing: Mapping[str, int] = field(default_factory=dict)
    largest: float = 0.0
    error: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether no row is missing or extra, and no value differs."""
        return not (self.missing or self.extra or self.differing or self.error)


def compare(
    con: "duckdb.DuckDBPyConnection", table: str, here: str, there: str, keys: Sequence[str]
) -> Compared:
    """Two queries of the same columns; `keys` is the grain, or empty where the rows are known by all their
    exact columns alone."""
    kinds = {name: kind for name, kind, *_ in con.execute(f"describe {here}").fetchall()}
    exact = [name for name in kinds if kinds[name] not in NUMBERS]
    by = list(keys) or exact
    for side, query in (("here", here), ("there", there)):
        con.execute(f"create or replace temp table {side} as select {_told(kinds)}, {_place(by, kinds)} from ({query})")
    joined = " and ".join(f'here."{name}" is not distinct from there."{name}"' for name in [*by, "place"])
    pair = f"here full join there on {joined}"
    rest = [name for name in kinds if name not in by]
    values = ["count(*) filter (where here.place is null)", "count(*) filter (where there.place is null)"]
    values += [f"count(*) filter (where here.place is not null and there.place is not null and {_differs(name, kinds[name])})" for name in rest]
    values += [f"coalesce(max({_distance(name, kinds[name])}), 0)" for name in rest if kinds[name] in NUMBERS]
    extra, missing, *found = con.execute(f"select {', '.join(values)} from {pair}").fetchall()[0]
    (rows,) = con.execute("select count(*) from here").fetchall()[0]
    counts, distances = found[: len(rest)], found[len(rest) :]
    differing = {name: count for name, count in zip(rest, counts, strict=True) if count}
    return Compared(table, rows, missing, extra, differing, max(distances, default=0.0))


def _told(kinds: Mapping[str, str]) -> str:
    """Columns as both sides can tell them: Spark has no hugeint."""
    return ", ".join(
        f'"{name}"::hugeint as "{name}"' if kind in {"HUGEINT", "BIGINT"} else f'"{name}"::{kind} as "{name}"'
        for name, kind in kinds.items()
    )


def _place(by: Sequence[str], kinds: Mapping[str, str]) -> str:
    """Which of the rows with the same keys, in the order of the others' values; one where keys are a grain."""
    keys, rest = (", ".join(f'"{name}"' for name in names) for names in (by, [n for n in kinds if n not in by]))
    ordered = f"order by {rest}" if rest else ""
    return f"row_number() over (partition by {keys} {ordered}) as place"


def _differs(name: str, kind: str) -> str:
    one, other = f'here."{name}"', f'there."{name}"'
    if kind not in NUMBERS:
        return f"{one} is distinct from {other}"
    if kind.endswith("[]"):
        return f"({one} is distinct from {other} and coalesce(len({one}) <> len({other}) or not ({_distance(name, kind)} <= {TOLERANCE}), true))"
    return f"({one} is distinct from {other} and coalesce(not ({_distance(name, kind)} <= {TOLERANCE}), true))"


def _distance(name: str, kind: str) -> str:
    """Of two numbers, by the larger of one and the first; not of those of which only one is infinite or NaN."""
    one, other = f'here."{name}"', f'there."{name}"'
    if kind.endswith("[]"):
        return f"list_max(list_transform(list_zip({one}, {other}), lambda p: {_relative('p[1]', 'p[2]')}))"
    return _relative(one, other)


def _relative(one: str, other: str) -> str:
    return f"case when {one} = {other} then 0 when isfinite({one}) and isfinite({other}) then abs({one} - {other}) / greatest(1, abs({one})) end"
