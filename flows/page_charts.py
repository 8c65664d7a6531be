"""Plots of the page, as paths in a square that the page stretches; the words around them are HTML."""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from flows.page_parts import Bar, Plot, Shape, Tick

SIDE = 1000
POINTS = 360  # pairs of lowest and highest that a line keeps
MARGIN = 0.04
SHORT = dt.timedelta(days=75)
STEPS = (1, 2, 5, 10)
ROUND = ((1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))


def lines(
    caption: str,
    label: str,
    series: Mapping[str, pd.Series],
    form: Callable[[float], str],
    *,
    is_filled: bool = False,
    is_log: bool = False,
) -> Plot:
    """One line for each series over the same instants; the first stands out, and is filled if asked for.

    With `is_log` values are above zero, and equal steps up are equal ratios.
    """
    if is_log:
        series = {name: np.log(line) for name, line in series.items()}
    low, high = _range([value for line in series.values() for value in (line.min(), line.max())])
    first = next(iter(series.values())).index
    ticks = {math.log(at): at for at in _round(low, high)} if is_log else {at: at for at in _nice(low, high)}
    shapes = [_rule(_down(at, low, high)) for at in ticks]
    drawn = {name: _thinned(line) for name, line in series.items()}
    for place, (name, line) in reversed(list(enumerate(drawn.items(), 1))):
        path = _path(line, first, low, high)
        if is_filled and place == 1:
            shapes.append(Shape(_closed(path, line, first, _down(0.0, low, high)), "fill-1", name))
        shapes.append(Shape(path, f"line series-{place}", name))
    y = [Tick(_down(at, low, high) / SIDE * 100, form(said)) for at, said in ticks.items()]
    legend = [(f"series-{place}", name) for place, name in enumerate(series, 1)]
    return Plot(caption, label, shapes, dates(first), y, legend, height=320 if is_log else 200)


def areas(caption: str, label: str, series: Mapping[str, pd.Series], form: Callable[[float], str]) -> Plot:
    """Shares on top of each other, of at most one in all."""
    first = next(iter(series.values())).index
    shapes, floor = [], pd.Series(0.0, index=first)
    for place, (name, line) in enumerate(series.items(), 1):
        top = floor + line
        both = pd.DataFrame({"floor": floor, "top": top}).iloc[:: max(1, len(first) // (2 * POINTS))]
        up = _path(both["top"], first, 0.0, 1.0)
        back = _path(both["floor"].iloc[::-1], first, 0.0, 1.0)
        shapes.append(Shape(f"{up}L{back[1:]}Z", f"area-{place}", name))
        floor = top
    shapes += [_rule(_down(at, 0.0, 1.0)) for at in (0.0, 0.5, 1.0)]
    y = [Tick(_down(at, 0.0, 1.0) / SIDE * 100, form(at)) for at in (0.0, 0.5, 1.0)]
    legend = [(f"area-{place}", name) for place, name in enumerate(series, 1)]
    return Plot(caption, label, shapes, dates(first), y, legend, height=160)


def ribbon(caption: str, label: str, states: pd.Series, css: Mapping[str, str]) -> Plot:
    """What was the case, over time, as coloured spans; a state has its own height too, not colour alone."""
    runs = states[states != states.shift()]
    ends = [*runs.index[1:], states.index[-1]]
    heights = {name: SIDE * (place + 1) // len(css) for place, name in enumerate(css)}
    shapes = [
        Shape(
            f"M{_along(start, states.index):.1f} {SIDE}V{SIDE - heights[str(name)]}"
            f"H{max(_along(end, states.index), _along(start, states.index) + 1):.1f}V{SIDE}Z",
            css[str(name)],
            f"{name}: {start:%Y-%m-%d} to {end:%Y-%m-%d}",
        )
        for (start, name), end in zip(runs.items(), ends, strict=True)
    ]
    return Plot(
        caption, label, shapes, dates(states.index), legend=[(k, n) for n, k in css.items()], height=70
    )


def interval_bars(
    rows: Sequence[tuple[float | None, float | None, Sequence[tuple[float | None, str]]]],
) -> list[Bar | None]:
    """For each lower bound, upper bound and marks, a bar on an axis that all rows share."""
    places = [at for low, high, marks in rows for at in (low, high, *(place for place, _ in marks))]
    known = [at for at in places if at is not None and math.isfinite(at)]
    if not known:
        return [None] * len(rows)
    low, high = _range([0.0, *known])

    def at(value: float) -> float:
        return round((value - low) / (high - low) * 100, 2)

    bars: list[Bar | None] = []
    for lower, upper, marks in rows:
        drawn = [(at(place), css) for place, css in marks if place is not None and _is_finite(place)]
        if lower is None or upper is None or not (_is_finite(lower) and _is_finite(upper)):
            bars.append(Bar(0, 0, "none", drawn, at(0)) if drawn else None)
        else:
            bars.append(Bar(at(lower), round(at(upper) - at(lower), 2), "interval", drawn, at(0)))
    return bars


def share_bar(
    value: float, most: float, css: str = "series-1", mark: float | None = None, least: float = 0.0
) -> Bar:
    """A quantity from zero on, against the largest; a mark shows another.

    Where the `least` is below 0, zero has a line, and what is below it lies to its left.
    """
    if least < 0:
        unit = 100 / (max(most, 0.0) - least)
        zero = -least * unit
        lines = [] if mark is None else [(round(zero + mark * unit, 2), "before")]
        start, width = round(zero + min(value, 0.0) * unit, 2), round(abs(value) * unit, 2)
        return Bar(start, width, css if value > 0 else "series-2", lines, round(zero, 2))
    scale = 100 / most if most > 0 else 0.0
    marks = [] if mark is None else [(round(abs(mark) * scale, 2), "before")]
    return Bar(0, round(abs(value) * scale, 2), css, marks)


def dates(instants: pd.Index) -> list[Tick]:
    """At most eight words along time: years, months or days, whichever the span asks for."""
    start, end = instants[0], instants[-1]
    if end - start < SHORT:
        chosen, form = [start, end] if end > start else [start], "%d %b %Y"
    else:
        is_long = end.year - start.year >= 2
        found = list(pd.date_range(start.normalize(), end, freq="YS" if is_long else "MS"))
        every = math.ceil(len(found) / 8)
        chosen, form = [at for at in found if at >= start][::every], "%Y" if is_long else "%b %Y"
    return [Tick(_along(at, instants) / SIDE * 100, f"{at:{form}}") for at in chosen]


def _thinned(line: pd.Series) -> pd.Series:
    """The lowest and the highest of each of so many parts, in order, and both ends."""
    if len(line) <= 2 * POINTS:
        return line
    values, kept = line.to_numpy(dtype=float), {0, len(line) - 1}
    for part in np.array_split(np.arange(len(line)), POINTS):
        kept |= {int(part[np.argmin(values[part])]), int(part[np.argmax(values[part])])}
    return line.iloc[sorted(kept)]


def _path(line: pd.Series, over: pd.Index, low: float, high: float) -> str:
    steps = [f"{_along(at, over):.1f} {_down(value, low, high):.1f}" for at, value in line.items()]
    return "M" + "L".join(steps)


def _closed(path: str, line: pd.Series, over: pd.Index, floor: float) -> str:
    start, end = _along(line.index[0], over), _along(line.index[-1], over)
    return f"{path}L{end:.1f} {floor:.1f}L{start:.1f} {floor:.1f}Z"


def _along(at: pd.Timestamp, over: pd.Index) -> float:
    whole = (over[-1] - over[0]).total_seconds()
    return SIDE * (at - over[0]).total_seconds() / whole if whole else SIDE / 2


def _down(value: float, low: float, high: float) -> float:
    return SIDE * (high - value) / (high - low)


def _rule(y: float) -> Shape:
    return Shape(f"M0 {y:.1f}H{SIDE}", "rule")


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * MARGIN or max(abs(high), 1.0) * MARGIN
    return low - room, high + room


def _nice(low: float, high: float) -> list[float]:
    """Three to six round numbers inside a range."""
    rough = (high - low) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * times for times in STEPS if unit * times >= rough * 0.999)
    first = math.ceil(low / step)
    return [round(step * place, 12) for place in range(first, math.floor(high / step) + 1)]


def _round(low: float, high: float) -> list[float]:
    """At most seven round numbers whose logarithms lie inside a range; both ends where there are none."""
    tens = range(math.floor(low / math.log(10)), math.ceil(high / math.log(10)) + 1)
    found: list[float] = []
    for parts in ROUND:
        found = [at for ten in tens for part in parts if low <= math.log(at := 10.0**ten * part) <= high]
        if len(found) <= 7:
            break
    return found if len(found) > 1 else [math.exp(low), math.exp(high)]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
