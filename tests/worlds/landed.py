"""A world told in one file: landed and run in this process, without the command around it."""

import datetime as dt
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

WALL_CLOCK = dt.datetime(2026, 1, 1)


@dataclass(frozen=True)
class Landed:
    """A file in which all is told and nothing derived, and the run that would derive it."""

    file: Path
    run: pipeline.Run

    def compute(self, dbt: Dbt | None = None) -> Path:
        """Make all tables and decisions; returns the file."""
        pipeline.compute(self.run, dbt or Dbt(self.file), _silent, is_tested=False)
        return self.file

    def query(self, sql: str) -> pd.DataFrame:
        con = warehouse.connect(self.file, read_only=True)
        try:
            return con.execute(sql).df()
        finally:
            con.close()


def land(folder: Path, bars: pd.DataFrame, policy: str, assets: pd.DataFrame | None = None) -> Landed:
    """Land bars, and assets if no seed knows theirs, as of the last bar; `policy` is the text of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.yml").write_text(policy, "utf-8")
    bars.to_parquet(folder / "bars.parquet", index=False)
    if assets is not None:
        assets.to_csv(folder / "assets.csv", index=False)
    request = RebalanceRequest(
        portfolio=str(folder / "world.yml"),
        bars=[folder / "bars.parquet"],
        assets=folder / "assets.csv" if assets is not None else None,
    )
    name, rules = policies.load(request.portfolio)
    con = warehouse.connect(folder / PUBLISHED)
    try:
        warehouse.create_tables(con)
        about = {"batch_id": next_batch_id(con), "run_id": name}
        as_of = landing.land(con, request, name, rules, loaded_at=WALL_CLOCK, **about).as_of
        rebalance.begin(
            con,
            run_id=name,
            portfolio=name,
            policy=rules,
            as_of=as_of,
            batch_until=about["batch_id"],
            started_at=WALL_CLOCK,
            holdings={},
        )
    finally:
        con.close()
    run = pipeline.Run(folder / PUBLISHED, name, name, rules, pd.Timestamp(as_of), about["batch_id"])
    return Landed(folder / PUBLISHED, run)


def _silent(*_: object, **__: object) -> None:
    pass
