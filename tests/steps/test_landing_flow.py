"""What a run takes for new: what was landed since the run before, by whomever."""

import datetime as dt
from pathlib import Path

import pandas as pd

from flows import landing
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps import warehouse
from python_steps.adapters import file
from python_steps.land_bars import land_bars, next_batch_id
from python_steps.register_assets import Delivery
from tests.steps.landing_world import STUDY, WALL_CLOCK
from tests.worlds import landed

HOLIDAYS = [pd.Timestamp("2019-01-21"), pd.Timestamp("2019-02-18")]
DAYS = [day for day in pd.bdate_range("2019-01-02", "2019-03-29") if day not in HOLIDAYS]


def asked(world: landed.Landed, folder: Path) -> landing.Landed:
    """A run that is asked for no bars."""
    name, policy = policies.load(folder / "world.yml")
    con = warehouse.connect(world.file)
    try:
        number = next_batch_id(con)
        request = RebalanceRequest(portfolio=name)
        return landing.land(
            con, request, {name: policy}, batch_id=number, run_id="next", loaded_at=WALL_CLOCK
        )
    finally:
        con.close()


def test_a_landing_without_a_run_is_new_to_the_next_run_and_ends_its_world(tmp_path: Path):
    bars = pd.DataFrame({"symbol": "AAPL", "date": DAYS, "close": 100.0})
    world = landed.land(tmp_path, bars, "extends: default\n")
    con = warehouse.connect(world.file)
    con.execute("update raw.batches set source = 'mine.parquet'")  # by its name it would be the sample
    con.close()
    before = asked(world, tmp_path)
    assert (before.is_new, before.as_of) == (False, dt.datetime(2019, 3, 29, 20, 30))

    more = tmp_path / "more.csv"
    more.write_text("symbol,date,close\nAAPL,2019-04-01,101\n", "utf-8")
    payload = file.fetch(more)
    delivery = Delivery(file.parse(payload).rows, payload.payload_hash, payload.name)
    as_of = dt.datetime(2019, 4, 1, 22)
    con = warehouse.connect(world.file)
    land_bars(
        con, [delivery], STUDY, as_of=as_of, batch_id=next_batch_id(con), run_id="land", loaded_at=WALL_CLOCK
    )
    con.close()
    after = asked(world, tmp_path)
    assert (after.is_new, after.as_of) == (True, as_of)
