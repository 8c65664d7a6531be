"""Bars and what is derived of each: versions that could be seen, when they were known, levels, returns."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from flows.guards.identity.naming import Claim, Column, dates
from flows.guards.identity.prints import PRICES, Priced, Prints, Rates, rates_by_currency
from flows.guards.identity.raw_world import ALWAYS, NEVER
from flows.guards.identity.recomputed import Recomputed

BAR = ("symbol", "session_date")
STATISTICS = ("bar_statistics", "trend_statistics", "shape_statistics", "range_statistics")
KNOWN = Column("known_at", "event_time", earlier="event_time", later="loader_clock")


def claims(made: Recomputed) -> Iterator[Claim]:
    """Tables of bars, from upstream to downstream."""
    yield _sessions(made)
    yield from _suspicions(made)
    yield _bars(made)
    yield _late_actions(made)
    yield from _bar_tables(made)
    yield _rates(made)
    yield _last_bars(made)
    yield _assets(made)


def _sessions(made: Recomputed) -> Claim:
    """Sessions of each venue, when they close, and when their bars should be known."""
    parts = [
        pd.DataFrame(
            {
                "venue": venue,
                "session_date": dates(calendar.session),
                "closed_at": calendar.closed,
                "available_at": calendar.due,
            }
        )
        for venue, calendar in made.world.calendars.items()
    ]
    columns = (Column("closed_at", "time_zone"), Column("available_at", "time_zone"))
    return Claim("main.sessions", ("venue", "session_date"), pd.concat(parts), columns)


def _suspicions(made: Recomputed) -> Iterator[Claim]:
    """What came under suspicion as it became known, and the verdict, which is known later or at once."""
    suspects = made.suspects
    version = (*BAR, "version")
    known = Column("known_at", "event_time", earlier="looks_ahead", later="loader_clock")
    yield Claim("main.suspect_bars", version, suspects, (known, Column("reason", "whole_sample")))
    judged = suspects[suspects["verdict"].notna()]
    judged = judged.assign(**{"known_at": judged["verdict_at"], "known_at@looks_ahead": judged["known_at"]})
    yield Claim("main.bar_verdicts", version, judged, (known, Column("verdict", "looks_ahead")))
    pair = (*BAR, "other_vendor")
    apart = (Column("is_beyond", "whole_sample"), Column("best_shift", "looks_ahead"))
    yield Claim("main.vendor_differences", pair, made.differences, (known, *apart))


def _bars(made: Recomputed) -> Claim:
    """Every version that the run could use, and when the next one took its place."""
    raw = made.bars
    bar = raw.groupby(list(BAR), sort=False)
    frame = raw[[*BAR, "version", "closed_at", "available_at", "known_at", *PRICES]].copy()
    frame["superseded_at"] = bar["known_at"].shift(-1)
    _add_stamps(frame, raw["session_date"], raw["opened_at"], raw["closed_at"])
    frame["known_at@restated_value"] = bar["known_at"].transform("first")
    frame["known_at@loader_clock"] = raw["available_at"]
    frame["known_at@loader_clock@recorded"] = raw["recorded_at"]
    frame["absent@restated_value"] = frame["superseded_at"].notna()
    for name in PRICES:
        frame[f"{name}@restated_value"] = bar[name].transform("last")
    columns = (
        KNOWN,
        Column("superseded_at", "restated_value"),
        Column("available_at", "event_time"),
        Column("closed_at", "unfinished_bar"),
        *(Column(name, "restated_value") for name in PRICES),
    )
    return Claim("main.bars", (*BAR, "version"), frame, columns, "survivorship", "filled_forward")


def _bar_tables(made: Recomputed) -> Iterator[Claim]:
    """Derived rows of each bar: known when the bar first was, its return that of its own vintage."""
    frame = pd.concat([_per_bar(made.prints[symbol], one) for symbol, one in made.priced.items()])
    prints = pd.concat([_stamps(one) for one in made.prints.values()])
    late = (Column("is_late", "filled_forward"), Column("is_cut", "filled_forward"))
    yield Claim("main.first_prints", BAR, prints, (KNOWN, *late), extra="filled_forward")
    returns = tuple(
        Column(name, "adjusted_price") for name in ("simple_return", "simple_return_base", "total_return")
    )
    yield Claim(
        "main.vintage_prices",
        BAR,
        frame,
        (Column("close_base", "restated_value"), *returns),
        extra="filled_forward",
        source="select * from main.vintage_prices where is_own",
    )
    with_return = frame[frame["simple_return"].notna()]
    yield Claim("main.daily_returns", BAR, with_return, (KNOWN, late[0], *returns), extra="filled_forward")
    levels = (Column("close_base", "restated_value"), Column("index_level", "adjusted_price"))
    timely = frame[~frame["is_late"]]
    yield Claim("main.price_index", BAR, timely, (KNOWN, *levels), extra="filled_forward")
    for table in (*STATISTICS, "signals"):
        yield Claim(f"main.{table}", BAR, prints, (KNOWN,), extra="filled_forward", is_whole=False)


def _stamps(one: Prints) -> pd.DataFrame:
    """When each bar was known, and stamps that would be wrong."""
    frame = pd.DataFrame(
        {
            "symbol": one.symbol,
            "session_date": dates(one.session),
            "known_at": one.printed,
            "is_late": one.is_late,
            "is_cut": one.is_cut,
        }
    )
    frame["known_at@loader_clock"] = np.where(one.known < NEVER, one.known, ALWAYS).max(axis=0)
    _add_stamps(frame, frame["session_date"], pd.Series(one.opened), pd.Series(one.closed))
    return frame


def _add_stamps(frame: pd.DataFrame, session: pd.Series, opened: pd.Series, closed: pd.Series) -> None:
    frame["known_at@event_time"] = session.to_numpy().astype("datetime64[us]")
    frame["known_at@unfinished_bar"] = opened.to_numpy().astype("datetime64[us]")
    frame["known_at@event_time@close"] = closed.to_numpy().astype("datetime64[us]")


def _per_bar(one: Prints, priced: Priced) -> pd.DataFrame:
    """Close, level and return of each bar; and what latest versions or levels across vintages would give."""
    frame = _stamps(one)
    place, before = np.arange(len(one.session)), priced.before()
    close, latest = priced.own("close", place), one.seen("close", place, np.full(len(place), NEVER))
    frame["close_base"], frame["close_base@restated_value"] = close * priced.rate, latest * priced.rate
    frame["close_base@not_simultaneous"] = close * priced.following
    frame["index_level"] = np.nan
    frame.loc[priced.timely, "index_level"] = priced.level
    has_before = before >= 0
    earlier = np.maximum(before, 0)
    seen = one.seen("close", earlier, one.until)
    rates = priced.rate / priced.rate[earlier]
    held, latest_held = (one.held(earlier, place, until) for until in (one.until, np.full(len(place), NEVER)))
    for suffix, now, then, by in (
        ("", close, seen, held),
        ("@adjusted_price", close, close[earlier], held),
        ("@restated_value", latest, latest[earlier], latest_held),
    ):
        price = now * by.shares
        simple, base, total = (
            np.where(has_before, values - 1, np.nan)
            for values in (
                price / then,
                priced.growth(price, then, rates),
                priced.growth(by.worth(now), then, rates),
            )
        )
        frame[f"simple_return{suffix}"], frame[f"simple_return_base{suffix}"] = simple, base
        frame[f"total_return{suffix}"] = total
    bare = np.where(has_before, close / seen, np.nan)
    frame["simple_return@adjusted_price@unsplit"] = bare - 1
    frame["total_return@adjusted_price@unpaid"] = priced.growth(close * held.shares, seen, rates) - 1
    frame["simple_return_base@not_simultaneous"] = (
        close / seen * priced.following / priced.following[earlier] - 1
    )
    return frame[np.isfinite(priced.rate)]


def _rates(made: Recomputed) -> Claim:
    """Units of the base currency for one of another, as first printed."""
    nothing = np.array([], "datetime64[us]")
    empty = {"currency": [], "session_date": nothing, "rate": [], "known_at": nothing}
    parts = [pd.DataFrame(empty)]
    for currency, rates in rates_by_currency(made.prints, made.world.assets, made.base_currency).items():
        frame = pd.DataFrame(
            {"session_date": dates(rates.session), "rate": rates.value, "known_at": rates.known}
        )
        frame["known_at@event_time"] = rates.session.astype("datetime64[us]")
        frame["rate@restated_value"] = _latest_rate(made, currency, rates)
        parts.append(frame.assign(currency=currency))
    frame = pd.concat(parts).astype({"rate": float, "currency": object})
    columns = (KNOWN, Column("rate", "restated_value"))
    return Claim("main.fx_rates", ("currency", "session_date"), frame, columns, extra="filled_forward")


def _latest_rate(made: Recomputed, currency: str, rates: Rates) -> np.ndarray:
    """What the newest versions of the pair with the base currency would tell; NaN where there is none."""
    found = np.full(len(rates.session), np.nan)
    for symbol, turned in ((f"{currency}-{made.base_currency}", 1), (f"{made.base_currency}-{currency}", -1)):
        if symbol in made.prints:
            one = made.prints[symbol]
            place = np.minimum(np.searchsorted(one.session, rates.session), len(one.session) - 1)
            found = one.seen("close", place, np.full(len(place), NEVER)) ** turned
    return found


def _late_actions(made: Recomputed) -> Claim:
    """What a share held through an ex-date turned out to be worth, when that was told later."""
    rows = [
        (symbol, one.prints.session[late.bar], late.growth, one.prints.printed[late.bar], late.known)
        for symbol, one in made.priced.items()
        for late in one.late
    ]
    frame = pd.DataFrame(rows, columns=["symbol", "session_date", "growth", "printed_at", "known_at"])
    frame = frame.astype(dict.fromkeys(["session_date", "printed_at", "known_at"], "datetime64[us]"))
    columns = (Column("printed_at", "event_time"), Column("growth", "adjusted_price"))
    keys = ("symbol", "session_date", "known_at")
    return Claim("main.late_actions", keys, frame.astype({"symbol": object}), columns, "adjusted_price")


def _last_bars(made: Recomputed) -> Claim:
    """Where an asset that ends is sold."""
    rows = [
        (symbol, made.prints[symbol].session[last.bar], made.prints[symbol].closed[last.bar], last.known)
        for symbol, last in made.last_bars.items()
    ]
    frame = pd.DataFrame(rows, columns=["symbol", "session_date", "closed_at", "known_at"])
    instants = ["session_date", "closed_at", "known_at"]
    frame = frame.astype(dict.fromkeys(instants, "datetime64[us]"))
    columns = (
        Column("session_date", "survivorship"),
        Column("closed_at", "survivorship"),
        Column("known_at", "early_profit", earlier="early_profit", later="loader_clock"),
    )
    return Claim("main.last_bars", ("symbol",), frame, columns)


def _assets(made: Recomputed) -> Claim:
    """From when an asset counts among others."""
    rows = [(asset.symbol, asset.listed) for asset in made.world.assets.values()]
    frame = pd.DataFrame(rows, columns=["symbol", "listed_at"]).astype({"listed_at": "datetime64[us]"})
    return Claim("main.assets", ("symbol",), frame, (Column("listed_at", "survivorship"),))
