"""How long the slowest refused command takes, beside imports of what it needs and a read of the bars."""

import os
import subprocess
import sys

import pytest

from flows.landing import SAMPLE
from tests.benchmarks.results import record, show
from tests.evidence.conftest import portfolio

pytestmark = pytest.mark.benchmark

BARE = f"import duckdb, pandas, pydantic, scipy.stats; pandas.read_parquet({str(SAMPLE)!r})"
MOST = 6
REPEATS = 3


def of_children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def test_a_command_that_reads_all_bars_before_it_says_no(tmp_path, capsys):
    spent = []
    for _ in range(REPEATS):
        begun = of_children()
        assert portfolio(tmp_path, "rebalance", "--as-of", "2013-06-01").code == 1
        between = of_children()
        subprocess.run([sys.executable, "-c", BARE], check=True)
        spent.append((between - begun, of_children() - between))
    refused, bare = map(min, zip(*spent, strict=True))
    lines = [
        f"A command that reads all bars and says no: {refused:.1f} s CPU; imports and bars: {bare:.1f} s."
    ]
    with capsys.disabled():
        show(record("Refusals", lines, "duckdb", "pandas", "pydantic"))
    assert refused / bare <= MOST
