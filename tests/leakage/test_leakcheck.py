"""`portfolio leakcheck`: nothing on the project as it stands, and each planted leak by its name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.dbt import PROJECT
from flows.leakcheck import leakcheck
from flows.requests import RequestError
from python_steps import warehouse
from tests.steps.small_warehouse import publish_small_warehouse

LEAKY = yaml.safe_load((Path(__file__).parent / "leaky_signals.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The command on the project as it stands, in a folder where something is published."""
    folder = tmp_path_factory.mktemp("clean")
    publish_small_warehouse(folder / ".warehouse")
    return folder, _command(PROJECT, folder, "leakcheck", "--cuts", "2")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The command on the leaky signals in a copy of the project, all at once."""
    copy = tmp_path_factory.mktemp("leaky") / "project"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "target", "mutants", "evidence", "steps")
    shutil.copytree(PROJECT, copy, ignore=ignored)
    for name, signal in LEAKY.items():
        (copy / "macros" / "signals" / f"{name}.sql").write_text(signal["file"], "utf-8")
    chosen = [argument for name in LEAKY for argument in ("--signal", name)]
    return _command(copy, copy.parent, "leakcheck", "--cuts", "2", *chosen)


def test_the_project_has_no_leak_and_says_how_much_it_looked_at(clean) -> None:
    folder, said = clean
    assert said.returncode == 0, said.stdout + said.stderr
    con = warehouse.connect(folder / ".warehouse" / "published.duckdb", read_only=True)
    rows = dict(
        con.execute("select guard, evidence from steps.leak_findings where verdict = 'clean'").fetchall()
    )
    leaks = con.execute("select count(*) from steps.leak_findings where verdict = 'leak'").fetchall()
    con.close()
    assert leaks == [(0,)]
    guards = {"sql", "python", "tests", "identity", "cut_off", "poison", "left_cut", "canaries"}
    assert rows.keys() == guards
    for guard in ("sql", "python", "identity", "cut_off", "poison"):
        assert int(rows[guard].split()[0].replace(",", "")) > 0
    assert "No leak found; kept in leak_findings as leakcheck-00001" in said.stdout


@pytest.mark.parametrize("signal", [name for name, one in LEAKY.items() if one["leak"] != "long_memory"])
def test_a_leaky_signal_is_named_with_its_leak(leaky, signal: str) -> None:
    assert leaky.returncode == 1, leaky.stdout + leaky.stderr
    assert f"{LEAKY[signal]['leak']} in signal {signal}" in leaky.stdout


def test_a_signal_that_a_new_day_would_make_otherwise_is_named(leaky) -> None:
    said = " ".join(leaky.stdout.split())
    found = said.partition("long_memory in main.signals (grown)")[2].partition("first:")[0]
    assert "two_years_back" in found


def test_what_a_leak_changes_is_shown_as_two_rows(leaky) -> None:
    assert "anticipates in main.signals (cut_off)" in leaky.stdout
    assert "known then: " in leaky.stdout
    assert "with what came later: " in leaky.stdout


def test_a_signal_that_no_file_has_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--signal: 'nonsense' is unknown; expected one of accel"):
        leakcheck(tmp_path, signals=["nonsense"])


def _command(project: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(project), "COLUMNS": "160"},
    )
