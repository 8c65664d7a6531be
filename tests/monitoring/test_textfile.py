"""A run's metrics say what is published, in text that Prometheus reads, whole or not at all."""

import dataclasses
import datetime as dt
import math
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.monitoring import textfile
from flows.monitoring.metrics import ATTEMPT, DECISION, METRICS
from flows.outputs import gather, open_published
from tests.steps.small_warehouse import DECISIONS, WEIGHTS, publish_small_warehouse


@pytest.fixture
def told(tmp_path):
    publish_small_warehouse(tmp_path, is_stopped=True)
    con = open_published(tmp_path)
    yield textfile.told(con, gather(con, "global"))
    con.close()


def samples(content: bytes) -> dict[tuple, float]:
    found = {}
    for family in text_string_to_metric_families(content.decode()):
        for one in family.samples:
            labels = [value for name, value in sorted(one.labels.items()) if name != "portfolio"]
            found[one.name, *labels] = one.value
    return found


def test_the_file_says_what_was_decided(told, tmp_path):
    found = samples(textfile.write_decision(told, tmp_path / "out").read_bytes())
    weights = {key[2]: value for key, value in found.items() if key[0] == "portfolio_exposure_ratio"}
    assert weights == WEIGHTS
    assert found["portfolio_decision_timestamp_seconds",] == DECISIONS[-1].replace(tzinfo=dt.UTC).timestamp()
    assert found["portfolio_confidence_ratio",] == 0.78
    assert found["portfolio_stop_latched", "drawdown"] == 1
    assert found["portfolio_stop_level",] == 2
    assert found["portfolio_regime", "risk_on"] == 1
    assert found["portfolio_regime", "risk_off"] == 0
    assert found["portfolio_solver_status", "hierarchical_risk_parity", "solved"] == 1
    assert found["portfolio_solver_status", "hierarchical_risk_parity", "fallback"] == 0
    assert found["portfolio_signal_ic_ratio", "5", "fast"] == 0.02
    assert found["portfolio_assets_excluded",] == 1
    assert found["portfolio_vendor_last_bar_timestamp_seconds", "binance"] > 0
    assert found["portfolio_quarantined_rows_total", "spike", "binance"] == 2


def test_every_metric_of_a_decision_is_there(told, tmp_path):
    text = textfile.write_decision(told, tmp_path).read_text()
    said = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert said == {metric.series for metric in DECISION}


def test_what_is_undefined_has_no_line_and_no_nan(told, tmp_path):
    log = told.evidence.allocation | {"confidence": None, "volatility": math.nan}
    bare = dataclasses.replace(told, evidence=dataclasses.replace(told.evidence, allocation=log))
    text = textfile.write_decision(bare, tmp_path).read_text()
    assert "portfolio_confidence_ratio{" not in text
    assert "portfolio_volatility_ratio{" not in text
    assert "NaN" not in text


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(told, tmp_path, monkeypatch):
    before = textfile.write_decision(told, tmp_path).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.publish._sync", full)
    with pytest.raises(OSError, match="No space"):
        textfile.write_decision(told, tmp_path)
    assert (tmp_path / textfile.DECISION_FILE).read_bytes() == before
    assert [file.name for file in tmp_path.glob(".*.prom.*")] == []


def test_names_with_quotes_and_line_ends_are_read_back(tmp_path):
    odd = 'a"b\\c\nd{}'
    file = textfile.write_attempt({"portfolio_step_duration_seconds": [(odd, 1.5)]}, ["p"], tmp_path)
    assert samples(file.read_bytes()) == {("portfolio_step_duration_seconds", odd): 1.5}


def test_names_are_as_prometheus_wants_them_and_each_is_there_once():
    assert len(METRICS) == len(DECISION) + len(ATTEMPT)
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    values = {metric.name: [("x",) * len(metric.labels) + (1.0,)] for metric in METRICS.values()}
    text = textfile.render({"p": {METRICS[name]: rows for name, rows in values.items()}})
    said = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
