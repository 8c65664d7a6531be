"""FXCM's weekly files of hours: gzipped CSV under a year and a number of a week, 404 where there is none."""

import csv
import datetime as dt
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Asked, Reply, Speak

SYMBOL, VENDOR_SYMBOL, ASSET_CLASS = "EUR-USD", "EURUSD", "fx"
# Monday to Friday over the end of a year, and over the change of the clocks in both directions.
HISTORY = made_up(dt.date(2019, 9, 2), 150, weekdays=True)
PAGES = 30
INCREMENT = 3  # a week and those whose numbers are next to it
NEW_YORK, UTC = ZoneInfo("America/New_York"), ZoneInfo("UTC")
HOUR = dt.timedelta(hours=1)
HALF_SPREAD = 0.01
HEADER = "DateTime,BidOpen,BidHigh,BidLow,BidClose,AskOpen,AskHigh,AskLow,AskClose"
STAMP = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):00:00(\.0+)?", re.ASCII)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


def hours(bar: Bar) -> list[tuple[dt.datetime, tuple[float, ...]]]:
    """The 24 hours of a session by their naive UTC start: its high in the sixth, its low in the tenth."""
    start = dt.datetime.combine(bar.session_date - DAY, dt.time(17), NEW_YORK)
    first = start.astimezone(dt.UTC).replace(tzinfo=None)
    found = []
    for number in range(24):
        opened = bar.open if number == 0 else bar.close
        high = bar.high if number == 5 else max(opened, bar.close)
        low = bar.low if number == 9 else min(opened, bar.close)
        found.append((first + number * HOUR, (opened, high, low, bar.close)))
    return found


def line(start: dt.datetime, prices: Iterable[float], zone: ZoneInfo = UTC) -> str:
    """An hour as a line of the file, its time in `zone`."""
    stamp = start.replace(tzinfo=dt.UTC).astimezone(zone)
    quotes = [f"{price + side:.5f}" for side in (-HALF_SPREAD, HALF_SPREAD) for price in prices]
    return ",".join([f"{stamp:%m/%d/%Y %H:%M:%S}.000", *quotes])


def text(lines: Iterable[str], header: str = HEADER) -> bytes:
    """A file before it is gzipped."""
    return "\r\n".join([header, *lines, ""]).encode()


def lines_of(bars: Iterable[Bar], zone: ZoneInfo = UTC, until: dt.datetime = dt.datetime.max) -> list[str]:
    """The hours of `bars` that end by `until`."""
    return [
        line(start, prices, zone) for bar in bars for start, prices in hours(bar) if start + HOUR <= until
    ]


def packed(content: bytes) -> bytes:
    """A gzip, the same each time."""
    return gzip.compress(content, mtime=0)


WEEK = HISTORY[:5]
GOOD = (
    packed(text(lines_of(WEEK))),
    # As plain text too, or hardly a malformed one could be inflated.
    text(lines_of(WEEK)),
    text(lines_of(HISTORY[4:6], NEW_YORK)),
    packed(b""),
)


def unpack(content: bytes) -> list[list[str]]:
    """The cells of a file, header first."""
    plain = zlib.decompress(content, 31) if content.startswith(b"\x1f\x8b") else content
    return list(csv.reader(plain.decode().splitlines()))


def pack(tree: object) -> bytes:
    """A file of whatever has become of its cells; not gzipped, so that bytes of it may be damaged too."""
    rows = tree if isinstance(tree, list) else [tree]
    lines = io.StringIO()
    csv.writer(lines).writerows(row if isinstance(row, list) else [row] for row in rows)
    return lines.getvalue().encode("utf-8", "replace")


def iso_week(monday: dt.date) -> tuple[int, int]:
    """As FXCM numbers weeks in most years."""
    return monday.isocalendar()[:2]


def rows_in(content: bytes) -> int:
    """Sessions with an hour that can be read, and lines that cannot; 1 where the file is none."""
    try:
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        found = list(csv.reader(plain.decode("utf-8-sig").splitlines()))
        if not found:
            return 0
        names = [name.strip() for name in found[0]]
        assert set(HEADER.split(",")) <= set(names)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, csv.Error, AssertionError):
        return 1
    records = [dict(zip(names, each, strict=False)) for each in found[1:] if each]
    cells = [len(each) for each in found[1:] if each]
    starts = [_start(record.get("DateTime", "")) for record in records]
    told = [start for start in starts if start]
    weekend = {
        zone: (
            sum(_session(start, zone).weekday() > 4 for start in told),
            told and _session(min(told), zone) == _session(min(told) - HOUR, zone),
        )
        for zone in (UTC, NEW_YORK)
    }
    if told and weekend[UTC] == weekend[NEW_YORK]:
        return 1
    zone = min(weekend, key=weekend.get)
    good = [
        start
        for record, start, count in zip(records, starts, cells, strict=True)
        if start and _session(start, zone).weekday() < 5 and count == len(names) and _is_good(record)
    ]
    sessions = {_session(start, zone) for start in good}
    return len(records) - len(Counter(good)) + len(sessions)


def _start(told: str) -> dt.datetime | None:
    if not (parts := STAMP.fullmatch(told)):
        return None
    try:
        start = dt.datetime(int(parts[3]), int(parts[1]), int(parts[2]), int(parts[4]))
    except ValueError:
        return None
    return start if 1900 <= start.year < 2200 else None


def _session(start: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Seven hours on, 17:00 New York is midnight."""
    wall = start.replace(tzinfo=zone).astimezone(NEW_YORK).replace(tzinfo=None)
    return (wall + 7 * HOUR).date()


def _is_good(record: dict[str, str]) -> bool:
    quotes = [record.get(name) for name in HEADER.split(",")[1:]]
    if not all(quote and NUMBER.fullmatch(quote) for quote in quotes):
        return False
    pairs = zip(map(float, quotes[:4]), map(float, quotes[4:]), strict=True)
    return not any(bid - ask > 0.001 * (bid + ask) / 2 for bid, ask in pairs)


def speak(
    bars: list[Bar],
    now: dt.datetime,
    *,
    number: Callable[[dt.date], tuple[int, int]] = iso_week,
    zone: ZoneInfo = UTC,
    missing: Iterable[tuple[int, int]] = (),
) -> Speak:
    """FXCM at `now`: the hours that have passed of each week, but for weeks that are `missing`."""
    weeks: dict[tuple[int, int], list[Bar]] = {}
    for bar in bars:
        weeks.setdefault(number(bar.session_date - DAY * bar.session_date.weekday()), []).append(bar)

    def answer(asked: Asked) -> Reply:
        parts = re.fullmatch(r"/H1/EURUSD/(\d{4})/(\d{1,2})\.csv\.gz", asked.path)
        week = (int(parts[1]), int(parts[2])) if parts else (0, 0)
        if week in set(missing) or week not in weeks or not (found := lines_of(weeks[week], zone, now)):
            return Reply(404, b"<html>not here</html>")
        return Reply(200, packed(text(found)), {"Content-Type": "application/x-gzip"})

    return answer


def session(row: dict) -> dt.date:
    """The trading date of a parsed row."""
    return row["session_date"]


def values(bar: Bar) -> tuple:
    """What a parsed row must hold of a bar: mids of quotes with five decimals, and no volume."""
    mids = (
        (float(f"{price - HALF_SPREAD:.5f}") + float(f"{price + HALF_SPREAD:.5f}")) / 2 for price in bar[1:5]
    )
    return (*mids, None)
