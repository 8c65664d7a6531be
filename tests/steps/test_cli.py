"""The command answers fast, ends with the right code, and says what is wrong in one line."""

import json
import os
import resource
import subprocess
import sys
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.lock import Busy, held
from flows.outputs import open_published
from flows.requests import RequestError, RunResult, instant, rebalance_request
from tests.steps.small_warehouse import AS_OF, DECISIONS, WEIGHTS, publish_small_warehouse

RUNNER = CliRunner()
PROJECT = Path(__file__).parents[2]


def portfolio(
    *arguments: object, cwd: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, check=False, env=environment
    )


@pytest.fixture
def flow(monkeypatch):
    """Put another run in the place of the real one, which has tests of its own."""

    def place(run) -> None:
        module = types.ModuleType("flows.rebalance")
        module.run_rebalance = run
        monkeypatch.setitem(sys.modules, "flows.rebalance", module)

    return place


def result(outcome: str) -> RunResult:
    return RunResult("first", "global", AS_OF, outcome, 4, DECISIONS[-1], WEIGHTS)


def test_help_needs_no_half_second_of_processor_time():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = portfolio("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert said.returncode == 0
    assert "rebalance" in said.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_policy_show_prints_the_merged_policy():
    said = RUNNER.invoke(app, ["policy", "show", "production"])
    assert said.exit_code == 0
    assert "drawdown: -0.1\n" in said.stdout
    assert "minimum_trades: 30\n" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["policy", "show", "nobody"],
            "error: portfolio 'nobody' is unknown; expected one of global, long_short, production",
        ),
        (["rebalance", "--as-of", "yesterday"], "error: --as-of: 'yesterday' is not an instant; expected"),
        (["rebalance", "--lock-wait", "-1"], "error: --lock-wait: "),
        (["sql", "-c", "select 1"], "error: nothing is published in .warehouse"),
        (["publish"], "error: publish: a run publishes itself; expected --repair"),
        (["reset", "--condition", "drawdown", "--reason", "x"], "error: nothing is published in .warehouse"),
    ],
)
def test_bad_input_is_one_line_and_exit_1_and_nothing_is_written(tmp_path, arguments, message):
    said = portfolio(*arguments, cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr.startswith(message)
    assert said.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Busy("global is already running (pid 7)"), 75, "error: global is already running (pid 7)\n"),
        (RequestError("--bars: no such file"), 1, "error: --bars: no such file\n"),
        (KeyError("weight"), 1, "error: unexpected KeyError: 'weight' (--debug shows where)\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "error: x: Permission denied\n"),
    ],
)
def test_an_error_of_a_run_has_its_code_and_no_traceback(flow, error, code, message):
    def run(_request):
        raise error

    flow(run)
    said = RUNNER.invoke(app, ["rebalance"])
    assert said.exit_code == code
    assert said.stderr == message


def test_debug_shows_where(flow):
    def run(_request):
        raise KeyError("weight")

    flow(run)
    assert isinstance(RUNNER.invoke(app, ["rebalance", "--debug"]).exception, KeyError)


@pytest.mark.parametrize(("outcome", "code"), [("done", 0), ("unchanged", 0), ("stopped", 3)])
def test_the_exit_code_says_whether_a_stop_ended_the_run(flow, tmp_path, outcome, code):
    publish_small_warehouse(tmp_path)
    flow(lambda _request: result(outcome))
    said = RUNNER.invoke(app, ["rebalance", "--warehouse", str(tmp_path)])
    assert said.exit_code == code
    assert "AAPL" in said.stdout


def test_json_prints_the_exposures_and_nothing_else(flow, tmp_path):
    publish_small_warehouse(tmp_path)
    asked = []
    flow(lambda request: asked.append(request) or result("done"))
    said = RUNNER.invoke(
        app, ["rebalance", "--json", "--warehouse", str(tmp_path), "--bars", "a.csv", "--bars", "b.csv"]
    )
    assert json.loads(said.stdout)["exposures"] == WEIGHTS
    assert asked[0].bars == [Path("a.csv"), Path("b.csv")]
    assert asked[0].is_json


def test_instants_are_kept_as_utc_without_a_zone():
    assert instant("2019-09-30T16:00:00+02:00").isoformat() == "2019-09-30T14:00:00"
    assert instant("2019-09-30T14:00:00Z") == instant("2019-09-30T14:00:00")
    with pytest.raises(RequestError, match="--bar: "):
        rebalance_request(bar=[])


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to 'stolen.csv'",
        "attach 'other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "reset lock_configuration",
        "create table mine as select 1",
        "delete from main.target_exposures",
        "select * from portfolio",
        "export database 'stolen'",
    ],
)
def test_a_session_cannot_leave_the_published_file(tmp_path, monkeypatch, query):
    monkeypatch.chdir(tmp_path)
    publish_small_warehouse(tmp_path / ".warehouse")
    before = (tmp_path / ".warehouse" / "published.duckdb").read_bytes()
    said = RUNNER.invoke(app, ["sql", "-c", query])
    assert said.exit_code == 1, said.output
    assert [file.name for file in tmp_path.iterdir()] == [".warehouse"]
    assert (tmp_path / ".warehouse" / "published.duckdb").read_bytes() == before


def test_a_session_answers_queries_until_it_is_told_to_exit(tmp_path):
    publish_small_warehouse(tmp_path)
    queries = "select symbol\nfrom main.target_exposures where weight = 0.2;\nnonsense;\nexit\nselect 77;\n"
    said = portfolio("sql", "--warehouse", tmp_path, stdin=queries)
    assert said.returncode == 0
    assert "AAPL" in said.stdout
    assert "77" not in said.stdout
    assert said.stderr.startswith("error: Parser Error")


def test_a_reset_is_a_row_just_after_the_last_run_and_only_for_a_latched_stop(tmp_path):
    publish_small_warehouse(tmp_path, is_stopped=True)
    arguments = ["reset", "--warehouse", str(tmp_path), "--reason", "seen and understood", "--condition"]
    assert "'fire' is unknown" in RUNNER.invoke(app, [*arguments, "fire"]).stderr
    said = RUNNER.invoke(app, [*arguments, "drawdown"])
    assert said.stdout == "global: drawdown is released from 2026-01-28T15:00:00.000001Z\n"
    con = open_published(tmp_path)
    assert con.execute("select portfolio, condition, reason from raw.resets").fetchall() == [
        ("global", "drawdown", "seen and understood")
    ]
    con.close()


def test_repair_writes_the_side_files_again_from_published_rows(tmp_path):
    publish_small_warehouse(tmp_path / "w")
    arguments = ["publish", "--repair", "--warehouse", str(tmp_path / "w"), "--out", str(tmp_path / "o")]
    assert RUNNER.invoke(app, arguments).exit_code == 0
    first = {file.name: file.read_bytes() for file in (tmp_path / "o").iterdir()}
    (tmp_path / "o" / "exposures.json").unlink()
    RUNNER.invoke(app, arguments)
    assert {file.name: file.read_bytes() for file in (tmp_path / "o").iterdir()} == first


def test_a_reset_while_a_run_holds_the_lock_exits_75(tmp_path):
    publish_small_warehouse(tmp_path, is_stopped=True)
    with held(tmp_path, "global"):
        said = RUNNER.invoke(
            app, ["reset", "--condition", "drawdown", "--reason", "x", "--warehouse", str(tmp_path)]
        )
    assert said.exit_code == 75
