"""Writes seeds/sessions.csv: when each session of each venue opens and closes, in UTC.

Run it with `python -m python_steps.write_sessions`, never at each run: exchange_calendars is slow to import.
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

SESSIONS = Path(__file__).parent.parent / "seeds" / "sessions.csv"
FIRST = date(2013, 1, 1)
LAST = date(2027, 12, 31)
# XNAS has the hours and holidays of XNYS, and needs no calendar of its own.
EXCHANGES = ("XETR", "XLON", "XNYS", "XTKS")
NEW_YORK = ZoneInfo("America/New_York")
FRANKFURT = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
SATURDAY = 5


class Session(NamedTuple):
    """One row of the calendar; both instants are UTC without a zone."""

    venue: str
    session_date: date
    opened_at: datetime
    closed_at: datetime


def sessions() -> list[Session]:
    """Every session from FIRST to LAST, sorted by venue and date."""
    exchanges = (session for name in EXCHANGES for session in _exchange(name))
    return sorted([*_crypto(), *_ecb(), *_fx(), *exchanges])


def to_csv(rows: list[Session]) -> str:
    """The rows as the text of the seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Session._fields)
    writer.writerows(rows)
    return text.getvalue()


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    Source: the anonymous algorithm, J. Meeus, Astronomical Algorithms (1991), chapter 8.
    """
    golden, (century, rest) = year % 19, divmod(year, 100)
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - shift + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def target_holidays(year: int) -> set[date]:
    """Days on which TARGET is closed, and the ECB fixes no rates."""
    return {
        date(year, 1, 1),
        easter(year) - 2 * DAY,
        easter(year) + DAY,
        date(year, 5, 1),
        date(year, 12, 25),
        date(year, 12, 26),
    }


def _exchange(name: str) -> Iterator[Session]:
    from exchange_calendars import get_calendar

    schedule = get_calendar(name, start=str(FIRST), end=str(LAST)).schedule
    for day, opened, closed in zip(schedule.index, schedule["open"], schedule["close"], strict=True):
        yield Session(name, day.date(), _utc(opened.to_pydatetime()), _utc(closed.to_pydatetime()))


def _crypto() -> Iterator[Session]:
    for day in _days():
        midnight = datetime.combine(day, time())
        yield Session("CRYPTO", day, midnight, midnight + DAY)


def _fx() -> Iterator[Session]:
    """Five sessions a week, each from 17:00 New York to 17:00 New York."""
    five = time(17)
    for day in filter(_is_weekday, _days()):
        yield Session("FX", day, _instant(day - DAY, five, NEW_YORK), _instant(day, five, NEW_YORK))


def _ecb() -> Iterator[Session]:
    """One fixing a day, at 14:15 Frankfurt time: it opens and closes at once."""
    for day in filter(_is_weekday, _days()):
        if day not in target_holidays(day.year):
            fixing = _instant(day, time(14, 15), FRANKFURT)
            yield Session("ECB", day, fixing, fixing)


def _days() -> Iterator[date]:
    return (FIRST + DAY * number for number in range((LAST - FIRST).days + 1))


def _is_weekday(day: date) -> bool:
    return day.weekday() < SATURDAY


def _instant(day: date, clock_time: time, zone: ZoneInfo) -> datetime:
    return _utc(datetime.combine(day, clock_time, zone))


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


if __name__ == "__main__":
    SESSIONS.write_text(to_csv(sessions()), "utf-8")
