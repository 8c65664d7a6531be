"""Published rows against recomputed ones: what is missing, what is too much, what differs, and its name."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pandas as pd

from flows.guards.findings import Finding

GUARD = "identity"
TOLERANCE = 1e-9
EXPLAINED = 0.9  # share of differing rows that a known error must give exactly to lend its name


@dataclass(frozen=True)
class Column:
    """A published column, and what a difference is called that no known error explains.

    `earlier` and `later` go first where all differing values are below, or above, the recomputed ones.
    """

    name: str
    leak: str
    earlier: str = ""
    later: str = ""


@dataclass(frozen=True)
class Claim:
    """A published table as it should be.

    `expected` has `keys` and the columns. Its columns `<column>@<leak>` hold what a known error would give,
    and `absent@<leak>` says of which rows the absence would show that leak. A row is told of once, by the
    first of `columns` that differs: what comes after follows from it. Where not `is_whole`, rows may be
    missing, and several published rows may stand for one key. `source` is a query to read the table through.
    """

    table: str
    keys: tuple[str, ...]
    expected: pd.DataFrame
    columns: tuple[Column, ...]
    absent: str = "survivorship"
    extra: str = "survivorship"
    is_whole: bool = True
    source: str = ""


@dataclass
class Said:
    """Differences of one table under one leak; `count` is that of the column with the most."""

    evidence: list[str] = field(default_factory=list)
    rows: tuple[str, str] | None = None
    count: int = 0

    def add(self, count: int, evidence: str, published: str, recomputed: str) -> None:
        """One more difference, and the two rows that show it."""
        self.count = max(self.count, count)
        self.evidence.append(evidence)
        self.rows = self.rows or (published, recomputed)


def exists(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a warehouse has the table."""
    schema, _, name = table.partition(".")
    query = "select count(*) from information_schema.tables where table_schema = $1 and table_name = $2"
    return bool(con.execute(query, [schema, name]).fetchall()[0][0])


def compare(con: duckdb.DuckDBPyConnection, claim: Claim) -> tuple[list[Finding], int]:
    """Findings of one table, one for each leak, most rows first; and how many rows were compared."""
    names = [*claim.keys, *(column.name for column in claim.columns)]
    source = f"({claim.source})" if claim.source else claim.table
    published = con.execute(f"select {', '.join(names)} from {source}").df()
    expected = claim.expected.reset_index(drop=True)
    ours, theirs = _matched(published, expected, claim.keys)
    said: dict[str, Said] = {}
    _say_extra(said, claim, published, ours, theirs)
    if claim.is_whole:
        _say_absent(said, claim, published, expected, theirs)
    is_paired = theirs >= 0
    pairs = (
        published[is_paired].reset_index(drop=True),
        expected.iloc[theirs[is_paired]].reset_index(drop=True),
    )
    is_told = np.zeros(int(is_paired.sum()), bool)
    for column in claim.columns:
        is_wrong = ~is_told & ~_equal(pairs[0][column.name], pairs[1][column.name])
        if is_wrong.any():
            _say_differing(said, claim, column, *(rows[is_wrong] for rows in pairs))
        is_told |= is_wrong
    place = claim.table.removeprefix("main.")
    most_first = sorted(said.items(), key=lambda item: -item[1].count)
    findings = [
        Finding(GUARD, leak, place, "; ".join(one.evidence), rows=one.rows) for leak, one in most_first
    ]
    return findings, len(published)


def _matched(
    published: pd.DataFrame, expected: pd.DataFrame, keys: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """A number for the key of each published row, and the place of its expected row, -1 without one."""
    codes = np.zeros(len(published) + len(expected), np.int64)
    for key in keys:
        values = pd.concat([published[key], expected[key]], ignore_index=True)
        found, names = pd.factorize(values, use_na_sentinel=False)
        codes = codes * max(len(names), 1) + found
    ours, theirs = codes[: len(published)], codes[len(published) :]
    if not len(expected):
        return ours, np.full(len(published), -1)
    order = np.argsort(theirs, kind="stable")
    place = np.minimum(np.searchsorted(theirs[order], ours), len(theirs) - 1)
    return ours, np.where(theirs[order][place] == ours, order[place], -1)


def _say_extra(
    said: dict[str, Said], claim: Claim, published: pd.DataFrame, ours: np.ndarray, theirs: np.ndarray
) -> None:
    is_extra = theirs < 0
    if claim.is_whole:
        is_extra |= pd.Series(ours).duplicated().to_numpy()
    if is_extra.any():
        row = published[is_extra].iloc[0]
        count = int(is_extra.sum())
        said.setdefault(claim.extra, Said()).add(
            count,
            f"{count} of {len(published)} rows should not be, at {_text(row, claim.keys)}",
            _text(row, published.columns),
            "no such row",
        )


def _say_absent(
    said: dict[str, Said], claim: Claim, published: pd.DataFrame, expected: pd.DataFrame, theirs: np.ndarray
) -> None:
    is_absent = np.ones(len(expected), bool)
    is_absent[theirs[theirs >= 0]] = False
    if not is_absent.any():
        return
    rows = expected[is_absent]
    named = [name for name in expected.columns if name.startswith("absent@")]
    leaks = [name.split("@")[1] for name in named if rows[name].to_numpy(dtype=bool).all()]
    row = rows.iloc[0]
    said.setdefault(leaks[0] if leaks else claim.absent, Said()).add(
        len(rows),
        f"{len(rows)} of {len(expected)} rows are missing, at {_text(row, claim.keys)}",
        "no such row",
        _text(row, published.columns),
    )


def _say_differing(
    said: dict[str, Said], claim: Claim, column: Column, ours: pd.DataFrame, theirs: pd.DataFrame
) -> None:
    """`ours` are the published rows that differ, `theirs` the recomputed ones."""
    place = 0
    if pd.api.types.is_numeric_dtype(theirs[column.name]):
        gap = (ours[column.name].astype(float) - theirs[column.name].astype(float)).abs().fillna(np.inf)
        place = int(gap.to_numpy().argmax())
    row, again = ours.iloc[place], theirs.iloc[place]
    said.setdefault(_leak(column, ours[column.name], theirs), Said()).add(
        len(ours),
        f"{column.name} differs in {len(ours)} rows, at {_text(row, claim.keys)}:"
        f" published {row[column.name]}, recomputed {again[column.name]}",
        _text(row, ours.columns),
        _text(again, ours.columns),
    )


def _leak(column: Column, published: pd.Series, expected: pd.DataFrame) -> str:
    """The known error that gives what is published; or what the direction says; or the column's own name."""
    shares = {
        name: _equal(published, expected[name]).mean()
        for name in expected.columns
        if name.startswith(f"{column.name}@")
    }
    best = max(shares, key=lambda name: shares[name], default="")
    if best and shares[best] >= EXPLAINED:
        return best.split("@")[1]
    ours, theirs = published.reset_index(drop=True), expected[column.name].reset_index(drop=True)
    if _is_shift(ours, theirs):
        return "time_zone"
    if column.earlier and (ours < theirs).all():
        return column.earlier
    if column.later and (ours > theirs).all():
        return column.later
    return column.leak


def _is_shift(published: pd.Series, expected: pd.Series) -> bool:
    """Instants that are all off by one number of whole hours, or by two for summer and winter."""
    if not pd.api.types.is_datetime64_dtype(expected) or not pd.api.types.is_datetime64_dtype(published):
        return False
    shifts = (published - expected).dropna().unique()
    hours = np.array([shift / pd.Timedelta(hours=1) for shift in shifts])
    is_whole = bool(len(hours)) and bool((hours == np.round(hours)).all())
    return is_whole and len(hours) <= 2 and np.ptp(hours) <= 1 and bool((np.abs(hours) <= 14).all())


def _equal(left: pd.Series, right: pd.Series) -> np.ndarray:
    """Equal, for numbers to TOLERANCE (relative above 1); null equals null."""
    ours, theirs = left.reset_index(drop=True), right.reset_index(drop=True)
    are_null = ours.isna().to_numpy() & theirs.isna().to_numpy()
    if pd.api.types.is_float_dtype(theirs):
        first, second = ours.to_numpy(dtype=float, na_value=np.nan), theirs.to_numpy(dtype=float)
        with np.errstate(invalid="ignore"):
            near = np.abs(first - second) <= TOLERANCE * np.maximum(1, np.abs(second))
        return near | (first == second) | are_null
    return (ours == theirs).to_numpy(dtype=bool, na_value=False) | are_null


def _text(row: pd.Series, columns: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in columns if name in row.index)


def dates(values: np.ndarray) -> np.ndarray:
    """Days as DuckDB hands them out."""
    return values.astype("datetime64[D]").astype("datetime64[us]")
