"""What landed of the small world, held against its files and the calendar, in plain pandas.

The warehouse keeps no copy of a file's stamps, so only whoever has the files can tell whether a bar's period,
its availability and the time of its recording are what was told. identity takes it from there.
"""

from pathlib import Path

import pandas as pd

from flows.guards.findings import Finding
from python_steps import warehouse
from python_steps.study import SEEDS
from tests.worlds import bars, small

BAR = ["symbol", "session_date", "number"]
# What a stamp says that is not what was told.
STAMPS = {"closed_at": "time_zone", "available_at": "event_time", "recorded_at": "loader_clock"}


def check(folder: Path, file: Path) -> list[Finding]:
    """Landed bars that no row of their file tells of, under the first stamp that no such row has.

    `folder` has the files of the world, `file` is the warehouse they were landed in.
    """
    told = pd.concat([_told(folder, number) for number in range(len(small.RUNS))])
    con = warehouse.connect(file, read_only=True)
    try:
        landed = con.execute(
            f"select symbol, session_date, dense_rank() over (order by batch_id) - 1 as number, version,"
            f" {', '.join(STAMPS)} from raw.bars order by symbol, session_date, version"
        ).df()
    finally:
        con.close()
    found = []
    for stamp, leak in ({"session_date": "unfinished_bar"} | STAMPS).items():
        keys = BAR if stamp == "session_date" else [*BAR, stamp]
        merged = landed.merge(told[keys].drop_duplicates(), how="left", on=keys, indicator=True)
        wrong = landed[(merged["_merge"] == "left_only").to_numpy()]
        if len(wrong):
            first = ", ".join(f"{name} {value}" for name, value in wrong.iloc[0].items())
            evidence = f"{stamp} of {len(wrong)} of {len(landed)} rows is not as told, the first is {first}"
            found.append(Finding("identity", leak, "raw.bars", evidence))
            landed = landed.drop(wrong.index)
    return found


def _told(folder: Path, number: int) -> pd.DataFrame:
    """Rows of one file with the stamps that they must have, but for those still running when recorded."""
    sessions = pd.read_csv(SEEDS / "sessions.csv", parse_dates=["session_date", "closed_at"])
    lags = pd.read_csv(SEEDS / "venues.csv").set_index("venue")["lag_minutes"]
    rows = pd.read_parquet(folder / f"bars_{number}.parquet").rename(columns={"date": "session_date"})
    rows["session_date"] = pd.to_datetime(rows["session_date"])
    rows["venue"] = rows["symbol"].map({symbol: kind.venue for symbol, kind in bars.ASSETS.items()})
    rows = rows.merge(sessions[["venue", "session_date", "closed_at"]], on=["venue", "session_date"])
    lag = pd.to_timedelta(rows["venue"].map(lags), unit="min")
    rows["available_at"] = pd.to_datetime(rows["known_at"]).fillna(rows["closed_at"] + lag)
    rows["recorded_at"] = pd.to_datetime(rows["recorded_at"]).fillna(small.RUNS[number])
    is_over = rows["closed_at"] <= rows["recorded_at"]
    return rows.loc[is_over].assign(number=number)[[*BAR, *STAMPS]]
