"""The small world made in a lake, from what another file was told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from flows import pipeline
from flows.dbt import Dbt
from flows.lock import held
from flows.publish import publish, working_copy
from python_steps import warehouse
from tests.worlds.small import PORTFOLIO, World

Note = Callable[..., Any]
LAST = "select run_id, as_of, batch_until from raw.runs order by run_number desc limit 1"


def _silent(*_: object, **__: object) -> None:
    pass


def build(
    folder: Path, world: World, told: Path, *, is_tested: bool, is_shown: bool = True, note: Note = _silent
) -> Path:
    """Land what `told` was told, make all tables and decisions, and publish."""
    with held(folder, PORTFOLIO), working_copy(folder) as file:
        con = warehouse.connect(file)
        try:
            warehouse.create_tables(con)
            warehouse.attach(con, told, "told")
            for table in warehouse.declared_columns():
                if table.startswith("raw."):
                    con.execute(f"insert into {table} by name from told.{table}")
            con.execute("detach told")
            run_id, as_of, batch_until = con.execute(LAST).fetchall()[0]
        finally:
            con.close()
        policy = world.origin.policy
        run = pipeline.Run(file, run_id, PORTFOLIO, policy, pd.Timestamp(as_of), batch_until)
        note("Told")
        pipeline.compute(run, Dbt(file), note, is_tested=is_tested, is_shown=is_shown)
        return publish(file, folder)
