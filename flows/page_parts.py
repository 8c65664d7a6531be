"""What a page is made of: sections of sentences, plots and tables; and how its numbers are written."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NONE = "–"
BASIS_POINTS = 1e4


@dataclass(frozen=True)
class Shape:
    """A path in a square of a thousand by a thousand, y downward; `css` names its look."""

    path: str
    css: str
    title: str = ""


@dataclass(frozen=True)
class Tick:
    """A word beside an axis, at a percentage of its length from the left or the top."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A drawing that stretches to its place; `label` says in words what it shows."""

    caption: str
    label: str
    shapes: Sequence[Shape]
    x: Sequence[Tick] = ()
    y: Sequence[Tick] = ()
    legend: Sequence[tuple[str, str]] = ()  # css and name
    height: int = 220  # pixels


@dataclass(frozen=True)
class Bar:
    """A bar across a cell, and marks on it, in percentages of the cell's width."""

    start: float
    width: float
    css: str = "series-1"
    marks: Sequence[tuple[float, str]] = ()  # place and css
    zero: float | None = None


@dataclass(frozen=True)
class Cell:
    """Words in a table, with a bar beside them if they are a quantity."""

    text: str
    css: str = ""
    bar: Bar | None = None


@dataclass(frozen=True)
class Table:
    """A caption, columns (those with `#` in front hold numbers) and rows of words or cells."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]  # str or Cell
    note: str = ""
    css: str = ""
    is_folded: bool = False  # on a screen; in print it stands open


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it: sentences, then plots and tables in their order."""

    name: str
    title: str
    words: Sequence[str] = ()
    parts: Sequence[Plot | Table] = ()


@dataclass(frozen=True)
class Alert:
    """One thing to know before believing the rest; `kind` is stop, warning or note."""

    kind: str
    text: str


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page, and what it means."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Page:
    """All of it; `links` are names of files beside it."""

    title: str
    headline: str
    about: str
    alerts: Sequence[Alert]
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    links: Sequence[str] = field(default_factory=tuple)


def percent(value: Any, digits: int = 1) -> str:
    """A share as a percentage; a dash where there is none."""
    return f"{_unsigned(value * 100, digits)} %" if is_number(value) else NONE


def change(value: Any, digits: int = 1) -> str:
    """A difference of shares, in percentage points, with its sign; empty where it is none."""
    if not is_number(value) or round(value * 100, digits) == 0:
        return ""
    return f"{'+' if value > 0 else '−'}{abs(value) * 100:.{digits}f}"


def number(value: Any, digits: int = 2) -> str:
    """A number; a dash where there is none."""
    return _unsigned(value, digits) if is_number(value) else NONE


def points(value: Any, digits: int = 1) -> str:
    """A return in basis points."""
    return number(value * BASIS_POINTS, digits) if is_number(value) else NONE


def bounds(interval: Any, digits: int = 2) -> str:
    """Both bounds of an interval; a dash where there is none."""
    if not isinstance(interval, dict):
        return NONE
    return f"{number(interval['lower'], digits)} to {number(interval['upper'], digits)}"


def money(value: Any) -> str:
    """A sum in words of thousands, millions or billions."""
    if not is_number(value):
        return NONE
    for size, name in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g}"


def is_number(value: Any) -> bool:
    """Whether it can be shown as one."""
    return value is not None and not isinstance(value, str) and math.isfinite(value)


def date(day: dt.date) -> str:
    """A day in words."""
    return f"{day.day} {day:%B %Y}"


def words(name: str) -> str:
    """An identifier as words."""
    return name.replace("_", " ")


def _unsigned(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}".replace("-", "−")
    return text.replace("−", "") if not text.strip("−0.,") else text  # no minus before a zero
