"""Keeps every answer of a vendor as it came, and accounts for each of its rows."""

import gzip
from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from python_steps import landing_sql as sql
from python_steps.payloads import REFUSED
from python_steps.register_assets import Delivery

PAYLOADS = pa.schema(
    [
        ("payload_number", pa.int64()),
        *((name, pa.string()) for name in ("source", "vendor", "asked_symbol")),
        *((name, pa.date32()) for name in ("asked_from", "asked_until")),
        ("rows_seen", pa.int64()),
    ]
)


class LostRows(RuntimeError):
    """One line: a payload whose rows are not all landed, unchanged, quarantined or not asked for."""


class Account(NamedTuple):
    """What became of the rows of a payload; some of those landed are restated bars.

    `news` counts refusals never told before.
    """

    payload_number: int
    rows_seen: int
    rows_landed: int
    rows_unchanged: int
    rows_quarantined: int
    rows_not_asked: int
    rows_restated: int = 0
    news: int = 0

    @property
    def has_news(self) -> bool:
        """Whether the landing knows more by it."""
        return bool(self.rows_landed or self.news)

    @property
    def rows_found(self) -> int:
        """Every row of which it is known what became of it."""
        return self.rows_landed + self.rows_unchanged + self.rows_quarantined + self.rows_not_asked


def payloads_of(deliveries: Sequence[Delivery]) -> pa.Table:
    """The deliveries as rows of landing_payloads, numbered from 1; a file was asked for all that it has."""
    rows = []
    for number, delivery in enumerate(deliveries, 1):
        request = delivery.answered.request if delivery.answered else None
        rows.append(
            {
                "payload_number": number,
                "source": delivery.source,
                "vendor": delivery.vendor,
                "asked_symbol": request and request.symbol,
                "asked_from": request and request.from_date,
                "asked_until": request and request.until_date,
                "rows_seen": delivery.rows_seen,
            }
        )
    return pa.Table.from_pylist(rows, schema=PAYLOADS)


def not_read(deliveries: Sequence[Delivery]) -> pa.Table:
    """The rows of vendors that could not be read, with the number of their payload."""
    parts = [REFUSED.empty_table().append_column("payload_number", pa.array([], pa.int64()))]
    for number, delivery in enumerate(deliveries, 1):
        if delivery.answered:
            refused = delivery.answered.parsed.refused
            parts.append(refused.append_column("payload_number", pa.repeat(number, refused.num_rows)))
    return pa.concat_tables(parts)


def account(con: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> list[Account]:
    """One account a delivery; raises LostRows where the counts do not add up to the rows that came."""
    accounts = [Account(*row) for row in con.execute(sql.ACCOUNTS).fetchall()]
    for delivery, counted in zip(deliveries, accounts, strict=True):
        if counted.rows_found != counted.rows_seen:
            raise LostRows(
                f"{delivery.source}: {counted.rows_seen} rows came, and {counted.rows_found} are accounted"
                f" for ({counted}); expected all"
            )
    return accounts


def write_payloads(
    con: duckdb.DuckDBPyConnection,
    batch_id: int,
    deliveries: Sequence[Delivery],
    accounts: Sequence[Account],
) -> None:
    """Append the answers of vendors to raw.payloads, the bytes of equal ones once."""
    kept = {key for (key,) in con.execute("select distinct payload_hash from raw.payloads").fetchall()}
    rows = []
    for delivery, counted in zip(deliveries, accounts, strict=True):
        if not delivery.answered:
            continue
        request, payload = delivery.answered.request, delivery.answered.payload
        content = None if payload.payload_hash in kept else gzip.compress(payload.content, mtime=0)
        kept.add(payload.payload_hash)
        named = (payload.vendor, payload.symbol, payload.source, request.from_date, request.until_date)
        what = (payload.payload_hash, payload.fetched_at, content, len(payload.content))
        rows.append((batch_id, counted.payload_number, *named, *what, *counted[1:-1]))
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        con.executemany(f"insert into raw.payloads values ({marks})", rows)
