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

    def compute(self, dbt: Dbt | None = None, *, is_shown: bool = True) -> Path:
        """Make all tables and decisions, or those alone that lead to a decision; returns the file."""
        dbt = dbt or Dbt(self.file)
        pipeline.compute(self.run, dbt, _silent, is_tested=False, is_shown=is_shown)
        return self.file

    def query(self, sql: str) -> pd.DataFrame:
        con = warehouse.connect(self.file, read_only=True)
        try:
            return con.execute(sql).df()
        finally:
            con.close()


def land(
    folder: Path,
    bars: pd.DataFrame,
    policy: str,
    assets: pd.DataFrame | None = None,
    actions: pd.DataFrame | None = None,
) -> Landed:
    """Land bars as of the last one, assets no seed knows, and actions; `policy` is the text of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.yml").write_text(policy, "utf-8")
    bars.to_parquet(folder / "bars.parquet", index=False)
    if assets is not None:
        assets.to_csv(folder / "assets.csv", index=False)
    if actions is not None:
        actions.to_csv(folder / "actions.csv", index=False)
    request = RebalanceRequest(
        portfolio=str(folder / "world.yml"),
        bars=[folder / "bars.parquet"],
        assets=folder / "assets.csv" if assets is not None else None,
        actions=folder / "actions.csv" if actions is not None else None,
        lock_wait=0,
    )
    name, rules = policies.load(request.portfolio)
    file = folder / PUBLISHED
    con = warehouse.connect(file)
    try:
        warehouse.create_tables(con)
        batch_id = next_batch_id(con)
        told = landing.land(con, request, {name: rules}, batch_id=batch_id, run_id=name, loaded_at=WALL_CLOCK)
        rebalance.begin(
            con,
            run_id=name,
            portfolio=name,
            policy=rules,
            as_of=told.as_of,
            batch_until=batch_id,
            started_at=WALL_CLOCK,
        )
    finally:
        con.close()
    return Landed(file, pipeline.Run(file, name, name, rules, pd.Timestamp(told.as_of), batch_id))


def _silent(*_: object, **__: object) -> None:
    pass
