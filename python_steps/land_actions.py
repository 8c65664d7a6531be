"""Lands splits and dividends in raw.actions: what is new becomes a version with its known_at.

All files of a landing share its batch. Nothing is updated; a version equal to the one before is not landed.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from python_steps.adapters.file import VENDOR
from python_steps.errors import InputError
from python_steps.landing_time import as_of_before, refuse_the_past
from python_steps.register_assets import ASSETS_IN_FORCE, Delivery

KINDS = ("split", "dividend")

# What is wrong with a row: a condition, the column it is in, and what is expected.
WRONG = {
    "kind not in ('split', 'dividend')": ("kind", "split or dividend"),
    "not isfinite(value)": ("value", "a finite number"),
    "kind = 'split' and value <= 0": ("value", "new shares for one old, above 0"),
    "kind = 'dividend' and value < 0": ("value", "money for one share, 0 or more"),
    "symbol not in (select symbol from actions_assets)": ("symbol", "an asset that is known or has bars"),
    "available_at is null": ("ex_date", "a day of the calendar of the asset's venue"),
}

# A row that says no announcement was known to everyone when the asset first traded without it: a feed that
# tells of a split on its ex-date and one that tells of it weeks before look the same, so the later is taken.
# A user's row that names no vendor speaks for the one that is heard on its symbol already.
TOLD = """
create temp table actions_told as
with rows as (
    select actions_rows.*, assets.venue, coalesce(
            actions_rows.vendor,
            case when payloads.vendor = $file_vendor then heard.vendor end,
            payloads.vendor
        ) as told_by
    from actions_rows
    join actions_payloads as payloads using (payload_number)
    left join actions_assets as assets using (symbol)
    left join (
        select symbol, min_by(vendor, (batch_id, vendor)) as vendor from raw.actions group by symbol
    ) as heard using (symbol)
),
calendar as (
    select venue, session_date::date as session_date, opened_at::timestamp as opened_at
    from study_sessions
)
select rows.* exclude (vendor, told_by), rows.told_by as vendor,
    coalesce(rows.known_at, calendar.opened_at) as available_at
from rows
asof left join calendar on calendar.venue = rows.venue and rows.ex_date <= calendar.session_date
"""

# The contract of bars: what came no later than the symbol's first bars, or became available after the as_of
# of the landing before, was known when it was available; everything else when it was recorded, if that is
# later, and so was a change that says no instant of its own.
VERSIONS = """
create temp table actions_versions as
with landed as (
    select symbol, ex_date, kind, vendor, max(version) as last_version, max_by(value, version) as last_value,
        max(known_at) as last_known_at
    from raw.actions group by all
),
compared as (
    select told.*, landed.last_version, landed.last_known_at,
        coalesce(lag(told.value) over told_order, landed.last_value) as value_before
    from actions_told as told
    left join landed using (symbol, ex_date, kind, vendor)
    where not exists (
        from raw.actions as earlier
        where earlier.symbol = told.symbol and earlier.ex_date = told.ex_date and earlier.kind = told.kind
            and earlier.vendor = told.vendor and earlier.value = told.value
            and earlier.known_at >= coalesce(told.known_at, '9999-01-01'::timestamp)
    )
    window told_order as (
        partition by told.symbol, told.ex_date, told.kind, told.vendor
        order by told.available_at, told.payload_number, told.row_number
    )
),
numbered as (
    select *, coalesce(last_version, 0) + row_number() over (
            partition by symbol, ex_date, kind, vendor order by available_at, payload_number, row_number
        ) as version
    from compared
    where value_before is distinct from value
),
claimed as (
    select *, case
            when (version = 1 or known_at is not null) and (
                available_at > $before::timestamp
                or symbol not in (select symbol from raw.bars where batch_id < $batch_id)
            )
            then available_at
            else greatest(available_at, $as_of::timestamp)
        end as claimed_known_at
    from numbered
)
select *, greatest(last_known_at, max(claimed_known_at) over so_far) as landed_known_at
from claimed
window so_far as (partition by symbol, ex_date, kind, vendor order by version)
"""


@dataclass(frozen=True)
class ActionsReport:
    """What a landing of actions did; `restated` counts versions after the first."""

    rows_seen: int
    rows_landed: int
    restated: int


def land_actions(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    study: Mapping[str, pa.Table],
    *,
    as_of: dt.datetime,
    batch_id: int,
    run_id: str,
    loaded_at: dt.datetime,
) -> ActionsReport:
    """Append what is new in `deliveries` to raw.actions and raw.batches; where nothing is new, nothing.

    Rows have the columns of payloads.ACTIONS and may have `vendor`. The assets they speak of are landed
    already; `study` holds the seeds sessions and assets as tables of text.

    Raises InputError, with nothing written, naming the file, row and column: an unknown asset or kind, a
    split not above 0, a negative dividend, two values told at one time, an ex_date after the calendar's end;
    and an as_of that is not later than that of every earlier landing or run.
    """
    if not deliveries:
        return ActionsReport(0, 0, 0)
    _inputs(con, deliveries, study)
    con.begin()
    try:
        con.execute(TOLD, {"file_vendor": VENDOR})
        _refuse_first_wrong(con, deliveries)
        before = as_of_before(con, batch_id, run_id)
        con.execute(VERSIONS, {"before": before, "batch_id": batch_id, "as_of": as_of})
        report = _report(con, deliveries)
        if report.rows_landed:
            refuse_the_past([one.source for one in deliveries], "actions", as_of, before)
            _write(con, deliveries, batch_id, as_of, run_id, loaded_at)
        for table in ("told", "versions"):
            con.execute(f"drop table actions_{table}")
        con.commit()
    except BaseException:
        con.rollback()
        raise
    finally:
        for view in ("actions_rows", "actions_payloads", "actions_assets", "study_sessions", "study_assets"):
            con.unregister(view)
    return report


def _inputs(
    con: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery], study: Mapping[str, pa.Table]
) -> None:
    """Rows, payloads, seeds and the assets in force as views of the connection."""
    parts, payloads = [], []
    for number, delivery in enumerate(deliveries):
        rows = delivery.rows
        if "vendor" not in rows.column_names:
            rows = rows.append_column("vendor", pa.nulls(rows.num_rows, pa.string()))
        rows = rows.append_column("payload_number", pa.repeat(number, rows.num_rows))
        columns = ("payload_number", "row_number", "symbol", "ex_date", "kind", "value", "known_at", "vendor")
        parts.append(rows.select(columns))
        payloads.append({"payload_number": number, "source": delivery.source, "vendor": delivery.vendor})
    con.register("actions_rows", pa.concat_tables(parts, promote_options="permissive"))
    con.register("actions_payloads", pa.Table.from_pylist(payloads))
    for seed in ("sessions", "assets"):
        con.register(f"study_{seed}", study[seed])
    assets = con.execute(f"select symbol, venue from ({ASSETS_IN_FORCE})").to_arrow_table()
    con.register("actions_assets", assets)


def _refuse_first_wrong(con: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> None:
    """Raises InputError for the first row that cannot be used."""
    for condition, (column, expected) in WRONG.items():
        query = f"""
        select payload_number, row_number, {column} from actions_told where {condition}
        order by payload_number, row_number limit 1
        """
        for payload_number, row_number, found in con.execute(query).fetchall():
            raise InputError(
                f"{deliveries[payload_number].source}: row {row_number}: column '{column}' is '{found}';"
                f" expected {expected}"
            )
    query = """
    select ours.payload_number, ours.row_number, ours.value, theirs.value
    from actions_told as ours
    join actions_told as theirs using (payload_number, symbol, ex_date, kind, vendor)
    where ours.known_at is not distinct from theirs.known_at and ours.value <> theirs.value
        and ours.row_number > theirs.row_number
    order by all limit 1
    """
    for payload_number, row_number, value, other in con.execute(query).fetchall():
        raise InputError(
            f"{deliveries[payload_number].source}: row {row_number}: column 'value' is '{value}', but an"
            f" earlier row of the same action says '{other}'; expected one value, or known_at to tell them"
            " apart"
        )


def _report(con: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> ActionsReport:
    landed, restated = _one(con, "select count(*), count(*) filter (version > 1) from actions_versions")
    return ActionsReport(sum(delivery.rows.num_rows for delivery in deliveries), landed, restated)


def _write(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    batch_id: int,
    as_of: dt.datetime,
    run_id: str,
    loaded_at: dt.datetime,
) -> None:
    """The new versions, and one row of raw.batches per payload that brought some.

    Payloads are numbered after those that brought bars in the same landing.
    """
    tables = ("batches", "bars", "payloads", "quarantined_bars")
    numbers = " union all ".join(
        f"select max(payload_number) as number from raw.{table} where batch_id = $batch" for table in tables
    )
    (last,) = _one(con, f"select coalesce(max(number), 0) from ({numbers})", {"batch": batch_id})
    first = int(last) + 1
    con.execute(
        """
        insert into raw.actions by name
        select $batch_id as batch_id, $first + payload_number as payload_number, row_number, symbol, ex_date,
            kind, value, version, $as_of as recorded_at, landed_known_at as known_at, vendor
        from actions_versions
        order by symbol, ex_date, kind, vendor, version
        """,
        {"batch_id": batch_id, "as_of": as_of, "first": first},
    )
    query = "select payload_number, count(*) from actions_versions group by all order by all"
    for number, landed in con.execute(query).fetchall():
        delivery = deliveries[number]
        con.execute(
            """
            insert into raw.batches by name
            select $batch_id as batch_id, $number as payload_number, $run_id as run_id, $vendor as vendor,
                $source as source, $payload_hash as payload_hash, $as_of as as_of, $seen as rows_seen,
                $landed as rows_landed, 0 as rows_quarantined, $loaded_at as loaded_at
            """,
            {
                "batch_id": batch_id,
                "number": first + number,
                "run_id": run_id,
                "vendor": delivery.vendor,
                "source": delivery.source,
            }
            | {"payload_hash": delivery.payload_hash, "as_of": as_of, "seen": delivery.rows.num_rows}
            | {"landed": landed, "loaded_at": loaded_at},
        )


def _one(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """The only row of an aggregate."""
    (row,) = con.execute(query, parameters or {}).fetchall()
    return row
