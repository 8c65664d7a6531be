"""Metrics reach a real push gateway where one is named, and its absence is a warning and no more."""

import shutil
import socket
import subprocess
import time
from urllib.request import urlopen

import pytest

from flows.monitoring import push, textfile

GATEWAY = shutil.which("prometheus-pushgateway")
KEY = "canary-99ee33ff"


class Log:
    def __init__(self):
        self.said = []

    def warning(self, event, **values):
        self.said.append((event, values))


@pytest.fixture
def file(tmp_path):
    return textfile.write_attempt({"portfolio_run_success": [(1.0,)]}, ["p"], tmp_path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(GATEWAY is None, reason="Debian's prometheus-pushgateway is not installed")
def test_what_is_pushed_is_there_to_be_scraped_and_replaces_what_was(file, tmp_path, monkeypatch):
    port, log = free_port(), Log()
    monkeypatch.setenv("PORTFOLIO_PUSHGATEWAY_URL", f"http://127.0.0.1:{port}")
    process = subprocess.Popen(
        [str(GATEWAY), f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 20
        while not push.push(file, "portfolio-p", log) and time.monotonic() < until:
            time.sleep(0.1)
        textfile.write_attempt({"portfolio_run_success": [(0.0,)]}, ["p"], tmp_path)
        assert push.push(file, "portfolio-p", log)
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    finally:
        process.terminate()
        process.wait(10)
    [line] = [line for line in lines if line.startswith("portfolio_run_success{")]
    assert line == 'portfolio_run_success{instance="",job="portfolio-p",portfolio="p"} 0'


def test_without_an_address_nothing_is_pushed(file, monkeypatch):
    monkeypatch.delenv("PORTFOLIO_PUSHGATEWAY_URL", raising=False)
    log = Log()
    assert not push.push(file, "j", log)
    assert log.said == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://example.org", "https://u:p@h/"])
def test_a_gateway_that_is_away_or_not_safe_is_a_warning_without_the_key(file, monkeypatch, url):
    monkeypatch.setenv("PORTFOLIO_PUSHGATEWAY_URL", url)
    monkeypatch.setenv("PORTFOLIO_PUSHGATEWAY_KEY", KEY)
    log = Log()
    assert not push.push(file, "j", log)
    [(event, values)] = log.said
    assert event == "Metrics not pushed"
    assert KEY not in str(values)
