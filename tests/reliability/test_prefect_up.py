"""`portfolio up`, then the command of the README, then `portfolio down`: with a real server and worker."""

import datetime as dt
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from tests.worlds import traces

BIN = Path(sys.executable).parent
DEPLOYMENT = "rebalance/daily"


def start(*command: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    quiet = os.environ | {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(cwd / "operator"),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    return subprocess.Popen(
        [BIN / str(command[0]), *map(str, command[1:])],
        cwd=cwd,
        env=quiet | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return end(start(*command, cwd=cwd, **environment))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status_without_password(port: int) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/api/deployments/filter")
        return connection.getresponse().status


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return (
        stat.exists() and ") Z " not in stat.read_text()
    )  # an ended one that nobody has reaped is no process


def write_a_small_world(folder: Path) -> None:
    """Two stocks of a year and a half, and a policy that holds stocks only."""
    random = np.random.default_rng(11)
    days = [dt.date(2018, 3, 1) + dt.timedelta(days=n) for n in range(560)]
    days = [day for day in days if day.weekday() < 5]
    rows = ["symbol,date,close,asset_class"]
    for symbol in ("ALDER", "BIRCH"):
        closes = 50 * np.exp(np.cumsum(random.normal(0.0005, 0.01, len(days))))
        rows += [f"{symbol},{day},{close:.4f},equity" for day, close in zip(days, closes, strict=True)]
    folder.joinpath("trees.csv").write_text("\n".join(rows) + "\n")
    folder.joinpath("trees.yml").write_text("extends: default\nuniverse: {asset_classes: [equity]}\n")


def wait_until_it_holds_the_lock(folder: Path) -> None:
    lock, until = folder / ".warehouse" / "lock", time.monotonic() + 120
    while not (lock.exists() and lock.read_bytes()):
        assert time.monotonic() < until, "the first run never began"
        time.sleep(0.2)


def test_a_deployment_run_publishes_where_up_was_called_a_second_is_cancelled_and_down_ends_all(tmp_path):
    write_a_small_world(tmp_path)
    port, pids = free_port(), []
    try:
        said = run("portfolio", "up", "--port", port, cwd=tmp_path, **traces.ENVIRONMENT)
        assert said.returncode == 0, said.stderr
        home = tmp_path / ".warehouse" / "prefect"
        auth = (home / "auth").read_text()
        assert (home / "auth").stat().st_mode & 0o077 == 0
        assert auth not in said.stdout + said.stderr
        pids = [one["pid"] for one in json.loads((home / "pids.json").read_text()).values()]
        assert run("portfolio", "up", "--port", port, cwd=tmp_path).stderr.startswith("error: already up")

        api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        assert status_without_password(port) == HTTPStatus.UNAUTHORIZED
        api |= {"PREFECT_API_AUTH_STRING": auth}
        deployed = run("prefect", "deployment", "ls", cwd=tmp_path, **api).stdout
        assert "rebalance/daily" in deployed
        assert "leakcheck/weekly" in deployed
        told = ("--param", 'bars=["trees.csv"]', "--param", "portfolio=trees.yml", "--watch")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        first = start("prefect", "deployment", "run", DEPLOYMENT, *told, cwd=elsewhere, **api)
        wait_until_it_holds_the_lock(tmp_path)
        second = run("prefect", "deployment", "run", DEPLOYMENT, *told, cwd=elsewhere, **api)
        assert "'Cancelled'" in second.stdout, second.stdout
        watched = end(first)
        assert watched.returncode == 0, watched.stdout + (home / "worker.log").read_text()
        assert "'Completed'" in watched.stdout
        exposures = json.loads((tmp_path / ".out" / "exposures.json").read_text())["exposures"]
        assert set(exposures) == {"ALDER", "BIRCH", "CASH"}
        assert abs(sum(exposures.values()) - 1) < 1e-9
        assert (tmp_path / ".warehouse" / "published.duckdb").exists()
        artifact = run("prefect", "artifact", "inspect", "exposures-trees", cwd=tmp_path, **api)
        assert "| CASH | cash |" in artifact.stdout, artifact.stderr

        refused = run("prefect", "deployment", "run", DEPLOYMENT, "-p", "bars=1", cwd=tmp_path, **api)
        assert refused.returncode != 0
    finally:
        ended = run("portfolio", "down", cwd=tmp_path)
    assert ended.stdout.count("ended") == 2
    # No credential in any file, log, artifact or table of ours or of Prefect's; a plain parameter is in one.
    secrets = (*traces.MARKS, auth.partition(":")[2])
    assert traces.found([tmp_path], secrets, but=[home / "auth"]) == []
    assert any("prefect.db" in place for place in traces.found([home], ["trees.yml"]))
    assert not [pid for pid in pids if is_running(pid)]
    assert run("portfolio", "down", cwd=tmp_path).stdout.startswith("nothing was up")
