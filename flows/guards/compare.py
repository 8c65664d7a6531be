"""Whether two warehouses say the same of all that was known by an instant, bit for bit; if not, where."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from python_steps import lake, warehouse

# Tables without a row of their own in time: what they say is an input of a run, or stands in raw.
OUTSIDE = {
    "main.asset_costs": "the study, an input",
    "main.asset_classes": "the study, an input",
    "main.asset_groups": "the study; decision_bars says which assets there are at a decision",
    "main.asset_vendors": "chosen with an asset's first bars, an input",
    "main.assets": "the study; memberships, which says when each was announced, is compared",
    "main.bar_slices": "how far back a run looks, and no table of its own",
    "main.basket_members": "the study; basket_levels, which counts who is listed, is compared",
    "main.block_sums": "blocks may still be filling; window_metrics, made of whole ones, is compared",
    "main.booked_pnl": "a view of strategy_pnl, which is compared",
    "main.calendar_editions": "the study, an input; it says itself when a change of the calendar was known",
    "main.clock_instants": "the calendar of decisions, which reaches past as_of",
    "main.clocks": "the study, an input",
    "main.costs": "the study, an input",
    "main.declared_strategies": "the study, an input",
    "main.delayed_pnl": "a view of delayed_positions and order_returns, which are compared",
    "main.group_block_sums": "blocks may still be filling; group_metrics, made of whole ones, is compared",
    "main.group_sums": "a view; group_metrics and test_record, which are made of it, are compared",
    "main.feeds": "the study, an input",
    "main.known_sessions": "the calendar of venues, which reaches past as_of",
    "main.laid_plans": "the study and the policy, inputs",
    "main.named_plugins": "the policies, an input",
    "main.portfolios": "the policy, an input",
    "main.quality_limits": "the study, an input",
    "main.run_bounds": "the run itself",
    "main.runs": "the run itself",
    "main.sessions": "the calendar of venues, which reaches past as_of",
    "main.span_sums": "a view; window_metrics, which is made of it, is compared",
    "main.spoken_regimes": "a view of regimes, which is compared",
    "main.strategies": "the study and the policies, inputs",
    "main.strategy_configurations": "the study, an input",
    "main.stress_scenarios": "the study, an input",
    "main.told_slices": "how far back a run looks, and no table of its own",
    "main.trials": "N of trials is an input of a run, like its seed",
    "main.venues": "the study, an input",
    "main.walk_forward_plans": "the study, an input",
    "steps.ensemble_weights": "where a run ended; ensemble_exposures, which go on from there, are compared",
    "steps.leak_findings": "what the guards said",
    "steps.trials": "N of trials is an input of a run, like its seed",
}

# Columns that say which run or landing made a row, not what was known.
LEFT_OUT = {"run_id": "which run wrote the row", "batch_id": "which landing told it"}

# Ends that may not have come yet: later than the cut they read as null.
ENDS = ("superseded_at", "until_at")

KEYS = (
    *(
        "clock",
        "portfolio",
        "plan",
        "window_id",
        "span",
        "sample",
        "learner",
        "method",
        "feature",
        "configuration",
        "detector",
        "signal",
        "strategy",
    ),
    *(
        "condition",
        "stage",
        "limit_name",
        "symbol",
        "currency",
        "venue",
        "vendor",
        "other_vendor",
        "session_date",
        "decision_at",
        "booked_at",
    ),
    *("version", "vintage", "block", "unit", "number", "metric", "scenario", "delay", "asset_group"),
    *("horizon", "other_signal", "other_detector", "benchmark", "sort", "bin", "kind", "measure"),
)
NAMED = ("signal", "strategy", "learner", "detector", "condition", "symbol")
SHOWN = 6

# Doubles that differ by no more than this share differ by the order of their additions, and nothing else.
ROUNDING = 1e-9

# In the order in which they were made, so that the first one named is where a leak comes in. A table that a
# Python step fills is made when the view that shows it is.
TABLES = """
    select columns.schema_name || '.' || columns.table_name, bool_or(column_name = 'known_at')
    from duckdb_columns() as columns
    inner join duckdb_tables() as tables using (database_name, schema_name, table_name)
    left join (
        select view_name, view_oid from duckdb_views() where database_name = $side and schema_name = 'main'
    ) as views on columns.schema_name = 'steps' and views.view_name = columns.table_name
    where columns.schema_name in ('main', 'steps') and database_name = $side
    group by columns.schema_name, columns.table_name
    order by min(coalesce(views.view_oid, columns.table_oid)), columns.table_name
"""

# Views show the rows of a table in steps under its name; those are compared where they stand.
VIEWS = """
    select 'main.' || view_name
    from duckdb_views()
    where database_name = $side and schema_name = 'main' and not internal and view_name not in (
        select table_name from duckdb_tables() where database_name = $side and schema_name = 'steps'
    )
"""


@dataclass(frozen=True)
class Difference:
    """A table whose known rows differ: how many on either side, whose they are, and the first of them.

    `rows` are that first row as it was known then, and with what came later, as text. `is_rounding` says that
    no row is more or less, and that only doubles differ, each by less than ROUNDING of itself.
    """

    table: str
    gone: int
    new: int
    named: dict[str, list[str]]
    first: str
    rows: tuple[str, str]
    is_rounding: bool = False

    def __str__(self) -> str:
        whose = "; ".join(f"{column} {_list(values)}" for column, values in self.named.items())
        return f"{self.table}: {self.gone} rows gone, {self.new} new ({whose}); first: {self.first}"


def differences(
    whole: Path,
    cut: Path,
    until: dt.datetime,
    tables: Sequence[str] = (),
    conditions: Mapping[str, str] | None = None,
) -> list[Difference]:
    """Tables of which the rows known by `until` are not the same in the two files; all tables unless named.

    `whole` knows more than `cut`, and must not show it. Doubles are equal where their bits are; only the sign
    of a zero is not looked at, because DuckDB keeps it or not, as the rows stored around it will have it.
    `conditions` are SQL predicates, by table, on the rows to be compared.
    """
    con = duckdb.connect(config=warehouse.CONFIG)
    con.execute(lake.SILENT)
    con.execute("set TimeZone = 'UTC'")
    try:
        for side, file in (("whole", whole), ("cut", cut)):
            warehouse.attach(con, file, side)
        wanted = {table: (conditions or {}).get(table, "true") for table in tables or compared_tables(con)}
        found = [_compared(con, table, until, condition) for table, condition in wanted.items()]
    finally:
        con.close()
    return [difference for difference in found if difference is not None]


def compared_tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table of main and steps that is not in OUTSIDE, in the order in which they were made.

    Raises ValueError where the two files have other tables, or where one is neither dated nor in OUTSIDE.
    """
    whole, cut = (con.execute(TABLES, {"side": side}).fetchall() for side in ("whole", "cut"))
    if sorted(whole) != sorted(cut):
        raise ValueError(f"the two files have other tables: {sorted(set(whole) ^ set(cut))}")
    views = [view for (view,) in con.execute(VIEWS, {"side": "whole"}).fetchall()]
    unnamed = [name for name, is_dated in whole if not is_dated and name not in OUTSIDE]
    unnamed += [view for view in views if view not in OUTSIDE]
    if unnamed:
        raise ValueError(f"neither dated nor in OUTSIDE: {unnamed}")
    return [name for name, _ in whole if name not in OUTSIDE]


def count_compared(file: Path, until: dt.datetime, tables: Sequence[str] = ()) -> tuple[int, int]:
    """How many tables (all unless named) are compared at a cut, and how many rows they hold by then."""
    con = duckdb.connect(config=warehouse.CONFIG)
    con.execute(lake.SILENT)
    try:
        for side in ("whole", "cut"):
            warehouse.attach(con, file, side)
        wanted = tables or compared_tables(con)
        counts = [
            con.execute(
                f"select count(*) from whole.{table} where known_at <= $until", {"until": until}
            ).fetchall()[0][0]
            for table in wanted
        ]
        return len(wanted), sum(counts)
    finally:
        con.close()


def _compared(
    con: duckdb.DuckDBPyConnection, table: str, until: dt.datetime, condition: str
) -> Difference | None:
    described = con.execute(f"describe whole.{table}").fetchall()
    columns = [row[0] for row in described if row[0] not in LEFT_OUT]
    whole, cut = (_known(side, table, columns, until, condition) for side in ("whole", "cut"))
    if _digest(con, whole) == _digest(con, cut):
        return None
    gone, new = _except(con, cut, whole), _except(con, whole, cut)
    if not gone and not new:
        return None
    named = {
        column: sorted({str(row[columns.index(column)]) for row in gone + new})
        for column in NAMED
        if column in columns
    }
    is_rounding = len(gone) == len(new) and all(map(_is_near, gone, new))
    return Difference(table, len(gone), len(new), named, *_first(columns, gone, new), is_rounding)


def _is_near(gone: tuple, new: tuple) -> bool:
    """Whether two rows say the same but for the rounding of doubles."""
    return all(
        math.isclose(one, other, rel_tol=ROUNDING)
        if isinstance(one, float) and isinstance(other, float)
        else one == other
        for one, other in zip(gone, new, strict=True)
    )


def _digest(con: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int]:
    """Rows and the sum of their hashes: twice as fast as comparing them, and nearly always enough."""
    return con.execute(f"select count(*), sum(hash(rows)::hugeint) from ({query}) as rows").fetchall()[0]


def _known(side: str, table: str, columns: Sequence[str], until: dt.datetime, condition: str) -> str:
    """Rows known by an instant, as they stood then."""
    cut = f"timestamp '{until}'"
    values = [
        f"case when {column} <= {cut} then {column} end as {column}" if column in ENDS else f'"{column}"'
        for column in columns
    ]
    return f"select {', '.join(values)} from {side}.{table} as rows where known_at <= {cut} and {condition}"


def _except(con: duckdb.DuckDBPyConnection, left: str, right: str) -> list[tuple]:
    return con.execute(f"({left}) except all ({right}) order by all").fetchall()


def _first(columns: Sequence[str], gone: list[tuple], new: list[tuple]) -> tuple[str, tuple[str, str]]:
    """The first row that differs, by its key, with the values of both sides that do; and both whole rows."""
    keys = [place for place, column in enumerate(columns) if column in KEYS]
    sides = [{tuple(row[place] for place in keys): row for row in reversed(rows)} for rows in (gone, new)]
    key = min({*sides[0], *sides[1]}, key=str)
    before, after = (side.get(key) for side in sides)
    rows = (_row(columns, before), _row(columns, after))
    place = ", ".join(f"{columns[at]} {value}" for at, value in zip(keys, key, strict=True))
    if before is None or after is None:
        return f"{place}: {'only with' if before is None else 'only without'} what came later", rows
    values = [
        f"{column} {said} known then, {says} with what came later"
        for column, said, says in zip(columns, before, after, strict=True)
        if said != says
    ]
    return f"{place}: {'; '.join(values)}", rows


def _row(columns: Sequence[str], row: tuple | None) -> str:
    return "no row" if row is None else ", ".join(f"{c} {v}" for c, v in zip(columns, row, strict=True))


def _list(values: Sequence[str]) -> str:
    return ", ".join(values[:SHOWN]) + f" and {len(values) - SHOWN} more" * (len(values) > SHOWN)
