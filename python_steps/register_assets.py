"""Which assets the rows of a landing speak of: known ones, and those that a user's files register."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from python_steps import names
from python_steps.adapters.file import ADJUSTMENTS, VENDOR
from python_steps.errors import InputError
from python_steps.payloads import Answered

CASH = "CASH"

# What a user's file registered goes before what the seed says.
ASSETS_IN_FORCE = """
select
    symbol, asset_class, venue, currency, member_from::date, member_until::date, known_at::timestamp,
    coalesce(adjustment, 'none')
from study_assets anti join raw.assets using (symbol)
union all
select symbol, asset_class, venue, currency, member_from, member_until, known_at, adjustment
from raw.assets semi join (select symbol, max(batch_id) as batch_id from raw.assets group by symbol)
    using (symbol, batch_id)
"""


@dataclass(frozen=True)
class Delivery:
    """Rows of one payload, with the columns of file.BARS (or file.ASSETS) after `row_number`.

    `vendor` is used where a row names none. `answered` is what a vendor sent; a file has none.
    """

    rows: pa.Table
    payload_hash: str
    source: str
    vendor: str = VENDOR
    answered: Answered | None = None

    @property
    def rows_seen(self) -> int:
        """How many rows the payload has, those that could not be read included."""
        return self.rows.num_rows + (self.answered.parsed.refused.num_rows if self.answered else 0)


class Asset(NamedTuple):
    """A row of raw.assets, without its batch."""

    symbol: str
    asset_class: str
    venue: str
    currency: str
    member_from: dt.date | None = None
    member_until: dt.date | None = None
    known_at: dt.datetime | None = None
    adjustment: str = ADJUSTMENTS[0]


def resolve_assets(
    con: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery], asset_file: Delivery | None
) -> list[Asset]:
    """Write landing_assets, venue and end of every symbol of the bars; return all assets the inputs describe.

    An asset comes from what is known, then from the asset file, then from the class that its bars name.
    """
    classes = _classes(con)
    venues = {venue for (venue,) in con.execute("select venue from study_venues").fetchall()}
    known = {row[0]: Asset(*row) for row in con.execute(ASSETS_IN_FORCE).fetchall()}
    described = _described(asset_file, known, classes, venues)
    assets = known | described
    query = """
    select symbol, asset_class, payload_number, min(row_number) as row_number from landing_rows
    group by symbol, asset_class, payload_number
    order by asset_class is null, payload_number, row_number
    """
    for symbol, asset_class, payload_number, row_number in con.execute(query).fetchall():
        place = f"{deliveries[payload_number - 1].source}: row {row_number}"
        _check_symbol(place, symbol)
        if asset_class is None and symbol not in assets:
            raise InputError(
                f"{place}: {symbol} is unknown and has no 'asset_class';"
                f" expected {_choices(classes)}, in this file or in one given with --assets"
            )
        if asset_class is not None:
            _check_class(place, symbol, asset_class, classes, assets.get(symbol))
            assets.setdefault(symbol, Asset(symbol, asset_class, *classes[asset_class]))
    _check_vendors(con, deliveries)
    con.execute("create temp table landing_assets (symbol varchar, venue varchar, member_until date)")
    columns = ("symbol", "venue", "member_until")
    rows = [{name: getattr(asset, name) for name in columns} for asset in assets.values()]
    con.register("landing_assets_of", pa.Table.from_pylist(rows))
    con.execute("insert into landing_assets from landing_assets_of")
    con.unregister("landing_assets_of")
    return [asset for symbol, asset in assets.items() if asset != known.get(symbol)]


def registered_assets(
    candidates: Iterable[Asset], landed: Set[str], asset_file: Delivery | None
) -> list[Asset]:
    """Assets to register: those that the asset file describes, and those of which a bar lands."""
    described = set(asset_file.rows["symbol"].to_pylist()) if asset_file else set()
    return sorted(asset for asset in candidates if asset.symbol in landed | described)


def write_assets(con: duckdb.DuckDBPyConnection, batch_id: int, assets: Iterable[Asset]) -> None:
    """Append assets to raw.assets."""
    for asset in assets:
        con.execute("insert into raw.assets values ($1, $2, $3, $4, $5, $6, $7, $8, $9)", [batch_id, *asset])


def _classes(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Default venue and currency of each asset class."""
    query = "select asset_class, default_venue, currency from study_asset_classes order by asset_class"
    return {asset_class: (venue, currency) for asset_class, venue, currency in con.execute(query).fetchall()}


def _described(
    asset_file: Delivery | None,
    known: Mapping[str, Asset],
    classes: Mapping[str, tuple[str, str]],
    venues: set[str],
) -> dict[str, Asset]:
    """Assets of the file, its gaps filled from what is known or from the class."""
    described = {}
    for row in asset_file.rows.to_pylist() if asset_file else []:
        place = f"{asset_file.source}: row {row.pop('row_number')}" if asset_file else ""
        symbol, before = row["symbol"], known.get(row["symbol"])
        _check_symbol(place, symbol)
        _check_class(place, symbol, row["asset_class"], classes, before)
        venue, currency = (before.venue, before.currency) if before else classes[row["asset_class"]]
        found = {"venue": venue, "currency": currency, "adjustment": before.adjustment if before else "none"}
        asset = Asset(**(row | {column: row[column] or value for column, value in found.items()}))
        if asset.venue not in venues:
            raise InputError(f"{place}: venue '{asset.venue}' is unknown; expected {_choices(venues)}")
        if asset.adjustment not in ADJUSTMENTS:
            raise InputError(
                f"{place}: adjustment '{asset.adjustment}' is unknown; expected {_choices(ADJUSTMENTS)}"
            )
        if before and asset.adjustment != before.adjustment:
            raise InputError(
                f"{place}: {symbol} is known with adjustment '{before.adjustment}'; expected the same"
            )
        if before and (asset.venue, asset.currency) != (before.venue, before.currency):
            raise InputError(
                f"{place}: {symbol} is known with venue {before.venue} and currency {before.currency};"
                " expected the same, only its membership may change"
            )
        described[symbol] = asset
    return described


def _check_symbol(place: str, symbol: str) -> None:
    if not names.is_symbol(symbol):
        raise InputError(f"{place}: {symbol[:40]!r} is no symbol; {names.SYMBOL_EXPECTED}")
    if symbol.upper() == CASH:
        raise InputError(f"{place}: symbol '{symbol}' is what is not invested; expected another symbol")


def _check_vendors(con: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> None:
    query = """
    select vendor, payload_number, min(row_number) from landing_rows
    where vendor is not null group by vendor, payload_number order by payload_number, vendor
    """
    for vendor, payload_number, row_number in con.execute(query).fetchall():
        if not names.is_vendor(vendor):
            place = f"{deliveries[payload_number - 1].source}: row {row_number}"
            raise InputError(f"{place}: {vendor[:40]!r} is no name of a vendor; {names.VENDOR_EXPECTED}")


def _check_class(
    place: str, symbol: str, asset_class: str, classes: Mapping[str, Any], known: Asset | None
) -> None:
    if asset_class not in classes:
        raise InputError(f"{place}: asset_class '{asset_class}' is unknown; expected {_choices(classes)}")
    if known and known.asset_class != asset_class:
        raise InputError(f"{place}: {symbol} is '{asset_class}'; expected '{known.asset_class}', as before")


def _choices(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))
