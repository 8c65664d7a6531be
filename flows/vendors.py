"""What vendors are asked for, and what they answer: only what is new, or may have been restated."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_steps import vendor_http
from python_steps.errors import InputError
from python_steps.payloads import Answered, VendorError, VendorRequest
from python_steps.register_assets import ASSETS_IN_FORCE, Delivery

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DAY = dt.timedelta(days=1)
# Landed bars that are asked for again. A print that is corrected is so within days: late trades, a session
# that was told before it was whole.
OVERLAP = 5
# An adjusted feed tells its past anew after a split or dividend, some of them days later: a month of bars
# shows that it has, and then all of it is asked for again.
ADJUSTED_OVERLAP = 21

Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Feed:
    """One asset of one vendor. The lowest `precedence` of an asset's first vendors is in force."""

    symbol: str
    vendor: str
    vendor_symbol: str
    asset_class: str
    adjustment: str
    precedence: int


@dataclass(frozen=True)
class Wanted:
    """Which feeds, and their sessions from `from_date` to `to_date`; None for all there are."""

    vendors: Sequence[str]
    symbols: Sequence[str] = ()
    from_date: dt.date | None = None
    to_date: dt.date | None = None


@dataclass(frozen=True)
class Failure:
    """What a vendor was asked for and did not give, and why, in one line without a secret."""

    vendor: str
    symbol: str
    reason: str


@dataclass(frozen=True)
class Landed:
    """The closes of a feed that are landed, by session, of those that will be asked for again."""

    first: dt.date
    overlap: Mapping[dt.date, float]


@dataclass
class Fetched:
    """The answers in the order in which they were asked for, what failed, and how many feeds were asked."""

    answers: list[Answered] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    asked: int = 0

    @property
    def deliveries(self) -> list[Delivery]:
        """The answers as land_bars takes them."""
        return [
            Delivery(one.parsed.rows, one.payload.payload_hash, one.payload.source, one.payload.vendor, one)
            for one in self.answers
        ]

    @property
    def actions(self) -> list[Delivery]:
        """The splits and dividends that the answers tell of, as land_actions takes them."""
        return [
            Delivery(one.parsed.actions, one.payload.payload_hash, one.payload.source, one.payload.vendor)
            for one in self.answers
            if one.parsed.actions.num_rows
        ]

    @property
    def has_nothing(self) -> bool:
        """Whether something was asked for, and all of it failed."""
        return bool(self.failures) and not self.answers


def fetch(
    con: "duckdb.DuckDBPyConnection",
    wanted: Wanted,
    seeds: "Mapping[str, pa.Table]",
    *,
    as_of: dt.datetime,
    step: Step | None = None,
) -> Fetched:
    """Ask the vendors for what is not landed yet, and again for what may have been restated.

    An answer that is not whole is left out: it could leave a hole that nobody would ask for again. A feed
    that fails does not stop the others; but where an asset has no vendor in force yet and the one that goes
    first fails, the others are left out too, or one of them would be in force for good.

    Raises InputError: an unknown vendor or symbol, a missing key.
    """
    feeds = chosen(con, wanted, seeds)
    fetched = Fetched(asked=len(feeds))
    for vendor in dict.fromkeys(feed.vendor for feed in feeds):
        own = [feed for feed in feeds if feed.vendor == vendor]
        with vendor_http.client(vendor, progress=step) as http:
            for number, feed in enumerate(own, 1):
                if step:
                    step(f"{vendor} {feed.symbol}", number, len(own))
                try:
                    fetched.answers += _asked(con, feed, wanted, seeds, as_of, http)
                except VendorError as error:
                    fetched.failures.append(Failure(vendor, feed.symbol, str(error)))
    _leave_out_seconds(con, feeds, fetched)
    return fetched


def chosen(con: "duckdb.DuckDBPyConnection", wanted: Wanted, seeds: "Mapping[str, pa.Table]") -> list[Feed]:
    """The feeds of seeds/feeds.csv that are wanted, by vendor as named and then by symbol."""
    known = vendor_http.vendors()
    for vendor in wanted.vendors:
        if vendor not in known:
            raise InputError(f"--vendor: '{vendor}' is unknown; expected one of {', '.join(known)}")
    con.register("study_assets", seeds["assets"])
    classes = dict(con.execute(f"select symbol, asset_class from ({ASSETS_IN_FORCE})").fetchall())
    con.unregister("study_assets")
    rows = [row for row in seeds["feeds"].to_pylist() if row["vendor"] in wanted.vendors]
    for symbol in wanted.symbols:
        if symbol not in {row["symbol"] for row in rows}:
            served = ", ".join(sorted({row["symbol"] for row in rows}))
            raise InputError(
                f"--symbol: {symbol} has no feed of {' or '.join(wanted.vendors)} in seeds/feeds.csv;"
                f" it has: {served}"
            )
    feeds = [
        Feed(
            row["symbol"],
            row["vendor"],
            row["vendor_symbol"],
            classes[row["symbol"]],
            row["adjustment"],
            int(row["precedence"]),
        )
        for row in rows
        if not wanted.symbols or row["symbol"] in wanted.symbols
    ]
    return sorted(feeds, key=lambda feed: (list(wanted.vendors).index(feed.vendor), feed.symbol))


def _asked(
    con: "duckdb.DuckDBPyConnection",
    feed: Feed,
    wanted: Wanted,
    seeds: "Mapping[str, pa.Table]",
    as_of: dt.datetime,
    http: vendor_http.VendorHttp,
) -> list[Answered]:
    """The answers of one feed: all, or what is new and its overlap; all again where that has changed."""
    landed = _landed(con, feed)
    until = min(wanted.to_date or dt.date.max - DAY, as_of.date()) + DAY
    first = wanted.from_date or _calendar_from(seeds)
    since = min(landed.overlap) if landed else first
    found = _answers(feed, since, until, as_of, http)
    if landed and landed.first < since and _tells_the_past_anew(feed, landed, found):
        found += _answers(feed, landed.first, until, as_of, http)
    return found


def _answers(
    feed: Feed, since: dt.date, until: dt.date, as_of: dt.datetime, http: vendor_http.VendorHttp
) -> list[Answered]:
    if since >= until:
        return []
    adapter: Any = vendor_http.vendors()[feed.vendor]
    request = VendorRequest(feed.symbol, feed.vendor_symbol, feed.asset_class, since, until, as_of)
    return [Answered(request, payload, adapter.parse(payload)) for payload in adapter.fetch(request, http)]


def _landed(con: "duckdb.DuckDBPyConnection", feed: Feed) -> Landed | None:
    rows = con.execute(
        """
        select session_date, max_by(close, version) from raw.bars
        where symbol = $symbol and vendor = $vendor
        group by session_date order by session_date
        """,
        {"symbol": feed.symbol, "vendor": feed.vendor},
    ).fetchall()
    overlap = OVERLAP if feed.adjustment == "none" else ADJUSTED_OVERLAP
    return Landed(rows[0][0], dict(rows[-overlap:])) if rows else None


def _tells_the_past_anew(feed: Feed, landed: Landed, answers: Iterable[Answered]) -> bool:
    """Whether an adjusted feed stands on another base than what is landed: by a split or dividend of the
    kinds that its adapter names, or by a close that is not what it was.
    """
    restated_by = getattr(vendor_http.vendors()[feed.vendor], "RESTATED_BY", ())
    if feed.adjustment == "none":
        return False
    for one in answers:
        if set(one.parsed.actions["kind"].to_pylist()) & set(restated_by):
            return True
        rows = one.parsed.rows.select(["session_date", "close"]).to_pylist()
        if any(landed.overlap.get(row["session_date"], row["close"]) != row["close"] for row in rows):
            return True
    return False


def _leave_out_seconds(con: "duckdb.DuckDBPyConnection", feeds: Sequence[Feed], fetched: Fetched) -> None:
    """Leave out answers on an asset without a vendor in force, where a feed that goes before them failed."""
    in_force = {symbol for (symbol,) in con.execute("select symbol from raw.asset_vendors").fetchall()}
    precedence = {(feed.vendor, feed.symbol): feed.precedence for feed in feeds}
    failed = {(one.vendor, one.symbol) for one in fetched.failures}
    for vendor, symbol in sorted(failed):
        behind = {
            (feed.vendor, symbol)
            for feed in feeds
            if feed.symbol == symbol and feed.precedence > precedence[vendor, symbol]
        } - failed
        if symbol in in_force or not behind:
            continue
        fetched.answers = [
            one for one in fetched.answers if (one.payload.vendor, one.payload.symbol) not in behind
        ]
        failed |= behind
        fetched.failures += [
            Failure(second, symbol, f"{second}: {symbol} is left out: {vendor} goes before it and failed")
            for second, _ in sorted(behind)
        ]


def _calendar_from(seeds: "Mapping[str, pa.Table]") -> dt.date:
    return dt.date.fromisoformat(min(seeds["sessions"]["session_date"].to_pylist()))
