"""`portfolio up`, then the command of the README, then `portfolio down`: with a real server and worker."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow_server


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    quiet = os.environ | {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(cwd / "operator"),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    return subprocess.run(
        [BIN / str(command[0]), *map(str, command[1:])],
        cwd=cwd,
        env=quiet | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return (
        stat.exists() and ") Z " not in stat.read_text()
    )  # an ended one that nobody has reaped is no process


def test_a_deployment_run_ends_with_exposures_and_down_ends_every_process(tmp_path):
    port = free_port()
    try:
        said = run("portfolio", "up", "--port", port, cwd=tmp_path)
        assert said.returncode == 0, said.stderr
        home = tmp_path / ".warehouse" / "prefect"
        auth = (home / "auth").read_text()
        assert (home / "auth").stat().st_mode & 0o077 == 0
        assert auth not in said.stdout + said.stderr
        pids = [one["pid"] for one in json.loads((home / "pids.json").read_text()).values()]
        assert run("portfolio", "up", "--port", port, cwd=tmp_path).stderr.startswith("error: already up")

        api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        stranger = run("prefect", "deployment", "ls", cwd=tmp_path, **api)
        assert stranger.returncode != 0
        api |= {"PREFECT_API_AUTH_STRING": auth}
        watched = run("prefect", "deployment", "run", "rebalance/daily", "--watch", cwd=tmp_path, **api)
        assert watched.returncode == 0, watched.stdout + (home / "worker.log").read_text()
        exposures = json.loads((tmp_path / ".out" / "exposures.json").read_text())["exposures"]
        assert abs(sum(exposures.values()) - 1) < 1e-9
        artifact = run("prefect", "artifact", "inspect", "exposures-global", cwd=tmp_path, **api)
        assert "| CASH | cash |" in artifact.stdout, artifact.stderr

        refused = run("prefect", "deployment", "run", "rebalance/daily", "-p", "bars=1", cwd=tmp_path, **api)
        assert refused.returncode != 0
    finally:
        ended = run("portfolio", "down", cwd=tmp_path)
    assert ended.stdout.count("ended") == 2
    assert not [pid for pid in pids if is_running(pid)]
    assert run("portfolio", "down", cwd=tmp_path).stdout.startswith("nothing was up")
