"""`portfolio up`, then the command of the README, then `portfolio down`: with a real server and worker."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from flows.up import deployments
from tests.worlds import traces, trees

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
    out, err = process.communicate(timeout=1200)
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


def wait_until(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.2)


def holder(folder: Path) -> int | None:
    """The process that holds the lock; what a dead one wrote into it is nobody."""
    lock = folder / ".warehouse" / "lock"
    said = lock.read_text() if lock.exists() else ""
    pid = json.loads(said)["pid"] if said.endswith("}") else None
    return pid if pid and is_running(pid) else None


def test_a_run_publishes_where_up_was_called_a_second_is_cancelled_a_killed_one_crashes_and_down_ends_all(
    tmp_path,
):
    trees.write(tmp_path)
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
        assert [name for name in deployments() if name not in deployed] == []
        asked = json.dumps({"asked": {"bars": ["trees.csv"], "portfolio": "trees.yml"}})
        told = ("--params", asked, "--watch")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        killed = start("prefect", "deployment", "run", DEPLOYMENT, *told, cwd=elsewhere, **api)
        wait_until(lambda: holder(tmp_path))
        os.kill(holder(tmp_path), signal.SIGKILL)
        assert "'Crashed'" in end(killed).stdout
        log = tmp_path / ".out" / "log.jsonl"
        wait_until(lambda: log.exists() and "Run ended badly" in log.read_text())
        assert not list((tmp_path / ".warehouse").glob("working-*"))

        first = start("prefect", "deployment", "run", DEPLOYMENT, *told, cwd=elsewhere, **api)
        wait_until(lambda: holder(tmp_path))
        second = run("prefect", "deployment", "run", DEPLOYMENT, *told, cwd=elsewhere, **api)
        assert "'Cancelled'" in second.stdout, second.stdout
        watched = end(first)
        assert watched.returncode == 0, watched.stdout + (home / "worker.log").read_text()
        assert "'Completed'" in watched.stdout
        exposures = json.loads((tmp_path / ".out" / "exposures.json").read_text())["exposures"]
        assert set(exposures) == {"ALDER", "BIRCH", "CASH"}
        assert abs(sum(exposures.values()) - 1) < 1e-9
        assert (tmp_path / ".warehouse" / "published.duckdb").exists()
        kept = {"exposures-trees": '"CASH"', "report-trees": "sharpe_ratio", "page-trees": "file://"}
        for key, content in kept.items():
            artifact = run("prefect", "artifact", "inspect", key, cwd=tmp_path, **api)
            assert content in artifact.stdout, artifact.stderr

        for bad in ({"bars": 1}, {"portfolio": ""}, {"unknown": 1}):
            wrong = ("-p", f"asked={json.dumps(bad)}")
            refused = run("prefect", "deployment", "run", DEPLOYMENT, *wrong, cwd=tmp_path, **api)
            assert refused.returncode != 0, refused.stdout
    finally:
        ended = run("portfolio", "down", cwd=tmp_path)
    assert ended.stdout.count("ended") == 2
    # No credential in any file, log, artifact or table of ours or of Prefect's; a plain parameter is in one.
    secrets = (*traces.MARKS, auth.partition(":")[2])
    assert traces.found([tmp_path], secrets, but=[home / "auth"]) == []
    assert any("prefect.db" in place for place in traces.found([home], ["trees.yml"]))
    assert not [pid for pid in pids if is_running(pid)]
    assert run("portfolio", "down", cwd=tmp_path).stdout.startswith("nothing was up")
