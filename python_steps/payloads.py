"""What an adapter of a vendor takes and gives: a request, the payloads that answer it, and what they hold."""

import datetime as dt
import hashlib
from dataclasses import dataclass, field

import pyarrow as pa

from python_steps.adapters import file

NUMBERED = pa.field("row_number", pa.int64(), nullable=False)
_ARROW = {"text": pa.string(), "number": pa.float64(), "day": pa.date32(), "instant": pa.timestamp("us")}

ROWS = pa.schema([NUMBERED, *(pa.field(name, _ARROW[kind]) for name, kind in file.BARS.items())])
REFUSED = pa.schema(
    [
        NUMBERED,
        pa.field("session_date", pa.date32()),
        *(pa.field(name, pa.string(), nullable=False) for name in ("reason", "detail", "row_json")),
    ]
)
ACTIONS = pa.schema(
    [
        NUMBERED,
        *(pa.field(name, pa.string(), nullable=False) for name in ("symbol", "kind")),
        pa.field("ex_date", pa.date32(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("known_at", pa.timestamp("us")),
    ]
)


class VendorError(Exception):
    """One line: the vendor, the symbol, what it said (never a key), and what was expected or can be done."""


@dataclass(frozen=True)
class VendorRequest:
    """Daily bars of one asset, sessions from `from_date` until before `until_date`.

    `symbol` is ours (BTC-USD), `vendor_symbol` theirs (BTCUSDT). `as_of` is naive UTC: nothing later is asked
    for, and what a vendor adds beyond it is refused at the landing.
    """

    symbol: str
    vendor_symbol: str
    asset_class: str
    from_date: dt.date
    until_date: dt.date
    as_of: dt.datetime


@dataclass(frozen=True)
class VendorPayload:
    """One answer as it came, its transfer encoding undone. `source` is the request without any secret.

    `fetched_at` is the wall clock, naive UTC; no rule hangs on it.
    """

    vendor: str
    symbol: str
    source: str
    content: bytes = field(repr=False)
    fetched_at: dt.datetime

    @property
    def payload_hash(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class ParsedPayload:
    """What a payload holds: each of its rows is either in `rows` or, with a reason, in `refused`.

    `rows` is of ROWS, in the order of the payload; a row has `session_date` or both instants. `refused` is of
    REFUSED, `actions` of ACTIONS: a split's value is new shares for one old, a dividend's is money a share;
    `known_at` is null where the vendor does not tell when it was announced.
    """

    rows: pa.Table
    refused: pa.Table = field(default_factory=REFUSED.empty_table)
    actions: pa.Table = field(default_factory=ACTIONS.empty_table)


@dataclass(frozen=True)
class Answered:
    """A payload with what it holds, and the request it answers: a vendor may tell of more than was asked."""

    request: VendorRequest
    payload: VendorPayload
    parsed: ParsedPayload
