"""Rules and dashboard against Debian's Prometheus itself: every rule is tested, every query has an answer."""

import http.server
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from flows.monitoring import dashboard, textfile
from flows.monitoring.metrics import ATTEMPT, DECISION, METRICS
from flows.outputs import gather, open_published
from tests.steps.small_warehouse import publish_small_warehouse

HERE = Path(dashboard.__file__).parent
RULES, CASES = HERE / "rules.yml", HERE / "rules_test.yml"
ALERTS = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    not (PROMTOOL and PROMETHEUS), reason="prometheus and promtool are not installed (Debian: prometheus)"
)
SERIES = {metric.series: metric for metric in METRICS.values()}


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(PROMTOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@needs_prometheus
def test_rules_are_quiet_and_fire_as_their_cases_say():
    said = promtool("test", "rules", CASES)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_each_rule_has_a_case_in_which_it_is_quiet_and_one_in_which_it_fires(alert):
    tests = yaml.safe_load(CASES.read_text())["tests"]
    cases = [
        one["exp_alerts"] for test in tests for one in test["alert_rule_test"] if one["alertname"] == alert
    ]
    assert [] in cases
    assert any(cases)


@needs_prometheus
@pytest.mark.parametrize(("was", "becomes"), [("== 1", "== 2"), ("> ", "< "), ("0.75", "0.5"), ("72h", "1h")])
def test_a_rule_that_was_changed_fails_its_cases(tmp_path, was, becomes):
    text = RULES.read_text().replace("for: 3d", "for: 72h")
    assert was in text
    (tmp_path / RULES.name).write_text(text.replace(was, becomes))
    shutil.copy(CASES, tmp_path)
    assert promtool("test", "rules", tmp_path / CASES.name).returncode != 0


@pytest.mark.parametrize("alert", ALERTS)
def test_a_rule_asks_for_metrics_that_are_written_by_labels_they_have(alert):
    asked = re.findall(r"\b(portfolio_\w+)(?:\{(.*?)\})?", ALERTS[alert]["expr"])
    assert asked
    for series, matchers in asked:
        assert set(re.findall(r"(\w+)=", matchers)) <= {"portfolio", *SERIES[series].labels}
    assert set(ALERTS[alert]["annotations"]) == {"summary", "action"}


def test_the_dashboard_in_the_repository_is_what_the_metrics_make():
    assert dashboard.FILE.read_text("utf-8") == dashboard.content()


def test_the_dashboard_has_a_panel_for_each_metric_and_none_lies_over_another():
    panels = dashboard.dashboard()["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert asked == [dashboard.query(metric) for metric in (*DECISION, *ATTEMPT)]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < dashboard.COLUMNS


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Scraped:
    """Text files served over loopback, and a Prometheus that scrapes them every quarter of a second."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.folder, self.files, self.port = folder, files, free_port()

    def __enter__(self):
        files = self.files

        class Exposed(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(b"".join(file.read_bytes() for file in files))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exposed)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        config = {
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": "run",
                    "static_configs": [{"targets": [f"127.0.0.1:{self.server.server_port}"]}],
                }
            ],
        }
        file = self.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        with (self.folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    str(PROMETHEUS),
                    f"--config.file={file}",
                    f"--storage.tsdb.path={self.folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.server.shutdown()
        self.server.server_close()

    def get(self, path: str, **parameters: str):
        query = f"?{urlencode(parameters)}" if parameters else ""
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def ask(self, query: str) -> list:
        return self.get("query", query=query)["result"]

    def wait(self, done, what: str):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self.process.poll() is None, (self.folder / "prometheus.log").read_text()
            try:
                if found := done():
                    return found
            except OSError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"{what}: {(self.folder / 'prometheus.log').read_text()}")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """A Prometheus on the metrics of the hand-made warehouse, in which a stop is in force."""
    folder = tmp_path_factory.mktemp("scraped")
    publish_small_warehouse(folder, is_stopped=True)
    con = open_published(folder)
    decision = textfile.write_decision(textfile.told(con, gather(con, "global")), folder)
    con.close()
    values = {metric.name: [("x",) * len(metric.labels) + (1.0,)] for metric in ATTEMPT}
    attempt = textfile.write_attempt(values, ["global"], folder)
    with Scraped(folder, [decision, attempt]) as running:
        # Two scrapes, so that the rise of a counter can be asked for.
        running.wait(lambda: running.ask("count_over_time(portfolio_run_success[1m]) > 2"), "no scrape")
        yield running


@needs_prometheus
@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_each_query_of_the_dashboard_has_an_answer(scraped, metric):
    found = scraped.ask(dashboard.query(metric).replace("$portfolio", "global"))
    assert found
    for row in found:
        assert set(metric.labels) <= row["metric"].keys()
        assert row["metric"]["portfolio"] == "global"


@needs_prometheus
def test_a_query_for_what_is_not_there_has_none(scraped):
    assert scraped.ask("portfolio_nothing") == []
    assert scraped.ask(dashboard.query(DECISION[0]).replace("$portfolio", "nobody")) == []


@needs_prometheus
def test_the_variable_of_the_dashboard_finds_the_portfolio(scraped):
    assert scraped.get("label/portfolio/values") == ["global"]


@needs_prometheus
def test_the_rules_are_loaded_and_the_stop_in_force_fires(scraped):
    def firing():
        return "PortfolioStopped" in {one["labels"]["alertname"] for one in scraped.get("alerts")["alerts"]}

    assert scraped.wait(firing, "no alert")
    rules = [rule for group in scraped.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == set(ALERTS)
    assert {rule["health"] for rule in rules} == {"ok"}
