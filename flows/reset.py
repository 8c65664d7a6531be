"""An operator releases a latched stop: one row in raw.resets, published like a run."""

import datetime as dt
import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from flows.failpoints import reached
from flows.lock import LOCK_WAIT, held
from flows.outputs import open_published
from flows.publish import publish, sweep, working_copy
from flows.requests import RequestError
from python_steps import warehouse

if TYPE_CHECKING:
    import duckdb

LAST_SQL = """
    select stops.condition, stops.is_latched, runs.as_of
    from main.stop_conditions as stops
    cross join (select max(as_of) as as_of from raw.runs where portfolio = $portfolio) as runs
    where portfolio = $portfolio
    qualify decision_at = max(decision_at) over ()
    order by condition
"""


def reset(
    folder: Path, portfolio: str, condition: str, reason: str, lock_wait: float = LOCK_WAIT
) -> dt.datetime:
    """Record the release and return its instant: just after the last run's `as_of`.

    So the next decision sees it, and a replay of an earlier one does not. Raises RequestError if the
    condition is not latched, Busy if the warehouse is in use.
    """
    open_published(folder).close()  # nothing published, nothing to release
    with held(folder, portfolio, lock_wait):
        reached("locked")
        sweep(folder)
        with working_copy(folder) as file:
            reached("copied")
            con = warehouse.connect(file)
            try:
                reset_at = _reset_at(
                    con.execute(LAST_SQL, {"portfolio": portfolio}).df(), portfolio, condition
                )
                if not _is_released(con, portfolio, condition, reset_at):  # by a call that was repeated
                    warehouse.write(con, "raw.resets", _row(portfolio, condition, reset_at, reason))
            finally:
                con.close()
            reached("finished")
            publish(file, folder)
    return reset_at


def _reset_at(last: pd.DataFrame, portfolio: str, condition: str) -> dt.datetime:
    if last.empty:
        raise RequestError(f"--portfolio: {portfolio} has no decision here")
    known = last.condition.tolist()
    if condition not in known:
        raise RequestError(f"--condition: '{condition}' is unknown; expected one of {', '.join(known)}")
    if not bool(last.is_latched[last.condition == condition].iloc[0]):
        raise RequestError(f"--condition: {condition} is not latched for {portfolio}")
    return last.as_of.iloc[0].to_pydatetime() + dt.timedelta(microseconds=1)


def _is_released(
    con: "duckdb.DuckDBPyConnection", portfolio: str, condition: str, reset_at: dt.datetime
) -> bool:
    found = con.execute(
        "select count(*) from raw.resets where portfolio = $1 and condition = $2 and reset_at = $3",
        [portfolio, condition, reset_at],
    ).fetchall()[0][0]
    return bool(found)


def _row(portfolio: str, condition: str, reset_at: dt.datetime, reason: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "portfolio": [portfolio],
            "condition": [condition],
            "reset_at": [reset_at],
            "reset_by": [getpass.getuser()],
            "reason": [reason],
        }
    )
