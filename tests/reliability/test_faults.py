"""A bad day ends in one clear line, and what was published stays as it was."""

import errno
import os
from types import SimpleNamespace

import pytest

from flows import outputs, rebalance
from tests.reliability import faults, readers


@pytest.mark.parametrize("fault", faults.ALL, ids=lambda fault: fault.__name__)
def test_what_is_published_stays_and_the_error_is_one_line(fault, tmp_path):
    if fault.__name__.startswith("disk") and not faults.has_small_disks():
        pytest.skip("no disk of a few megabytes can be mounted here")
    assert fault(tmp_path)


def test_a_run_whose_side_files_find_no_place_says_that_it_is_published_and_how_to_mend_it(monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/exposures.json")

    monkeypatch.setattr(outputs, "write", full)
    with pytest.raises(rebalance.UnwrittenError, match=r"global is published.*exposures\.json.*--repair"):
        rebalance._written(None, SimpleNamespace(portfolio="global"), None, None)


def test_eight_readers_see_whole_versions_only_and_never_an_older_one_during_thirty_publishes(tmp_path):
    read = readers.read_while_publishing(tmp_path)
    fresh = [place for place, is_kept in enumerate(read.is_kept) if not is_kept]
    kept = [place for place, is_kept in enumerate(read.is_kept) if is_kept]
    assert [read.last[place] for place in fresh] == [readers.PUBLISHES + 1] * len(fresh)
    assert sum(read.versions[place] > 3 for place in fresh) == len(fresh)
    assert [read.versions[place] for place in kept] == [1] * len(kept)
