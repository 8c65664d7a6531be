"""The bar that each asset stands on at each decision, the universe, and how far its data may be trusted."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from flows.guards.identity.naming import Claim, Column, dates
from flows.guards.identity.prints import Priced
from flows.guards.identity.raw_world import NEVER, Clock, days, microseconds
from flows.guards.identity.recomputed import Recomputed

MISSING_OVER = 63  # bars over which missing sessions are counted
# The limits themselves are a matter of choice; these are beyond any that makes sense.
MOST = {"staleness_hours": 24.0, "missing_rate": 0.5, "consecutive_missing": 21}
ORDER = ("clock", "symbol", "decision_at")
QUALITY = ("portfolio", "decision_at", "symbol")


def claims(made: Recomputed) -> Iterator[Claim]:
    """The bar each asset stands on at each instant, whether it may be held, and what reads it."""
    marks = pd.concat(
        [
            _marks(made, made.world.clocks[clock], symbol, one)
            for clock in made.world.clocks
            for symbol, one in made.priced.items()
        ]
    )
    bar = (
        Column("session_date", "anticipates", earlier="filled_forward", later="event_time"),
        Column("bar_known_at", "event_time", earlier="event_time", later="loader_clock"),
        Column("mark", "restated_value"),
        Column("mark_index", "adjusted_price"),
    )
    yield Claim("main.marks", ORDER, marks, bar, extra="event_time")
    members = marks[marks["is_member"]]
    yield Claim("main.decision_bars", ORDER, members, bar)
    returns = members[members["simple_return"].notna()]
    yield Claim("main.decision_returns", ORDER, returns, (Column("simple_return", "adjusted_price"),))
    readings = members.rename(columns={"bar_known_at": "signal_known_at"})
    yield Claim(
        "main.readings",
        ORDER,
        readings,
        (bar[0], Column("signal_known_at", "event_time", earlier="event_time", later="loader_clock")),
        is_whole=False,
    )
    by_portfolio = [
        members[members["clock"] == portfolio.clock].assign(portfolio=portfolio.name)
        for portfolio in made.world.portfolios
    ]
    yield Claim(
        "main.exposure_lineage",
        ("portfolio", "decision_at", "symbol"),
        pd.concat(by_portfolio),
        bar[:2],
        is_whole=False,
    )


def _marks(made: Recomputed, clock: Clock, symbol: str, one: Priced) -> pd.DataFrame:
    """One row per instant from the first known bar on, with the bars that wrong joins would pick."""
    world, prints, asset = made.world, one.prints, made.world.assets[symbol]
    instants = clock.instants[clock.instants <= world.as_of]
    stands_on = one.standing(instants)
    number = np.flatnonzero(stands_on >= 0)
    stands_on, at, rebalance = stands_on[number], instants[number], clock.rebalance[number]
    bar = one.timely[stands_on]
    session = prints.session[one.timely]
    by_day = np.searchsorted(session, at.astype("datetime64[D]"), side="right") - 1
    opened = np.searchsorted(prints.opened[one.timely], at, side="right") - 1
    order = np.lexsort((prints.session, prints.printed))
    any_bar = order[np.searchsorted(prints.printed[order], at, side="right") - 1]
    is_member = asset.is_member(at, rebalance)
    level = one.level[stands_on]
    frame = pd.DataFrame(
        {
            "clock": clock.name,
            "symbol": symbol,
            "decision_at": at,
            "session_date": dates(prints.session[bar]),
            "session_date@event_time": dates(session[by_day]),
            "session_date@unfinished_bar": dates(session[opened]),
            "session_date@filled_forward": dates(prints.session[any_bar]),
            "bar_known_at": prints.printed[bar],
            "mark": one.own("close", bar) * one.rate[bar],
            "mark@restated_value": one.base("close", bar, np.full(len(bar), NEVER)),
            "mark@not_simultaneous": one.own("close", bar) * one.following[bar],
            "mark_index": level,
            "is_member": is_member,
            "stands_on": stands_on,
        }
    )
    frame["simple_return"] = np.nan
    held = np.flatnonzero(is_member)
    frame.loc[held[1:], "simple_return"] = level[held[1:]] / level[held[:-1]] - 1
    return frame


def of_quality(made: Recomputed, flags: pd.DataFrame) -> Claim:
    """The universe of each decision: how overdue its bars are, how many are missing, what is left out.

    `flags` are the published `is_excluded`.
    """
    first = min(one.printed.min() for one in made.prints.values())
    parts = []
    for portfolio in made.world.portfolios:
        for symbol, one in made.priced.items():
            asset = made.world.assets[symbol]
            if not portfolio.studies(asset):
                continue
            rows = _marks(made, made.world.clocks[portfolio.clock], symbol, one)
            at = microseconds(rows["decision_at"])
            is_in = (at >= max(first, asset.listed)) & (at <= portfolio.as_of)
            rows = rows[rows["is_member"].to_numpy() & is_in]
            parts.append(_judged(made, symbol, one, rows).assign(portfolio=portfolio.name))
    frame = pd.concat(parts, ignore_index=True)
    names = ("staleness_hours", "missing_rate", "consecutive_missing", "is_excluded")
    columns = tuple(Column(name, "filled_forward") for name in names)
    return Claim("main.data_quality", QUALITY, frame.assign(is_excluded=_excluded(frame, flags)), columns)


def _excluded(frame: pd.DataFrame, flags: pd.DataFrame) -> np.ndarray:
    """What is left out: what is suspect or contested, and what the limits that let in all the rest do not.

    But no limit lets in a bar a day overdue.
    """
    published = frame.merge(flags, how="left", on=list(QUALITY))["is_excluded"]
    let_in = frame[~published.fillna(True).to_numpy(dtype=bool)]
    found = frame["is_doubted"].to_numpy(dtype=bool, copy=True)
    for name, most in MOST.items():
        found |= (frame[name] > min(let_in[name].max(), most)).to_numpy()
    return found


def _judged(made: Recomputed, symbol: str, one: Priced, rows: pd.DataFrame) -> pd.DataFrame:
    calendar = made.world.calendars[made.world.assets[symbol].venue]
    place = rows["stands_on"].to_numpy()
    number = np.searchsorted(calendar.session, one.prints.session[one.timely])
    at, last = microseconds(rows["decision_at"]), one.prints.session[one.timely][place]
    overdue = np.zeros(len(at), "timedelta64[us]")
    for is_known, known in calendar.as_known(at):
        following = np.searchsorted(known.session, last[is_known], side="right")
        overdue[is_known] = at[is_known] - known.due[following]
    over = np.maximum(place - MISSING_OVER, 0)
    missed = np.where(place >= MISSING_OVER, number[place] - number[over] - MISSING_OVER, 0)
    gaps = pd.Series(np.diff(number, prepend=number[:1] - 1) - 1)
    in_a_row = gaps.rolling(MISSING_OVER, min_periods=1).max().to_numpy()
    return pd.DataFrame(
        {
            "decision_at": rows["decision_at"],
            "symbol": symbol,
            "staleness_hours": np.maximum(overdue / np.timedelta64(1, "s"), 0) / 3600,
            "missing_rate": missed / MISSING_OVER,
            "consecutive_missing": in_a_row[place].astype(int),
            "is_doubted": _is_suspect(made, symbol, rows["decision_at"], calendar.session[number[place] + 1])
            | _is_contested(made, symbol, rows["decision_at"], calendar.session[number[place]]),
        }
    )


def _is_suspect(made: Recomputed, symbol: str, decision_at: pd.Series, session: np.ndarray) -> np.ndarray:
    """Whether the bar that follows the one an asset stands on was under suspicion by each decision."""
    mine = made.suspects[made.suspects["symbol"] == symbol]
    known = dict(zip(days(mine["session_date"]).tolist(), microseconds(mine["known_at"]), strict=True))
    since = np.array([known.get(day, NEVER) for day in session.tolist()], "datetime64[us]")
    return since <= microseconds(decision_at)


def _is_contested(made: Recomputed, symbol: str, decision_at: pd.Series, session: np.ndarray) -> np.ndarray:
    """Whether all other vendors that had told of the bar an asset stands on disagree with it."""
    mine = made.differences[made.differences["symbol"] == symbol]
    stood = pd.DataFrame({"decision_at": microseconds(decision_at), "session_date": dates(session)})
    stood["number"] = np.arange(len(stood))
    pairs = stood.merge(mine, on="session_date")
    pairs = pairs[pairs["known_at"] <= pairs["decision_at"]]
    is_beyond = pairs["is_beyond"].astype(bool) & (pairs["best_shift"] == 0)
    return is_beyond.groupby(pairs["number"]).all().reindex(stood["number"], fill_value=False).to_numpy()
