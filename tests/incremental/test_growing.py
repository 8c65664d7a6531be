"""Tables that grow run by run are those that are made anew, to the bit, through all that can happen.

The small world is run at events and on a day after one, and compared with a warehouse that was told the same
and has nothing to add to. `make incremental` runs it at every event.
"""

import datetime as dt
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flows import pipeline
from flows.dbt import Dbt
from flows.growth import growth
from flows.publish import PUBLISHED
from tests.incremental.growing import (
    LOOKS_BACK,
    GrowingDbt,
    begin,
    compute,
    different,
    made_anew,
    opened,
)
from tests.leakage.edited import edited
from tests.worlds import small
from tests.worlds.small import CUTS, RUNS

MIDDLE = CUTS["a minute after a dividend is told late"]
NEW_ASSET = CUTS["on the ex-date of a dividend, before its open"]
DAYS = (
    *(RUNS[0], NEW_ASSET, CUTS["a minute after the split is told"], CUTS["just after the late bar"], MIDDLE),
    *(CUTS["just after the restated rate"], CUTS["a minute after a true fall is acquitted"]),
    *(CUTS["a minute after a split is told late"], *RUNS[2:]),
)


@dataclass
class Grown:
    """A warehouse after each of its runs, and how each made its tables."""

    world: small.World
    dbt: GrowingDbt
    folder: Path
    runs: dict[dt.datetime, pipeline.Run] = field(default_factory=dict)
    since: dict[dt.datetime, dt.datetime | None] = field(default_factory=dict)
    why: dict[dt.datetime, tuple[str, ...]] = field(default_factory=dict)

    def kept(self, day: dt.datetime) -> Path:
        return self.folder / f"{day:%Y%m%d}" / PUBLISHED

    def copy(self, day: dt.datetime, name: str) -> Path:
        file = self.folder / name / PUBLISHED
        file.parent.mkdir()
        shutil.copy(self.kept(day), file)
        return file


@pytest.fixture(scope="module")
def grown(small_world: small.World, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    folder = tmp_path_factory.mktemp("incremental")
    file = folder / PUBLISHED
    shutil.copy(small_world.origin.file, file)
    with opened(file) as con:
        con.execute("delete from raw.runs")
    made = Grown(small_world, GrowingDbt(file), folder)
    for day in DAYS:
        run, how = begin(file, small_world, day)
        made.runs[day], made.since[day], made.why[day] = run, how.since, how.why
        compute(run, made.dbt.to(file, how.since))
        if day in (MIDDLE, *RUNS[2:]):
            made.kept(day).parent.mkdir()
            shutil.copy(file, made.kept(day))
    return made


@pytest.mark.parametrize("day", [MIDDLE, RUNS[-1]])
def test_what_has_grown_is_what_is_made_anew(grown: Grown, day: dt.datetime) -> None:
    anew = made_anew(grown.kept(day), grown.runs[day], grown.dbt, grown.folder / f"anew {day:%m}" / PUBLISHED)
    found = different(anew, grown.kept(day))
    assert {table: rows for table, rows in found.items() if table not in LOOKS_BACK} == {}


def test_a_run_adds_to_the_run_before_it_unless_an_asset_is_new(grown: Grown) -> None:
    assert grown.why[DAYS[0]] == ("a new portfolio", "no run before")
    assert "a new symbol" in grown.why[NEW_ASSET]
    since = dict(zip(DAYS[2:], DAYS[1:], strict=False))
    assert {day: grown.since[day] for day in DAYS[2:]} == since


def test_dbt_grows_the_same_tables(grown: Grown) -> None:
    file = grown.copy(RUNS[-2], "by dbt")
    _, how = begin(file, grown.world, RUNS[-1])
    Dbt(file, since=how.since).run(exclude=["source:steps+"])
    made = grown.dbt.chosen(["path:models/staging", "path:models/prices", "path:models/windows", "signals"])
    assert len(made) > 60
    assert different(grown.kept(RUNS[-1]), file, made) == {}


def test_a_run_that_died_between_two_tables_is_made_again_to_the_bit(grown: Grown) -> None:
    file = grown.copy(RUNS[-2], "died")
    run, how = begin(file, grown.world, RUNS[-1])
    with pytest.raises(InterruptedError):
        compute(run, grown.dbt.to(file, how.since, dies_at="order_exits"))
    with opened(file) as con:
        assert growth(con) == how
    compute(run, grown.dbt.to(file, how.since))
    assert different(grown.kept(RUNS[-1]), file) == {}


def test_a_slice_that_is_too_short_is_caught(grown: Grown, tmp_path: Path) -> None:
    short = edited(tmp_path, {"macros/slices.sql": ("{% set reach = 450 %}", "{% set reach = 200 %}")})
    file = grown.copy(RUNS[-2], "short")
    _, how = begin(file, grown.world, RUNS[-1])
    dbt = GrowingDbt(file, project=short.project)
    dbt.to(file, how.since).run(select=["+shape_statistics"])
    assert "shape_statistics" in different(grown.kept(RUNS[-1]), file, ["bars", "shape_statistics"])
    assert "bars" not in different(grown.kept(RUNS[-1]), file, ["bars"])


AGAINST = {
    "other code": "update raw.runs set code_version = 'other' where outcome is null",
    "other packages": "update raw.runs set lock_hash = 'other' where outcome is null",
    "another study": "update raw.study set batch_id = 9 where seed = 'costs'",
    "another policy": "update raw.policies set batch_id = 9",
    "a new symbol": "update raw.asset_vendors set batch_id = 9 where symbol = 'AAA'",
    "a new registration": "update raw.assets set batch_id = 9 where symbol = 'AAA'",
    "a new portfolio": "update raw.runs set portfolio = 'other' where outcome is null",
    "bars of the past": "update raw.bars set batch_id = 9 where session_date = '2017-03-01'",
    "actions of the past": "update raw.actions set batch_id = 9 where ex_date = '2017-05-23'",
    "an end before the last one": "update raw.runs set as_of = '2017-11-01' where outcome is null",
}


@pytest.mark.parametrize("reason", AGAINST)
def test_all_is_made_anew_where_it_would_be_another(grown: Grown, tmp_path: Path, reason: str) -> None:
    file = tmp_path / PUBLISHED
    shutil.copy(grown.kept(RUNS[-2]), file)
    _, how = begin(file, grown.world, RUNS[-1])
    assert how.since == RUNS[-2]
    with opened(file) as con:
        con.execute("update raw.runs set batch_until = 9 where outcome is null")
        con.execute(AGAINST[reason])
        how = growth(con)
    assert how.since is None
    assert how.why == (reason,)
