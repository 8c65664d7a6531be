"""Instants in the time of a place, and the day of currencies: from 17:00 New York to 17:00 New York.

All are of the years that `_reading.instant` lets through, so none of these can overflow.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from python_steps.adapters._reading import DAY, Malformed, shown

NEW_YORK = ZoneInfo("America/New_York")
FX_CLOSES = dt.time(17)


def zone_named(name: object) -> ZoneInfo:
    """The zone of an IANA name; raises Malformed where there is none."""
    try:
        return ZoneInfo(name if isinstance(name, str) else "")
    except (LookupError, ValueError, OSError):  # a folder of zones, or a path, is no zone either
        raise Malformed(f"time zone {shown(name, 40)}; expected a name such as America/New_York") from None


def local_time(instant: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The time of the wall clock in `zone` at a naive UTC instant, without its zone."""
    return instant.replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)


def instant_at(wall: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The naive UTC instant of the wall clock time `wall` in `zone`."""
    return wall.replace(tzinfo=zone).astimezone(dt.UTC).replace(tzinfo=None)


def fx_session(instant: dt.datetime) -> dt.date:
    """The trading date of currencies in which a naive UTC instant lies; a Saturday or Sunday is none."""
    wall = local_time(instant, NEW_YORK)
    return wall.date() + DAY if wall.time() >= FX_CLOSES else wall.date()


def fx_opens_at(session_date: dt.date) -> dt.datetime:
    """The naive UTC instant at which the session of currencies opens: 17:00 New York on the day before."""
    return instant_at(dt.datetime.combine(session_date - DAY, FX_CLOSES), NEW_YORK)
