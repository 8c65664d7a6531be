"""A small world that went through everything once: two years of eight assets, landed and run in four steps.

It holds what the guards cut at: a restated close, a restated rate, a late bar, a bar late by two days, a
hole, an asset that ends, one listed late, and positions held through all of it.
"""

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flows import landing, pipeline, rebalance
from flows.dbt import Dbt
from flows.publish import PUBLISHED
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps import warehouse
from python_steps.land_bars import next_batch_id
from tests.worlds import bars
from tests.worlds.recorded import RecordedDbt

PORTFOLIO = "small"
POLICY = """
extends: default
plan: short
gates: {minimum_trades: 5, maximum_drawdown: 0.6, minimum_dsr: 0.05}
stops: {correlation_surge: 0.99, divergence: 6.0}
"""
WALL_CLOCK = dt.datetime(2026, 1, 1)

# When each landing and its run ended. The last is one day after the one before.
RUNS = (
    dt.datetime(2017, 4, 28, 22),
    dt.datetime(2017, 9, 29, 22),
    dt.datetime(2017, 11, 29, 22),
    dt.datetime(2017, 11, 30, 22),
)

# The events, and when each became known. All but the hole are told by the second landing.
RESTATED = ("AAA", dt.date(2017, 2, 14), 1.08, dt.datetime(2017, 6, 14, 15, 30))
RATE_RESTATED = ("EUR-USD", dt.date(2017, 3, 1), 0.99, dt.datetime(2017, 7, 5, 12))
LATE = ("EUR-USD", dt.date(2017, 4, 11), dt.datetime(2017, 6, 28, 16, 40))
TWO_DAYS_LATE = ("AAA", dt.date(2017, 7, 18), dt.datetime(2017, 7, 20, 21))
ENDED = ("CCC", dt.date(2017, 8, 15), dt.datetime(2017, 7, 25, 18))
LAST_BAR_KNOWN = dt.datetime(2017, 8, 14, 20, 30)
HOLE = ("LLL-USD", dt.date(2017, 2, 6), dt.date(2017, 2, 8))
LISTED_LATE = "MMM-USD"
ENDED_FROM = dt.date(2016, 2, 1)

MINUTE = dt.timedelta(minutes=1)
CUTS = {
    "inside warm-up": dt.datetime(2016, 9, 14, 9),
    "in the middle of a test span, at a decision": dt.datetime(2017, 3, 16, 14),
    "a minute before the restatement": RESTATED[3] - MINUTE,
    "a minute after the restatement": RESTATED[3] + MINUTE,
    "just after the late bar": LATE[2] + MINUTE,
    "when the end is announced": ENDED[2],
    "just before the last bar": LAST_BAR_KNOWN - MINUTE,
}


@dataclass(frozen=True)
class World:
    """What was built: `file` after four landings and runs, `before` the last of them, and dbt, parsed once.

    `added` counts the decisions that each run made.
    """

    folder: Path
    file: Path
    before: Path
    dbt: Dbt
    added: list[int]

    def rebuilt(self, name: str, until: dt.datetime | None = None) -> Path:
        """A new file with all that was told by an instant (all of it unless given), and nothing derived.

        The instants at which runs were made stand in raw.runs, the last of them `until`; they say which
        decisions were live. The number of trials is an input of a run, like its seed.
        """
        file = self.folder / name / PUBLISHED
        file.parent.mkdir()
        con = warehouse.connect(file)
        try:
            warehouse.create_tables(con)
            con.execute(f"attach '{self.file}' as told (read_only)")
            for table, query in _told_by(until or RUNS[-1]).items():
                con.execute(f"insert into {table} by name {query}")
            con.execute("update raw.runs set batch_until = (select max(batch_id) from raw.batches)")
            con.execute("detach told")
        finally:
            con.close()
        return file

    def run_of(self, file: Path) -> pipeline.Run:
        """The last run that stands in a file."""
        return _run(file, *policies.load(self.folder / f"{PORTFOLIO}.yml"))

    def compute(self, file: Path) -> int:
        """Make all tables and decisions of a rebuilt file."""
        return pipeline.compute(self.run_of(file), self.dbt.on(file), _silent, is_tested=False)


def build(folder: Path) -> World:
    """Land and run four times, as a user would: `steps` and `raw` grow, `main` is built again each time."""
    file = folder / "grown" / PUBLISHED
    file.parent.mkdir(parents=True)
    (folder / f"{PORTFOLIO}.yml").write_text(POLICY, "utf-8")
    before = folder / "before" / PUBLISHED
    before.parent.mkdir()
    world = World(folder, file, before, RecordedDbt(file), [])
    for number, as_of in enumerate(RUNS):
        if as_of == RUNS[-1]:
            shutil.copy(file, before)
        world.added.append(_grow(world, number, as_of))
    return world


def _grow(world: World, number: int, as_of: dt.datetime) -> int:
    """One landing and one run; the cuts since the run before are noted as runs that were made."""
    name, policy = policies.load(world.folder / f"{PORTFOLIO}.yml")
    request = RebalanceRequest(
        portfolio=name,
        as_of=as_of,
        bars=[_bars_file(world.folder, number)],
        assets=_assets_file(world.folder, number),
    )
    con = warehouse.connect(world.file)
    try:
        warehouse.create_tables(con)
        landing.land(
            con,
            request,
            name,
            policy,
            batch_id=next_batch_id(con),
            run_id=f"{name}-{as_of:%Y%m%d}",
            loaded_at=WALL_CLOCK,
        )
        since = RUNS[number - 1] if number else dt.datetime.min
        for instant in sorted({as_of, *(cut for cut in CUTS.values() if since < cut <= as_of)}):
            rebalance.begin(
                con,
                run_id=f"{name}-{instant:%Y%m%d-%H%M}",
                portfolio=name,
                policy=policy,
                as_of=instant,
                batch_until=next_batch_id(con) - 1,
                started_at=WALL_CLOCK,
                holdings={},
            )
    finally:
        con.close()
    run = _run(world.file, name, policy)
    added = pipeline.compute(run, world.dbt.on(world.file), _silent, is_tested=False)
    rebalance.finish(run, added)
    return added


def _told(number: int) -> pd.DataFrame:
    """The rows of one bars file: all first prints since the file before, and what the second one corrects."""
    printed = bars.draw(RUNS[-1].date()).set_index(["symbol", "date"], drop=False)
    printed = printed[~((printed["symbol"] == ENDED[0]) & (printed["date"] >= ENDED[1]))]
    is_hole = (printed["symbol"] == HOLE[0]) & printed["date"].between(HOLE[1], HOLE[2])
    printed = printed[~is_hole].assign(known_at=pd.NaT, recorded_at=pd.NaT)
    printed.loc[TWO_DAYS_LATE[:2], "known_at"] = TWO_DAYS_LATE[2]
    since = RUNS[number - 1].date() if number else dt.date.min
    is_new = (printed["date"] > since) & (printed["date"] <= RUNS[number].date())
    is_listed_now = printed["symbol"] == LISTED_LATE
    if number == 0:
        return printed[is_new & ~is_listed_now].drop(index=LATE[:2])
    if number > 1:
        return printed[is_new | _closed_since(printed, since)]
    is_history = is_listed_now & (printed["date"] <= RUNS[number].date())
    news = printed[is_new | _closed_since(printed, since) | is_history]
    corrected = [
        _restated(printed, *RESTATED),
        _restated(printed, *RATE_RESTATED),
        printed.loc[[LATE[:2]]].assign(recorded_at=LATE[2]),
    ]
    return pd.concat([news, *corrected])


def _closed_since(printed: pd.DataFrame, since: dt.date) -> pd.Series:
    """A coin's day that was still open when the file before was made."""
    return (printed["asset_class"] == "crypto") & (printed["date"] == since)


def _restated(
    printed: pd.DataFrame, symbol: str, date: dt.date, factor: float, at: dt.datetime
) -> pd.DataFrame:
    row = printed.loc[[(symbol, date)]].assign(recorded_at=at)
    row[["close", "high", "low"]] *= factor
    row["low"] = row[["low", "open"]].min(axis=1).where(row["open"].notna())
    row["high"] = row[["high", "open"]].max(axis=1).where(row["open"].notna())
    return row


def _bars_file(folder: Path, number: int) -> Path:
    file = folder / f"bars_{number}.parquet"
    _told(number).to_parquet(file, index=False)
    return file


def _assets_file(folder: Path, number: int) -> Path | None:
    """The assets no seed knows; the second file tells that one of them ends."""
    if number > 1:
        return None
    rows = [
        {"symbol": symbol, "asset_class": kind.asset_class, "venue": kind.venue, "currency": kind.currency}
        | ({"member_from": ENDED_FROM} if symbol == ENDED[0] else {})
        | ({"member_until": ENDED[1], "known_at": ENDED[2]} if symbol == ENDED[0] and number else {})
        for symbol, kind in bars.ASSETS.items()
    ]
    file = folder / f"assets_{number}.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def _told_by(until: dt.datetime) -> dict[str, str]:
    """What of each table was known by an instant, as queries on the grown file, attached as `told`."""
    known = f"known_at <= timestamp '{until}'"
    return {
        "raw.batches": "from told.raw.batches",
        "raw.bars": f"from told.raw.bars where {known}",
        "raw.quarantined_bars": f"from told.raw.quarantined_bars where {known}",
        "raw.assets": f"from told.raw.assets where known_at is null or {known}",
        "raw.study": "from told.raw.study",
        "raw.policies": "from told.raw.policies",
        "raw.runs": f"from told.raw.runs where as_of <= timestamp '{until}'",
        "steps.trials": "from told.steps.trials",
    }


def _run(file: Path, name: str, policy: policies.Policy) -> pipeline.Run:
    con = warehouse.connect(file)
    try:
        run_id, as_of, batch_until = con.execute(
            "select run_id, as_of, batch_until from raw.runs order by run_number desc limit 1"
        ).fetchall()[0]
    finally:
        con.close()
    return pipeline.Run(file, run_id, name, policy, pd.Timestamp(as_of), batch_until)


def _silent(*_: object, **__: object) -> None:
    pass
