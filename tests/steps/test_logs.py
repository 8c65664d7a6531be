"""Each event of a run is one line to read and one line of JSON, and neither tells a secret."""

import json

import pytest
import structlog

from flows import logs


@pytest.fixture(autouse=True)
def fresh():
    logs.console.cache_clear()
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logs.console.cache_clear()


def lines(out) -> list[dict]:
    return [json.loads(line) for line in (out / logs.LOG_FILE).read_text().splitlines()]


def test_the_line_has_the_shape_of_the_specification():
    event = {"level": "info", "timestamp": "2026-01-28T14:00:05Z", "event": "Data fetched", "run_id": "r"}
    assert logs.line(event | {"assets": 15, "rows": 50000}) == (
        "[INFO] 2026-01-28T14:00:05 | Data fetched | assets=15 | rows=50000"
    )


def test_terminal_and_file_tell_the_same_event(tmp_path, capsys):
    logs.configure(tmp_path / "out", "r1").info("Data fetched", assets=15, rows=50000)
    [event] = lines(tmp_path / "out")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == logs.line(event) + "\n"
    assert event["run_id"] == "r1"
    assert (event["assets"], event["rows"], event["level"]) == (15, 50000, "info")


def test_a_run_adds_to_the_log_of_the_one_before(tmp_path):
    logs.configure(tmp_path, "r1").info("one")
    logs.configure(tmp_path, "r2").warning("two")
    assert [(event["run_id"], event["event"]) for event in lines(tmp_path)] == [("r1", "one"), ("r2", "two")]


def test_json_only_shows_json(tmp_path, capsys):
    logs.configure(tmp_path, "r1", json_only=True).info("one", path="a\nb")
    assert json.loads(capsys.readouterr().err) == lines(tmp_path)[0]


def test_an_event_is_one_line_whatever_it_holds(tmp_path, capsys):
    logs.configure(tmp_path, "r1").info("one", file="a\n[INFO] forged | x=1")
    assert capsys.readouterr().err.count("\n") == 1
    assert len((tmp_path / logs.LOG_FILE).read_text().splitlines()) == 1


def test_an_error_comes_without_the_variables_around_it(tmp_path, capsys):
    log = logs.configure(tmp_path, "r1")
    try:
        key = "hunter2"
        raise ValueError("refused") from KeyError(len(key))
    except ValueError:
        log.exception("Fetch failed")
    shown = capsys.readouterr().err + (tmp_path / logs.LOG_FILE).read_text()
    assert "error=ValueError: refused" in shown
    assert "hunter2" not in shown
    assert "Traceback" not in shown


def test_long_lines_and_brackets_are_shown_as_they_are(tmp_path, capsys):
    logs.configure(tmp_path, "r1").info("one", names="[bold]" + "x" * 300)
    assert "names=[bold]" + "x" * 300 in capsys.readouterr().err
