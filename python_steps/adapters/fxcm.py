"""FXCM's public candle files: days of currencies, mid of bid and ask, made of hourly files. Without a key.

Hourly files and not the daily ones (D1), because those come once a year, so nothing new could be had from
them, and where their day begins is stated nowhere; hours can be cut at 17:00 New York, as everywhere else
here. An hourly file holds a week and comes out on the Monday after it or later: this is a source of history,
and of comparison. TickQty, where a file has it, counts prices and is no turnover, so it is left out.
"""

import csv
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from python_steps.adapters._reading import DAY, EPOCH, Malformed, Reading, instant, number, shown, since_epoch
from python_steps.adapters._zones import NEW_YORK, fx_opens_at, fx_session, instant_at
from python_steps.payloads import ParsedPayload, VendorPayload, VendorRequest
from python_steps.vendor_http import Answer, Rate, TryAgain, Unreadable, VendorHttp, inflated

BASE_URL = "https://candledata.fxcorporate.com"
# A server of files with no stated limit; ten years of a pair are 530 of them.
RATE = Rate(10, 2)
ASSET_CLASSES = ("fx",)
KEY = False

GZIP = b"\x1f\x8b"
LARGEST_FILE = 4 * 2**20  # fifty times a week of hours
HOUR = dt.timedelta(hours=1)
LAST_WEEK = 53
# As its documentation lists them, and AUDUSD, which is there too.
PAIRS = (
    *("AUDCAD", "AUDCHF", "AUDJPY", "AUDNZD", "AUDUSD", "CADCHF", "EURAUD", "EURCHF"),
    *("EURGBP", "EURJPY", "EURUSD", "GBPCHF", "GBPJPY", "GBPNZD", "GBPUSD"),
    *("NZDCAD", "NZDCHF", "NZDJPY", "NZDUSD", "USDCAD", "USDCHF", "USDJPY"),
)
# From when on a week should be out; before that, no file is no news.
LATE = 21 * DAY
SATURDAY = 5
ZONES = (ZoneInfo("UTC"), NEW_YORK)
# Refusals of a line that leave its session whole.
HARMLESS = ("repeated", "weekend")
PARTS = ("Open", "High", "Low", "Close")
COLUMNS = ("DateTime", *(side + part for side in ("Bid", "Ask") for part in PARTS))
TIME = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):00:00(?:\.0+)?", re.ASCII)
# Bid above ask happens for moments, by a tenth of a pip; beyond this part of the price one is wrong.
MOST_CROSSED = 0.001
REMEDIES = {403: "it refuses for a while who asks much; wait"}


class Hour(NamedTuple):
    """An hour of mid prices; `stamp` is the time of the file, in a zone that only its week tells."""

    stamp: dt.datetime
    open: float
    high: float
    low: float
    close: float


class Session(NamedTuple):
    """A trading date of currencies, its hours in order, and the zone of their stamps."""

    session_date: dt.date
    hours: tuple[Hour, ...]
    zone: ZoneInfo

    @property
    def starts_at(self) -> dt.datetime:
        """Naive UTC of its first hour."""
        return instant_at(self.hours[0].stamp, self.zone)

    @property
    def ends_at(self) -> dt.datetime:
        """Naive UTC of the end of its last hour."""
        return instant_at(self.hours[-1].stamp, self.zone) + HOUR


def fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]:
    """The files of all weeks that may hold the sessions asked for.

    Its numbers of weeks differ from year to year by one, so a week more is asked for on each side, and the
    instants inside tell what a file holds. A file that is not there was not published, which is an error
    only if none is, and the pair is not of those it publishes, or the first week is three weeks old.
    Raises VendorError.
    """
    last = min(request.until_date, request.as_of.date() + DAY) - DAY
    if last < request.from_date:
        return
    weeks, found = _weeks(request.from_date, last), 0
    for place, (year, week) in enumerate(weeks, 1):
        path = f"/H1/{quote(request.vendor_symbol, safe='')}/{year}/{week}.csv.gz"
        answer = http.get(path, check=_check)
        if answer.status == 200:
            found += 1
            yield http.payload(request, answer)
        elif answer.status != 404:
            raise http.refusal(
                request, answer, answer.content, REMEDIES.get(answer.status, "expected a file of candles")
            )
        http.progress(request.symbol, place, len(weeks))
    if found or (request.vendor_symbol in PAIRS and request.from_date >= request.as_of.date() - LATE):
        return
    said = f"none of {len(weeks)} files from {weeks[0]} on is published"
    raise http.refusal(request, answer, said, f"expected other weeks, or one of {', '.join(PAIRS)}")


def parse(payload: VendorPayload) -> ParsedPayload:
    """One row for each session; a line that is no hour is refused by itself.

    A session is refused with `incomplete` if an hour of it was refused, or if it is the first of the file and
    begins late; with `unclosed` if it is the last and lacks its last hour, because the file may cut it there.
    """
    reading = Reading(payload)
    try:
        records = _records(payload.content)
        zone = _zone(list(filter(None, map(_stamp_or_none, records))))
    except Malformed as error:
        reading.unreadable(error)
        return reading.parsed()
    hours, spoilt = _hours(reading, records, zone)
    by_day = groupby(hours, lambda hour: _session(hour.stamp, zone))
    sessions = [Session(day, tuple(of_day), zone) for day, of_day in by_day]
    for session in sessions:
        reading.row(session, lambda session: _bar(session, sessions[0], sessions[-1], spoilt))
    return reading.parsed()


def _weeks(first: dt.date, last: dt.date) -> list[tuple[int, int]]:
    """(year, week) of every file that may hold a session from `first` to `last`, however weeks are numbered.

    The number of a week is its Monday's day of the year by sevens, rounded down, or one or two more; the week
    of the New Year may stand with either year.
    """
    days = (first + DAY * number for number in range((last - first).days + 1))
    weeks = set()
    for monday in {day - DAY * day.weekday() for day in days}:
        sevens = (monday.timetuple().tm_yday - 1) // 7
        weeks |= {(monday.year, week) for week in range(max(sevens, 1), min(sevens + 2, LAST_WEEK) + 1)}
        if sevens >= LAST_WEEK - 2:
            weeks.add((monday.year + 1, 1))
    return sorted(weeks)


def _check(answer: Answer) -> None:
    """An empty week is the gzip of nothing; no bytes at all are an answer cut short."""
    if answer.status != 200:
        return
    try:
        if not answer.content:
            raise Malformed("no content; expected a gzip")
        _records(answer.content)
    except Malformed as error:
        raise TryAgain(f"HTTP 200, {error}") from None


def _plain(content: bytes) -> bytes:
    """The CSV: the file is a gzip, unless its server called that a transfer encoding, which is undone."""
    try:
        return inflated([content], LARGEST_FILE) if content.startswith(GZIP) else content
    except Unreadable as error:
        raise Malformed(f"the file {error}; expected a whole gzip") from None


def _records(content: bytes) -> list[dict[str, Any]]:
    """The lines by the names of the header, since some files have a tenth column; an empty file has none.

    What a line lacks is None, and what it has too much stands under None.
    """
    try:
        lines = csv.DictReader(_plain(content).decode("utf-8-sig").splitlines())
        lines.fieldnames = [name.strip() for name in lines.fieldnames or ()]
        records = list(lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Malformed(f"is not CSV ({type(error).__name__}); expected CSV") from None
    missing = [name for name in COLUMNS if name not in lines.fieldnames]
    if missing and lines.fieldnames:
        raise Malformed(f"header {shown(lines.fieldnames, 200)} lacks {', '.join(missing)}")
    return records


def _stamp(record: Mapping[str, Any]) -> dt.datetime:
    told = record["DateTime"] or ""
    if not (text := TIME.fullmatch(told)):
        raise Malformed(f"DateTime {shown(told, 60)}; expected a whole hour such as 01/05/2020 22:00:00.000")
    month, day, year, hour = map(int, text.groups())
    try:
        return instant(since_epoch(dt.datetime(year, month, day, hour)), 1)
    except ValueError:
        raise Malformed(f"DateTime {shown(told, 60)}; expected a day that there is") from None


def _stamp_or_none(record: Mapping[str, Any]) -> dt.datetime | None:
    try:
        return _stamp(record)
    except Malformed:
        return None


def _zone(stamps: Sequence[dt.datetime]) -> ZoneInfo:
    """The zone of the file, by its week, which goes from Sunday 17:00 to Friday 17:00 New York.

    FXCM says UTC, and of those who measured some found UTC, others New York. So it is the zone that puts
    fewer hours into the weekend, or else the one in which the file begins where a session does; where both
    do as well, every bar might be hours off, and the file is refused.
    """
    told = {zone: _misfit(stamps, zone) for zone in ZONES}
    if stamps and told[ZONES[0]] == told[ZONES[1]]:
        raise Malformed("neither opens nor ends a week; expected hours whose time zone can be told")
    return min(ZONES, key=lambda zone: told[zone])


def _misfit(stamps: Sequence[dt.datetime], zone: ZoneInfo) -> tuple[int, bool]:
    """How many hours are in the weekend, and whether the first one does not open a session."""
    in_weekend = sum(_session(stamp, zone).weekday() >= SATURDAY for stamp in stamps)
    first = min(stamps, default=EPOCH)
    return in_weekend, instant_at(first, zone) != fx_opens_at(_session(first, zone))


def _session(stamp: dt.datetime, zone: ZoneInfo) -> dt.date:
    return fx_session(instant_at(stamp, zone))


def _hours(
    reading: Reading, records: Sequence[Mapping[str, Any]], zone: ZoneInfo
) -> tuple[list[Hour], set[dt.date | None]]:
    """The hours in order, and the sessions that lack one because it was refused: None is any of them."""
    hours: dict[dt.datetime, Hour] = {}
    spoilt: set[dt.date | None] = set()
    for record in records:
        try:
            hour = _hour(record, zone)
            if (known := hours.setdefault(hour.stamp, hour)) is not hour:
                is_same = known == hour
                raise Malformed(
                    f"{hour.stamp} stands twice; expected once",
                    "repeated" if is_same else "conflicting_repeat",
                    _session(hour.stamp, zone),
                )
        except Malformed as error:
            reading.refuse(error.reason, str(error), record, error.session_date)
            if error.reason not in HARMLESS:
                spoilt.add(error.session_date)
    return sorted(hours.values()), spoilt


def _hour(record: Mapping[str, Any], zone: ZoneInfo) -> Hour:
    """Mid of bid and ask. The mid of two highs is not quite the high of the mids, and is what files allow."""
    stamp = _stamp(record)
    day = _session(stamp, zone)
    if day.weekday() >= SATURDAY:
        raise Malformed(
            f"{stamp} is in the weekend; expected Sunday to Friday 17:00 New York", "weekend", day
        )
    if None in record or None in record.values():
        raise Malformed("another number of cells; expected one for each column", session_date=day)
    try:
        mids = [_mid(number(record["Bid" + part]), number(record["Ask" + part])) for part in PARTS]
    except Malformed as error:
        raise Malformed(str(error), error.reason, day) from None
    return Hour(stamp, *mids)


def _mid(bid: float, ask: float) -> float:
    mid = (bid + ask) / 2
    if bid - ask > MOST_CROSSED * mid:
        raise Malformed(
            f"bid {bid} above ask {ask}; expected at most a moment's {MOST_CROSSED:.1%}", "crossed"
        )
    return mid


def _bar(session: Session, first: Session, last: Session, spoilt: set[dt.date | None]) -> dict[str, Any]:
    day, hours = session.session_date, session.hours
    opens, closes = fx_opens_at(day), fx_opens_at(day + DAY)
    if day in spoilt or None in spoilt:
        raise Malformed("an hour of it was refused; expected all", "incomplete", day)
    if session is first and session.starts_at != opens:
        raise Malformed(f"begins at {session.starts_at}; expected {opens}", "incomplete", day)
    if session is last and session.ends_at != closes:
        raise Malformed(f"ends at {session.ends_at}; expected {closes}", "unclosed", day)
    return {
        "session_date": day,
        "open": hours[0].open,
        "high": max(hour.high for hour in hours),
        "low": min(hour.low for hour in hours),
        "close": hours[-1].close,
    }
