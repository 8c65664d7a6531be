"""A run that is killed leaves what was published before or after it, and the next one ends as if nothing had
been. The whole of it, with runs of `portfolio rebalance`, is `make reliability`."""

import re
from pathlib import Path

import numpy as np
import pytest

from flows import failpoints
from flows.outputs import gather, open_published, render, write
from flows.publish import published
from python_steps import warehouse
from tests.reliability import killed
from tests.reliability.killed import NEW, OLD

PROJECT = Path(__file__).parents[2]
PUBLISHES = ("locked", "copied", "finished", "checkpointed", "synced", "renamed", "published")
MOMENTS = 12


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> killed.Case:
    return killed.release_case(tmp_path_factory.mktemp("release"))


@pytest.mark.parametrize("point", PUBLISHES)
def test_killed_at_each_boundary_the_warehouse_is_the_old_or_the_new_one_and_the_next_run_mends_it(
    release, tmp_path, point
):
    folder = release.fresh(tmp_path / "w")
    state = killed.kill_at_failpoint(release, folder, point)
    assert state == (NEW if point in {"renamed", "published"} else OLD)
    killed.finish(release, folder)
    release.check_recovered(folder)


def test_killed_a_dozen_times_at_moments_of_a_seed_the_next_run_ends_as_if_nothing_had_been(
    release, tmp_path
):
    folder = release.fresh(tmp_path / "w")
    random = np.random.default_rng(20261129)
    for share in random.random(MOMENTS):
        killed.kill_at_moment(release, folder, share * release.seconds)
    killed.finish(release, folder)
    release.check_recovered(folder)


def test_a_warehouse_that_is_neither_old_nor_new_is_told_apart(release, tmp_path):
    folder = release.fresh(tmp_path / "w")
    con = warehouse.connect(published(folder))
    con.execute("delete from steps.target_exposures where symbol = 'CASH'")
    con.close()
    with pytest.raises(killed.HalfPublishedError, match="neither old nor new"):
        release.state(folder)


def test_what_is_left_behind_is_told(release, tmp_path):
    folder = release.fresh(tmp_path / "w")
    killed.kill_at_failpoint(release, folder, "renamed")
    with pytest.raises(killed.HalfPublishedError, match="left behind: \\['working-"):
        release.check_recovered(folder)


def test_every_failpoint_is_somewhere_in_the_flows_and_no_other_is():
    text = "\n".join(file.read_text() for file in sorted((PROJECT / "flows").glob("*.py")))
    assert set(re.findall(r'\breached\("(\w+)"\)', text)) == set(failpoints.POINTS)


@pytest.mark.parametrize("point", ["drafted", "written"])
def test_killed_among_its_side_files_a_run_leaves_each_whole_and_they_can_be_made_again(
    release, tmp_path, point
):
    out = tmp_path / "w" / "out"

    def rewrite(place: Path) -> None:
        con = open_published(place)
        write(gather(con, "global"), out)

    case = killed.Case("side files", release.base, release.base, rewrite, 0.0)
    folder = case.fresh(tmp_path / "w")
    con = open_published(release.base)
    expected = render(gather(con, "global"))
    con.close()
    assert killed.kill_at_failpoint(case, folder, point) == OLD
    there = [file for file in out.iterdir() if not file.name.startswith(".")]
    assert [file.name for file in there] == ["exposures.json"][: point == "written"]
    assert all(file.read_bytes() == expected[file.name] for file in there)
    killed.finish(case, folder)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == expected
