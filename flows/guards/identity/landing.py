"""When each version of a bar or an action could first be used, by the rules of landing, from raw tables."""

import duckdb
import numpy as np
import pandas as pd

from flows.guards.identity.naming import Claim, Column
from flows.guards.identity.raw_world import ALWAYS, RawWorld, days, microseconds

ACTION = ("symbol", "ex_date", "kind", "vendor", "version")
TICK = np.timedelta64(1, "us")
VERSION = ("symbol", "session_date", "vendor", "version")
PAUSE = np.timedelta64(1, "h")


def claim(con: duckdb.DuckDBPyConnection, world: RawWorld) -> Claim:
    """The claim on raw.bars.

    A first version that came in its symbol's first batch, or became available after the landing before, is
    known when it was available; every other version when it was recorded, if that is later. Never before the
    version before it, no version without the one before it, no bar available or recorded before its close,
    and no close before that of an exchange with hours of its own.
    """
    frame = con.execute(f"from raw.bars order by {', '.join(VERSION)}").df()
    available, recorded = microseconds(frame["available_at"]), microseconds(frame["recorded_at"])
    closed, version = microseconds(frame["closed_at"]), frame["version"].to_numpy()
    batch = frame["batch_id"].to_numpy()
    is_first_batch = batch == frame.groupby("symbol")["batch_id"].transform("min").to_numpy()
    before = _before(con, batch)
    is_prompt = (version == 1) & (is_first_batch | (available > before)) & ~_follows_refusal(con, frame)
    late = np.maximum(available, recorded)
    claimed = pd.Series(np.where(is_prompt, available, late))
    bar = [frame[name] for name in VERSION[:-1]]
    expected = frame[[*VERSION]].assign(
        known_at=claimed.groupby(bar).cummax().to_numpy(),
        available_at=np.maximum(available, closed),
        recorded_at=np.maximum(recorded, closed),
        closed_at=np.maximum(closed, _closes(frame, world)),
    )
    expected["known_at@restated_value"] = np.where(version > 1, available, late)
    expected["known_at@loader_clock"] = np.where(version > 1, late, available)
    expected["known_at@loader_clock@recorded"] = recorded
    expected["known_at@unfinished_bar"] = microseconds(frame["opened_at"])
    expected["known_at@event_time"] = microseconds(frame["session_date"])
    columns = (
        Column("closed_at", "unfinished_bar"),
        Column("recorded_at", "unfinished_bar"),
        Column("available_at", "unfinished_bar"),
        Column("known_at", "event_time", earlier="event_time", later="loader_clock"),
    )
    follows = version == frame.groupby([*VERSION[:-1]]).cumcount().to_numpy() + 1
    return Claim("raw.bars", VERSION, expected[follows], columns, extra="restated_value")


def of_actions(con: duckdb.DuckDBPyConnection, world: RawWorld) -> Claim:
    """The claim on raw.actions: nothing is known before what it changes, nor recorded before it is known.

    What came in a batch after the symbol's first bars is known after the landing before that batch, and, if
    it is a change, no earlier than that either. When it was announced, only the file can tell.
    """
    frame = con.execute(f"from raw.actions order by {', '.join(ACTION)}").df()
    known, recorded = microseconds(frame["known_at"]), microseconds(frame["recorded_at"])
    first = dict(con.execute("select symbol, min(batch_id) from raw.bars group by symbol").fetchall())
    batch = frame["batch_id"].to_numpy()
    is_first = np.array(
        [one <= first.get(symbol, one) for symbol, one in zip(frame["symbol"], batch, strict=True)]
    )
    before = _before(con, batch)
    least = pd.Series(np.where(is_first.astype(bool), ALWAYS, np.minimum(before + TICK, recorded)))
    expected = frame[[*ACTION]].assign(known_at=np.maximum(known, least))
    keys = [frame[name] for name in ACTION[:-1]]
    expected["known_at"] = expected["known_at"].groupby(keys).cummax()
    expected["known_at@event_time"] = microseconds(frame["ex_date"])
    follows = frame["version"].to_numpy() == frame.groupby(list(ACTION[:-1])).cumcount().to_numpy() + 1
    column = Column("known_at", "loader_clock", earlier="loader_clock")
    return Claim("raw.actions", ACTION, expected[follows], (column,), extra="restated_value")


def _closes(frame: pd.DataFrame, world: RawWorld) -> np.ndarray:
    """When the session of each bar closes; ALWAYS where sessions follow one another without a pause.

    There, vendors differ by hours on where a day begins.
    """
    found = np.full(len(frame), ALWAYS)
    for (symbol, vendor), rows in frame.groupby(["symbol", "vendor"]):
        venue = world.feed_venues.get((symbol, vendor), world.assets[str(symbol)].venue)
        calendar = world.calendars[venue]
        if np.median(calendar.opened[1:] - calendar.closed[:-1]) > PAUSE:
            found[rows.index] = calendar.closed[np.searchsorted(calendar.session, days(rows["session_date"]))]
    return found


def _before(con: duckdb.DuckDBPyConnection, batch: np.ndarray) -> np.ndarray:
    """For each batch, the latest as_of of any landing or run before it."""
    found = {}
    for number in np.unique(batch).tolist():
        query = (
            "select max(as_of) from (select as_of from raw.batches where batch_id < $batch"
            " union all select as_of from raw.runs where batch_until < $batch)"
        )
        ((latest,),) = con.execute(query, {"batch": number}).fetchall()
        found[number] = ALWAYS if latest is None else np.datetime64(latest, "us")
    return np.array([found[number] for number in batch.tolist()], "datetime64[us]")


def _follows_refusal(con: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> np.ndarray:
    """Whether another row of the same bar was refused in the same landing, and came first."""
    query = (
        "select symbol, session_date, vendor, batch_id, min(row_number) as refused from raw.quarantined_bars"
        " group by all"
    )
    keys = ["symbol", "session_date", "vendor", "batch_id"]
    refused = frame.merge(con.execute(query).df(), how="left", on=keys)
    return (refused["refused"] < refused["row_number"]).to_numpy(dtype=bool)
