"""What every adapter's `parse` needs: JSON that may be anything, numbers and instants, rows and refusals."""

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from python_steps.payloads import ACTIONS, REFUSED, ROWS, ParsedPayload, VendorPayload
from python_steps.scrub import scrub
from python_steps.vendor_http import Answer, TryAgain, quoted

EPOCH = dt.datetime(1970, 1, 1)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
MIDNIGHT = dt.time()
# Seconds since 1970 of what can be the instant of a bar: the years 1900 to 2199.
FIRST, LAST = ((dt.datetime(year, 1, 1) - EPOCH) // SECOND for year in (1900, 2200))
LONGEST_ROW = 1000
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


class Malformed(ValueError):
    """A row, or a whole payload, that is not of the vendor's shape; says what was found and is expected.

    `reason` is the code under which a row is refused, `session_date` its session as far as that can be read.
    """

    def __init__(self, detail: str, reason: str = "malformed", session_date: dt.date | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.session_date = session_date


def read_json(content: bytes, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The JSON in `content`; raises Malformed. `pairs` makes the objects, for where a key may stand twice."""
    try:
        return json.loads(content, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:  # also bad UTF-8 and integers of thousands of digits
        raise Malformed(f"is not JSON ({type(error).__name__}); expected JSON") from None


def number(value: object) -> float:
    """A JSON number or a decimal text as a float, which may be infinite (the landing judges values).

    Raises Malformed for all else: null, true, a text with blanks or underscores, an integer beyond floats.
    """
    if isinstance(value, float):
        return value
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str) and DECIMAL.fullmatch(value):
            return float(value)
    except OverflowError:
        pass
    raise Malformed(f"{shown(value, 40)}; expected a number")


def instant(value: object, per_second: int) -> dt.datetime:
    """Naive UTC of a whole number of seconds (`per_second` 1) or milliseconds (1000) since 1970.

    Raises Malformed where it is no integer, or not of 1900 to 2199, which one of another unit would not be.
    """
    if isinstance(value, int) and not isinstance(value, bool) and FIRST <= value // per_second < LAST:
        return EPOCH + dt.timedelta(microseconds=value * (1_000_000 // per_second))
    raise Malformed(f"{shown(value, 40)}; expected an instant, in 1/{per_second} s since 1970")


def since_epoch(moment: dt.date | dt.datetime) -> int:
    """Seconds since 1970 of a naive UTC instant, or of the midnight that begins a day."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    return (moment - EPOCH) // SECOND


def shown(value: object, length: int = LONGEST_ROW) -> str:
    """A value of a payload as JSON in ASCII, without a secret, cut to `length`."""
    try:
        text = json.dumps(value, default=repr)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} that is too deep or large to show"
    return scrub(text)[:length]


class Reading:
    """Gathers what a payload holds: every row is told with `row` or `refuse`, numbered in their order."""

    def __init__(self, payload: VendorPayload) -> None:
        self._payload = payload
        self._number = 0
        self._rows: list[dict[str, Any]] = []
        self._refused: list[dict[str, Any]] = []
        self._actions: list[dict[str, Any]] = []

    def rows(self, find: Callable[[Any], list[Any]], read: Callable[[Any], dict[str, Any]]) -> None:
        """All rows that `find` finds in the payload's JSON; where it raises Malformed, one refusal."""
        try:
            found = find(read_json(self._payload.content))
        except Malformed as error:
            self.unreadable(error)
        else:
            for raw in found:
                self.row(raw, read)

    def unreadable(self, error: Malformed) -> None:
        """The whole payload is none: one refused row, which shows how it begins."""
        head = self._payload.content[:LONGEST_ROW].decode("utf-8", "replace")
        self.refuse("unreadable", str(error), head)

    def row(self, raw: object, read: Callable[[Any], dict[str, Any]]) -> None:
        """The row that `read` makes of `raw`; where `read` raises Malformed, a refusal."""
        try:
            values = read(raw)
        except Malformed as error:
            self.refuse(error.reason, str(error), raw, error.session_date)
            return
        self._number += 1
        named = {"symbol": self._payload.symbol, "vendor": self._payload.vendor}
        self._rows.append({"row_number": self._number, **named, **values})

    def refuse(
        self, reason: str, detail: str, raw: object = None, session_date: dt.date | None = None
    ) -> None:
        """A row that is none, with why."""
        self._number += 1
        self._refused.append(
            {
                "row_number": self._number,
                "session_date": session_date,
                "reason": reason,
                "detail": detail,
                "row_json": shown(raw),
            }
        )

    def action(self, kind: str, ex_date: dt.date, value: float, known_at: dt.datetime | None = None) -> None:
        """A split (new shares for one old) or a dividend (money a share); these are no rows."""
        self._actions.append(
            {
                "row_number": len(self._actions) + 1,
                "symbol": self._payload.symbol,
                "kind": kind,
                "ex_date": ex_date,
                "value": value,
                "known_at": known_at,
            }
        )

    def parsed(self) -> ParsedPayload:
        """All that was told."""
        return ParsedPayload(
            pa.Table.from_pylist(self._rows, schema=ROWS),
            pa.Table.from_pylist(self._refused, schema=REFUSED),
            pa.Table.from_pylist(self._actions, schema=ACTIONS),
        )


def as_list(value: Any) -> list[Any]:
    """`value` where it is a JSON array; else raises Malformed."""
    if isinstance(value, list):
        return value
    raise Malformed(f"{shown(value, 100)}; expected an array of rows")


def json_or_again(answer: Answer) -> Any:
    """The JSON of an answer; raises TryAgain where a 200 holds none: a page of a proxy, or one cut short.

    Serves as the `check` of VendorHttp.get.
    """
    try:
        return read_json(answer.content)
    except Malformed as error:
        if answer.status == 200:
            raise TryAgain(f"HTTP 200, {quoted(answer.content)} {error}") from None
        return None
