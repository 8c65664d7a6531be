"""Lands bars in raw: what is new becomes a version with its known_at, what is bad is set apart with reasons.

All deliveries of a landing share one batch and one transaction; nothing is updated or half-written.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from python_steps import landing_sql as sql
from python_steps.errors import InputError
from python_steps.land_payloads import Account, account, not_read, payloads_of, write_payloads
from python_steps.landing_time import as_of_before, refuse_the_past
from python_steps.register_assets import Asset, Delivery, registered_assets, resolve_assets, write_assets

END_OF_TIME = dt.datetime(9999, 1, 1)

PRICES = "concat_ws(', ', 'open ' || open, 'high ' || high, 'low ' || low, 'close ' || close)"
RECORDED = "least($as_of, coalesce(told_recorded_at, $as_of))"
# A ticker that is given to another company is another asset, under a symbol of its own.
END = "(select member_until from landing_assets where landing_assets.symbol = landing_dated.symbol)"

# Why a row is refused: a condition over landing_dated, and what was found and is expected.
REASONS = {
    "not_finite": (
        "not is_finite or not isfinite(volume)",
        f"concat_ws(', ', nullif({PRICES}, ''), 'volume ' || volume) || '; expected a close, finite numbers'",
    ),
    "not_positive": ("least(open, high, low, close) <= 0", f"{PRICES} || '; expected prices above 0'"),
    "high_below_low": ("is_finite and high < low", f"{PRICES} || '; expected high >= low'"),
    "close_outside_range": (
        "is_finite and coalesce(low <= high, true)"
        " and (greatest(open, close) > high or least(open, close) < low)",
        f"{PRICES} || '; expected open and close from low to high'",
    ),
    "negative_volume": ("volume < 0", "'volume ' || volume || '; expected 0 or more'"),
    "not_a_session": (
        "not is_session",
        "concat_ws(' ', told_date, told_opened_at, told_closed_at, 'is in no session of', venue,"
        " 'from', calendar_from, 'to', calendar_to)",
    ),
    "labelled_by_end": (
        "is_labelled_by_end",
        "concat(told_opened_at, ' to ', told_closed_at, ' lies in an earlier session than ', told_date,"
        " '; expected the day it begins')",
    ),
    "after_the_end": (
        f"session_date >= {END}",
        f"concat(symbol, ' ended before ', {END}, ', and this bar is of ', session_date,"
        " '; expected another symbol for another asset')",
    ),
    "closed_before_opened": (
        "told_closed_at < told_opened_at",
        "concat('opened_at ', told_opened_at, ', closed_at ', told_closed_at, '; expected opened_at first')",
    ),
    "known_before_close": (
        "told_known_at < closed_at",
        "concat('known_at ', told_known_at, '; expected the close, ', closed_at, ', or later')",
    ),
}
# The same for what hangs on when the row was recorded: at its own recorded_at, or else at the as_of.
REASONS_OF_TIME = {
    "unclosed": (
        f"period_opened_at <= {RECORDED} and closed_at > {RECORDED}",
        f"concat('closes ', closed_at, '; recorded ', {RECORDED})",
    ),
    "from_the_future": (
        f"period_opened_at > {RECORDED}",
        f"concat('opens ', period_opened_at, '; recorded ', {RECORDED})",
    ),
}

# And over landing_repeats.
REASONS_OF_REPEATS = {
    "repeated": ("is_repeated", "equal to an earlier row; expected one row for each bar"),
    "conflicting_repeat": (
        "is_conflicting",
        "other values than another row of its bar; expected recorded_at or known_at to tell them apart",
    ),
}

SEEDS = ("sessions", "venues", "asset_classes", "assets", "feeds")
TEMPORARY = (
    *("assets", "dated", "repeats", "reasons", "refused", "good"),
    *("placed", "unreadable", "landed", "seen", "new_symbols", "versions"),
)


class Batch(NamedTuple):
    """What the rows of one landing share."""

    batch_id: int
    run_id: str
    as_of: dt.datetime
    loaded_at: dt.datetime


@dataclass(frozen=True)
class LandingReport:
    """What a landing did with each row that it saw: landed, unchanged, quarantined, or not asked for.

    `rows_quarantined` counts refused rows, those refused earlier included; `payloads_kept` counts answers of
    vendors; `accounts` has one for each payload.
    """

    rows_seen: int
    rows_landed: int
    rows_unchanged: int
    rows_quarantined: int
    rows_not_asked: int
    reasons: dict[str, int]
    restated: int
    new_symbols: tuple[str, ...]
    registered: tuple[str, ...]
    has_batch: bool
    payloads_kept: int = 0
    accounts: tuple[Account, ...] = ()


def next_batch_id(con: duckdb.DuckDBPyConnection) -> int:
    """One more than the last batch of any raw table."""
    names = ["batches", "bars", "actions", "quarantined_bars", "assets", "study", "policies", "payloads"]
    batches = " union all ".join(f"select max(batch_id) as batch_id from raw.{table}" for table in names)
    (last,) = _one(con, f"select coalesce(max(batch_id), 0) from ({batches})")
    return int(last) + 1


def latest_available_at(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    study: Mapping[str, pa.Table],
    *,
    asset_file: Delivery | None = None,
) -> dt.datetime:
    """The default as_of of files: the latest instant at which a good row was available or recorded.

    Raises InputError as land_bars does, and where no row is good.
    """
    with _inputs(con, deliveries, study, asset_file), _transaction(con):
        resolve_assets(con, deliveries, asset_file)
        _judge(con, END_OF_TIME)
        query = """
        select max(greatest(available_at, told_recorded_at))
        from landing_dated anti join landing_reasons using (payload_number, row_number)
        """
        (latest,) = _one(con, query)
        reasons = _reason_counts(con, "landing_reasons")
    if latest is None:
        names = ", ".join(delivery.source for delivery in deliveries)
        raise InputError(f"{names}: no row can be used; refused: {reasons}")
    return latest


def land_bars(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    study: Mapping[str, pa.Table],
    *,
    as_of: dt.datetime,
    batch_id: int,
    run_id: str,
    loaded_at: dt.datetime,
    asset_file: Delivery | None = None,
) -> LandingReport:
    """Append what is new in `deliveries` to raw.bars, raw.quarantined_bars, raw.asset_vendors, raw.assets and
    raw.batches.

    `study` holds the seeds of SEEDS as tables of text; instants are naive UTC.

    Where nothing is new only the answers of vendors are written, to raw.payloads.

    Raises InputError, with nothing written: an asset without a class or of an unknown one, the symbol
    CASH, an unknown venue, and an as_of that is not later than that of every earlier landing or run; and
    LostRows where it cannot account for every row.
    """
    with _inputs(con, deliveries, study, asset_file), _transaction(con):
        batch = Batch(batch_id, run_id, as_of, loaded_at)
        candidates = resolve_assets(con, deliveries, asset_file)
        _judge(con, as_of)
        before = as_of_before(con, batch_id, run_id)
        _number_versions(con, batch, before)
        landed = {
            symbol for (symbol,) in con.execute("select distinct symbol from landing_versions").fetchall()
        }
        registered = registered_assets(candidates, landed, asset_file)
        accounts = account(con, deliveries)
        report = _report(con, deliveries, accounts, registered)
        if report.has_batch:
            refuse_the_past([one.source for one in deliveries], "rows", as_of, before)
            _write(con, batch, registered)
            _write_batches(con, deliveries, accounts, asset_file, batch, registered)
        write_payloads(con, batch_id, deliveries, accounts)
        return report


@contextmanager
def _inputs(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    study: Mapping[str, pa.Table],
    asset_file: Delivery | None,
) -> Iterator[None]:
    """Rows, payloads and seeds as views of the connection."""
    numbered = [
        delivery.rows.append_column("payload_number", pa.repeat(number, delivery.rows.num_rows))
        for number, delivery in enumerate(deliveries, 1)
    ]
    views = {f"study_{name}": study[name] for name in SEEDS}
    views["landing_rows"] = pa.concat_tables(numbered)
    views["landing_payloads"] = payloads_of(deliveries)
    views["landing_not_read"] = not_read(deliveries)
    for name, table in views.items():
        con.register(name, table)
    try:
        yield
    finally:
        for name in views:
            con.unregister(name)


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing, and no temporary table stays behind."""
    con.begin()
    try:
        yield
        for table in TEMPORARY:
            con.execute(f"drop table if exists landing_{table}")
        con.commit()
    except BaseException:
        con.rollback()
        raise


def _judge(con: duckdb.DuckDBPyConnection, as_of: dt.datetime) -> None:
    """Give every row its instants, and every bad one its reasons."""
    con.execute(sql.PLACED)
    con.execute(sql.DATED)
    con.execute(sql.UNREADABLE)
    con.execute(sql.REPEATS)
    conditions = REASONS | REASONS_OF_TIME
    found = [
        f"select payload_number, row_number, '{reason}' as reason, {detail} as detail,"
        f" {reason in REASONS_OF_TIME} as is_of_time from landing_dated where {condition}"
        for reason, (condition, detail) in conditions.items()
    ]
    found += [
        f"select payload_number, row_number, '{reason}', '{detail}', false"
        f" from landing_repeats where {condition}"
        for reason, (condition, detail) in REASONS_OF_REPEATS.items()
    ]
    con.execute(f"create temp table landing_reasons as {' union all '.join(found)}", {"as_of": as_of})


def _number_versions(con: duckdb.DuckDBPyConnection, batch: Batch, before: dt.datetime | None) -> None:
    con.execute(sql.REFUSED)
    con.execute(sql.GOOD, {"as_of": batch.as_of})
    con.execute(sql.LANDED)
    con.execute(sql.SEEN)
    con.execute(sql.NEW_SYMBOLS, {"batch_id": batch.batch_id})
    con.execute(sql.VERSIONS, {"before": before})


def _report(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    accounts: Sequence[Account],
    registered: Sequence[Asset],
) -> LandingReport:
    new_symbols = con.execute("from landing_new_symbols order by symbol").fetchall()
    return LandingReport(
        rows_seen=sum(one.rows_seen for one in accounts),
        rows_landed=sum(one.rows_landed for one in accounts),
        rows_unchanged=sum(one.rows_unchanged for one in accounts),
        rows_quarantined=sum(one.rows_quarantined for one in accounts),
        rows_not_asked=sum(one.rows_not_asked for one in accounts),
        reasons=_reason_counts(con, "landing_refused"),
        restated=sum(one.rows_restated for one in accounts),
        new_symbols=tuple(symbol for (symbol,) in new_symbols),
        registered=tuple(asset.symbol for asset in registered),
        has_batch=bool(registered or any(one.has_news for one in accounts)),
        payloads_kept=sum(delivery.answered is not None for delivery in deliveries),
        accounts=tuple(accounts),
    )


def _write(con: duckdb.DuckDBPyConnection, batch: Batch, registered: Sequence[Asset]) -> None:
    con.execute(
        """
        insert into raw.bars by name
        select $batch_id as batch_id, payload_number, row_number, symbol, session_date, version,
            opened_at, closed_at, available_at, recorded_at, known_at, open, high, low, close, volume, vendor
        from landing_versions
        order by symbol, session_date, vendor, version
        """,
        {"batch_id": batch.batch_id},
    )
    con.execute(
        """
        insert into raw.quarantined_bars by name
        select $batch_id as batch_id, payload_number, row_number, symbol, session_date, reason, detail,
            row_json, vendor, source, $as_of as recorded_at, $as_of as known_at
        from landing_refused
        where is_new
        order by payload_number, row_number, reason
        """,
        {"batch_id": batch.batch_id, "as_of": batch.as_of},
    )
    con.execute(sql.ASSET_VENDORS)
    write_assets(con, batch.batch_id, registered)


def _write_batches(
    con: duckdb.DuckDBPyConnection,
    deliveries: Sequence[Delivery],
    accounts: Sequence[Account],
    asset_file: Delivery | None,
    batch: Batch,
    registered: Sequence[Asset],
) -> None:
    """One row per payload that brought something."""
    told = list(zip(deliveries, accounts, strict=True))
    if asset_file:
        described = set(asset_file.rows["symbol"].to_pylist())
        rows, landed = asset_file.rows.num_rows, sum(asset.symbol in described for asset in registered)
        told.append((asset_file, Account(len(told) + 1, rows, landed, rows - landed, 0, 0)))
    for delivery, counted in told:
        if counted.has_news:
            con.execute(
                """
                insert into raw.batches by name
                select $batch_id as batch_id, $number as payload_number, $run_id as run_id, $vendor as vendor,
                    $source as source, $payload_hash as payload_hash, $as_of as as_of,
                    $rows_seen as rows_seen, $rows_landed as rows_landed,
                    $rows_quarantined as rows_quarantined, $loaded_at as loaded_at
                """,
                batch._asdict()
                | {"number": counted.payload_number, "vendor": delivery.vendor, "source": delivery.source}
                | {"payload_hash": delivery.payload_hash, "rows_seen": counted.rows_seen}
                | {"rows_landed": counted.rows_landed, "rows_quarantined": counted.rows_quarantined},
            )


def _reason_counts(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    query = f"select reason, count(*) from {table} group by reason order by reason"
    return dict(con.execute(query).fetchall())


def _one(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """The only row of an aggregate."""
    (row,) = con.execute(query, parameters or {}).fetchall()
    return row
