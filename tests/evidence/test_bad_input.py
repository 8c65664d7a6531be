"""Bad input is one clear line on standard error, exit code 1, and nothing written: each of these in its own
empty folder, but for the last, which is where a user has been working."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.logs import LOG_FILE
from flows.monitoring.textfile import ATTEMPT_FILE
from tests.evidence.conftest import own_bars, portfolio, sha256

RUNNER = CliRunner()
DEAR = {"cvxpy", "clarabel", "dbt", "ibis", "sklearn", "prefect", "sqlglot", "plotly", "marimo", "torch"}
GOOD_BARS = "symbol,date,close,asset_class\nZORK,2019-01-02,10,equity\nZORK,2019-01-03,11,equity\n"
POLICY = "extends: default\nplan: short\n"
LOCK = ".warehouse/lock"  # empty when nobody holds it; to take it away again would race with who waits for it


def long_bars() -> str:
    """Enough for a window of the plan `short`."""
    return own_bars("2019-06-19").to_csv(index=False)


# Files that are there, the options, and how the error begins; "..." is anything.
REFUSALS = {
    "a file that is not there": (
        {},
        ["--bars", "none.csv"],
        "none.csv: cannot be read (No such file or directory)",
    ),
    "a file of no known format": (
        {"bars.xlsx": "x"},
        ["--bars", "bars.xlsx"],
        "bars.xlsx: unknown format '.xlsx'; expected .csv or .parquet",
    ),
    "a file that is not what its name says": (
        {"bars.parquet": "symbol,date\n"},
        ["--bars", "bars.parquet"],
        "bars.parquet: not readable as Parquet (",
    ),
    "an empty file": (
        {"bars.csv": ""},
        ["--bars", "bars.csv"],
        "bars.csv: is empty; expected a header and rows",
    ),
    "a missing column": (
        {"bars.csv": "symbol,date,asset_class\nZORK,2019-01-02,equity\n"},
        ["--bars", "bars.csv"],
        "bars.csv: missing column 'close'; found symbol, date, asset_class",
    ),
    "a price that is a word": (
        {"bars.csv": GOOD_BARS + "ZORK,2019-01-04,dear,equity\n"},
        ["--bars", "bars.csv"],
        "bars.csv: row 3: column 'close' is 'dear'; expected a number such as 12.5",
    ),
    "a date that is none": (
        {"bars.csv": GOOD_BARS + "ZORK,yesterday,12,equity\n"},
        ["--bars", "bars.csv"],
        "bars.csv: row 3: column 'date' is 'yesterday'; expected a day such as 2019-09-30",
    ),
    "an asset class that does not exist": (
        {"bars.csv": GOOD_BARS + "TULIP,2019-01-04,12,bulb\n"},
        ["--bars", "bars.csv"],
        "bars.csv: row 3: asset_class 'bulb' is unknown; expected crypto or equity or fx",
    ),
    "an unknown asset without a class": (
        {"bars.csv": "symbol,date,close\nTULIP,2019-01-04,12\n"},
        ["--bars", "bars.csv"],
        "bars.csv: row 1: TULIP is unknown and has no 'asset_class'; expected crypto or equity or fx",
    ),
    "no row that can be used": (
        {"bars.csv": "symbol,date,close,asset_class\nZORK,2019-01-02,-10,equity\n"},
        ["--bars", "bars.csv"],
        "bars.csv: no row can be used; refused: {'not_positive': 1}",
    ),
    "fewer bars than one window": (
        {"bars.csv": GOOD_BARS},
        ["--bars", "bars.csv"],
        "bars: 1 decisions from 2019-01-03 to 2019-01-03; one window of plan 'default' needs 315",
    ),
    "an as-of before the first bar": (
        {},
        ["--as-of", "2013-06-01"],
        "--as-of 2013-06-01T00:00:00Z: no bar is known by then; the first is of 2014-01-02",
    ),
    "an as-of that is no instant": (
        {},
        ["--as-of", "yesterday"],
        "--as-of: 'yesterday' is not an instant; expected 2019-09-30T14:00:00Z",
    ),
    "a portfolio that nobody wrote": (
        {},
        ["--portfolio", "nobody"],
        "portfolio 'nobody' is unknown; expected one of global, long_short, production, research, or a .yml"
        " file",
    ),
    "a policy file that is not there": (
        {},
        ["--portfolio", "nobody.yml"],
        "nobody.yml: no such policy file",
    ),
    "an unknown key in a policy": (
        {"my.yml": POLICY + "limits: {assets: 0.1}\n"},
        ["--portfolio", "my.yml"],
        "my.yml: limits.assets: Extra inputs are not permitted",
    ),
    "a limit out of bounds": (
        {"my.yml": POLICY + "limits: {asset: 1.5}\n"},
        ["--portfolio", "my.yml"],
        "my.yml: limits.asset: Input should be less than or equal to 1",
    ),
    "a policy that is not YAML": (
        {"my.yml": "limits: {asset: 0.1\n"},
        ["--portfolio", "my.yml"],
        "my.yml: line 2: not valid YAML (",
    ),
    "a currency without its pair": (
        {
            "bars.csv": long_bars,
            "assets.csv": "symbol,asset_class,currency\nNARVO,equity,EUR\n",
            "my.yml": POLICY,
        },
        ["--bars", "bars.csv", "--assets", "assets.csv", "--portfolio", "my.yml"],
        "NARVO: quoted in EUR; expected bars of EUR-USD or USD-EUR, or of a pair of EUR with a currency that"
        " has one with USD",
    ),
    "a split into nothing": (
        {"actions.csv": "symbol,ex_date,kind,value\nAAPL,2019-01-08,split,2\nBAC,2019-01-08,split,0\n"},
        ["--actions", "actions.csv"],
        "actions.csv: row 2: column 'value' is '0.0'; expected new shares for one old, above 0",
    ),
    "an asset that is described twice": (
        {"bars.csv": GOOD_BARS, "assets.csv": "symbol,asset_class\nZORK,equity\nZORK,equity\n"},
        ["--bars", "bars.csv", "--assets", "assets.csv"],
        "assets.csv: row 2: its symbol stands in an earlier row; expected one row per symbol",
    ),
    "holdings above the whole": (
        {"held.csv": "symbol,weight\nAAPL,0.7\nBAC,0.4\n"},
        ["--holdings", "held.csv"],
        "held.csv: the weights sum to 1.1; expected at most 1",
    ),
    "a holding below zero": (
        {"held.csv": "symbol,weight\nAAPL,0.7\nBAC,-0.4\n"},
        ["--holdings", "held.csv"],
        "held.csv: row 2: column 'weight'; expected 0 or more",
    ),
}
# A policy that names something that does not exist, and what is expected there.
NAMES = {
    "clock": "global",
    "plan": "short",
    "allocator": "mean_variance",
    "covariance": "ledoit_wolf",
    "detector": "volatility_trend",
}


@pytest.mark.parametrize("what", REFUSALS)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, what):
    files, options, message = REFUSALS[what]
    begins, _, ends = message.partition("...")
    line = refused(tmp_path, monkeypatch, files, options)
    assert line.startswith(f"error: {begins}")
    assert line.strip().endswith(ends)


@pytest.mark.parametrize("key", NAMES)
def test_a_policy_that_names_what_does_not_exist_is_told_what_does(tmp_path, monkeypatch, key):
    files = {"my.yml": f"{POLICY.replace('plan: short', '')}{key}: nonsense\n"}
    line = refused(tmp_path, monkeypatch, files, ["--portfolio", "my.yml"])
    assert f"{key}: 'nonsense' is unknown; expected one of" in line
    assert NAMES[key] in line


def test_a_refused_command_has_read_the_bars_and_loaded_nothing_of_a_run(tmp_path, monkeypatch):
    """The slowest refusal reads all of the sample first; what it costs is measured in tests/benchmarks."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    ran = portfolio(tmp_path, "rebalance", "--as-of", "2013-06-01")
    assert ran.code == 1
    assert ran.stdout == ""
    *imports, last = ran.stderr.splitlines()
    assert last.startswith("error: --as-of 2013-06-01")
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports}
    assert {"duckdb", "pandas"} <= loaded
    assert not loaded & DEAR


def test_bad_input_leaves_what_was_published_as_it_was(own, monkeypatch):
    folder = own.next_day.folder
    before = {file: sha256(file) for file in folder.rglob("*") if file.is_file()}
    bars = own_bars("2019-06-21").replace({"asset_class": {"fx": "bond"}})
    held = pd.DataFrame({"symbol": ["ZORK", "ZORK"], "weight": [0.1, 0.1]})
    files = {"bad.csv": bars.to_csv(index=False), "twice.csv": held.to_csv(index=False)}
    for options in (["--bars", "bad.csv"], ["--holdings", "twice.csv"], ["--as-of", "2017-01-01"]):
        refused(folder, monkeypatch, files, ["--portfolio", "my.yml", *options], kept=before)
    for name in files:
        (folder / name).unlink()


def refused(
    folder: Path, monkeypatch, files: dict, options: list[str], kept: dict[Path, str] | None = None
) -> str:
    """Run `portfolio rebalance` in a folder with these files, and return its error when all else is right."""
    for name, content in files.items():
        (folder / name).write_text(content() if callable(content) else content)
    monkeypatch.chdir(folder)
    said = RUNNER.invoke(app, ["rebalance", *options])
    assert said.exit_code == 1
    assert said.stdout == ""
    assert len(said.stderr.splitlines()) == 1, said.stderr
    told = {folder / ".out" / name for name in (ATTEMPT_FILE, LOG_FILE)} if kept else set()  # that it failed
    assert all("failed" in file.read_text() or "run_success" in file.read_text() for file in told)
    left = {file: sha256(file) for file in folder.rglob("*") if file.is_file() and file not in told}
    expected = {file: digest for file, digest in (kept or {}).items() if file not in told}
    expected |= {folder / name: sha256(folder / name) for name in files}
    lock = folder / LOCK
    assert left == expected | ({lock: sha256(lock)} if lock.exists() else {})
    assert not lock.exists() or lock.read_bytes() == b""
    assert not [place for place in folder.glob(".warehouse/*") if place.is_dir()]
    assert kept or not (folder / ".out").exists()
    return said.stderr
