"""A table of DuckDB beside the same of Spark: row by row of its grain, every column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

TOLERANCE = 1e-9  # of the larger of one and the value
ENDLESS = "'infinity'::double"
NUMBERS = {"DOUBLE", "DOUBLE[]", "HUGEINT"}  # a hugeint is a sum of doubles, counted in units of 1e-12


@dataclass(frozen=True)
class Compared:
    """One table: rows, those missing or extra, columns that differ and how often, largest distance."""

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
        chosen = f"select {_told(kinds)}, {_place(by, kinds)} from ({query})"
        con.execute(f"create or replace temp table {side} as {chosen}")
    joined = " and ".join(f'here."{name}" is not distinct from there."{name}"' for name in [*by, "place"])
    rest = [name for name in kinds if name not in by]
    is_pair = "here.place is not null and there.place is not null"
    values = ["count(*) filter (where here.place is null)", "count(*) filter (where there.place is null)"]
    values += [f"count(*) filter (where {is_pair} and {_differs(name, kinds[name])})" for name in rest]
    values += [f"coalesce(max({_distance(name, kinds[name])}), 0)" for name in rest if kinds[name] in NUMBERS]
    pairs = f"here full join there on {joined}"
    extra, missing, *found = con.execute(f"select {', '.join(values)} from {pairs}").fetchall()[0]
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
    """Which of the rows with the same keys, in the order of the others' values; 1 where keys are a grain."""
    keys, rest = (
        ", ".join(f'"{name}"' for name in names) for names in (by, [n for n in kinds if n not in by])
    )
    ordered = f"order by {rest}" if rest else ""
    return f"row_number() over (partition by {keys} {ordered}) as place"


def _differs(name: str, kind: str) -> str:
    if kind in NUMBERS:
        return f"{_distance(name, kind)} > {TOLERANCE}"
    return f'here."{name}" is distinct from there."{name}"'


def _distance(name: str, kind: str) -> str:
    """Of two numbers, by the larger of 1 and the first; of lists the largest, endless if lengths differ."""
    one, other = f'here."{name}"', f'there."{name}"'
    if not kind.endswith("[]"):
        return _relative(one, other)
    apart = f"list_max(list_transform(list_zip({one}, {other}), lambda p: {_relative('p[1]', 'p[2]')}))"
    return f"case when len({one}) is distinct from len({other}) then {ENDLESS} else coalesce({apart}, 0) end"


def _relative(one: str, other: str) -> str:
    """Endless where one of them is null, infinite or no number, and the other is not the same."""
    return f"""
        case
            when {one} is not distinct from {other} then 0
            when isfinite({one}::double) and isfinite({other}::double)
            then abs({one} - {other})::double / greatest(1, abs({one}))
            else {ENDLESS}
        end
    """
