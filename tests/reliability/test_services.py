"""The units and the compose file: on loopback, with a password, and as systemd reads them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.up import BEAT, DEPLOYED, PROJECT

SERVICE = PROJECT / "flows" / "service"
UNITS = sorted(SERVICE.glob("*.service"))
INSTALLED = "/srv/portfolio"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_as_they_are(tmp_path):
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".venv").symlink_to(sys.prefix)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, str(clone)))
    names = [str(tmp_path / unit.name) for unit in UNITS]
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )
    ours = [line for line in said.stderr.splitlines() if "portfolio-" in line]
    assert ours == []
    assert said.returncode == 0, said.stderr


def test_the_server_of_the_units_listens_on_loopback_and_starts_with_a_password_only():
    text = (SERVICE / "portfolio-server.service").read_text()
    assert re.findall(r"--host (\S+)", text) == ["127.0.0.1"]
    assert "EnvironmentFile=/" in text  # not `-/`, which may be missing
    assert 'test -n "$PREFECT_SERVER_API_AUTH_STRING"' in text


def test_compose_publishes_on_loopback_alone_and_asks_for_a_password():
    services = yaml.safe_load((SERVICE / "compose.yaml").read_text())["services"]
    ports = [port for one in services.values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for name, variable in {
        "server": "PREFECT_SERVER_API_AUTH_STRING",
        "worker": "PREFECT_API_AUTH_STRING",
    }.items():
        assert services[name]["environment"][variable].startswith("${PREFECT_AUTH:?")


@pytest.mark.parametrize("name", ["portfolio-worker.service", "compose.yaml"])
def test_a_worker_has_what_up_gives_it(name):
    text = (SERVICE / name).read_text()
    variables = set(re.findall(r"\$(PORTFOLIO_\w+)", (PROJECT / DEPLOYED).read_text()))
    assert [variable for variable in variables if variable not in text] == []
    assert re.search(rf'PREFECT_FLOWS_HEARTBEAT_FREQUENCY[=:] ?"?{BEAT}\b', text)
    assert "flows.automations" in text
    assert Path(SERVICE / "Dockerfile").exists()
