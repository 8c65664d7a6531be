"""Prefect on this machine: a server on loopback, a pool, the deployments and a worker; and their end."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import OK, HTTPConnection, HTTPException
from pathlib import Path

PROJECT = Path(__file__).parent.parent
HOST = "127.0.0.1"
POOL = "local"
DEPLOYED = "prefect.yaml"
BEAT = 30  # seconds between the heartbeats of a run: the shortest that Prefect takes
SERVER_WAIT = 300.0  # half a minute on a quiet machine
END_WAIT = 20.0
SHORTEST_PASSWORD = 16


class UpError(RuntimeError):
    """One line: what would not start, and where its log is."""


def up(warehouse: Path, port: int = 4200) -> Iterator[str]:
    """Start everything, saying what was started; on a failure what had started is ended again.

    The password of the server is made once and kept in `<warehouse>/prefect/auth`, readable by its
    owner alone. Raises UpError.
    """
    home = _home(warehouse)
    if _alive(home):
        raise UpError(f"already up, with its pids in {home / 'pids.json'}; portfolio down ends it")
    if _is_taken(port):
        raise UpError(f"port {port} of {HOST} is in use; expected a free one with --port")
    environment = _environment(home, warehouse, port)
    try:
        yield _start(home, "server", ["server", "start", "--host", HOST, "--port", str(port)], environment)
        _wait_for_server(home, port, environment)
        _run(home, ["prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite"], environment)
        yield f"pool {POOL}"
        _run(home, ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", DEPLOYED], environment)
        yield f"deployments {', '.join(deployments())}"
        _run(home, ["flows.automations"], environment)
        yield "automation that ends runs whose process is gone"
        yield _start(home, "worker", ["worker", "start", "--pool", POOL], environment)
    except BaseException:  # an interrupt too leaves nothing behind
        list(down(warehouse))
        raise
    yield "In a shell that shall talk to it:"
    yield f"  export PREFECT_API_URL={environment['PREFECT_API_URL']}"
    yield f'  export PREFECT_API_AUTH_STRING="$(cat {home / "auth"})"'
    yield "  prefect deployment run rebalance/daily --watch"


def deployments() -> list[str]:
    """Names of what is deployed, as `prefect deployment run` takes them."""
    import yaml

    content = yaml.safe_load((PROJECT / DEPLOYED).read_text("utf-8"))
    return [f"{one['entrypoint'].rpartition('.')[2]}/{one['name']}" for one in content["deployments"]]


def down(warehouse: Path) -> Iterator[str]:
    """End the processes that `up` started, the worker first, saying which."""
    home = _home(warehouse)
    alive = _alive(home)
    for name in ("worker", "server"):
        if name in alive:
            _end(alive[name])
            yield f"{name} (pid {alive[name]}) ended"
    (home / "pids.json").unlink(missing_ok=True)
    if not alive:
        yield f"nothing was up in {warehouse}"


def _home(warehouse: Path) -> Path:
    home = warehouse.resolve() / "prefect"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def _environment(home: Path, warehouse: Path, port: int) -> dict[str, str]:
    auth = _auth(home)
    return os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(BEAT),
        "DO_NOT_TRACK": "1",
        "PORTFOLIO_FOLDER": str(Path.cwd()),
        "PORTFOLIO_WAREHOUSE": str(warehouse.resolve()),
    }


def _auth(home: Path) -> str:
    file = home / "auth"
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as content:
            content.write(f"portfolio:{secrets.token_urlsafe(24)}")
    auth = file.read_text().strip()
    if file.stat().st_mode & 0o077:
        raise UpError(f"{file} can be read by others; expected chmod 600, and a new one if they have")
    if len(auth.partition(":")[2]) < SHORTEST_PASSWORD:
        raise UpError(f"{file} holds no password of {SHORTEST_PASSWORD} letters; remove it for a new one")
    return auth


def _start(home: Path, name: str, arguments: list[str], environment: dict[str, str]) -> str:
    with (home / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    pids = _pids(home) | {name: {"pid": process.pid, "born": _born(process.pid)}}
    (home / "pids.json").write_text(json.dumps(pids))
    return f"{name} (pid {process.pid}), log in {home / name}.log"


def _run(home: Path, arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        (home / "up.log").write_text(done.stdout + done.stderr)
        raise UpError(f"{' '.join(arguments)} failed; its words are in {home / 'up.log'}")


def _wait_for_server(home: Path, port: int, environment: dict[str, str]) -> None:
    auth = b64encode(environment["PREFECT_API_AUTH_STRING"].encode()).decode()
    until = time.monotonic() + SERVER_WAIT
    while time.monotonic() < until and "server" in _alive(home):
        with closing(HTTPConnection(HOST, port, timeout=5)) as connection, suppress(OSError, HTTPException):
            connection.request("GET", "/api/health", headers={"Authorization": f"Basic {auth}"})
            if connection.getresponse().status == OK:
                return
        time.sleep(0.5)
    raise UpError(f"the Prefect server did not answer; its log is {home / 'server.log'}")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _pids(home: Path) -> dict[str, dict[str, int]]:
    try:
        return dict(json.loads((home / "pids.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _alive(home: Path) -> dict[str, int]:
    return {name: one["pid"] for name, one in _pids(home).items() if _born(one["pid"]) == one["born"] != 0}


def _born(pid: int) -> int:
    # Start time in clock ticks: a pid that was given to another process later has another one.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def _end(pid: int) -> None:
    # Each was started as the leader of a group of its own, so its children end with it.
    born = _born(pid)
    until = time.monotonic() + END_WAIT
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
        while _born(pid) == born != 0:
            if time.monotonic() > until:
                os.killpg(pid, signal.SIGKILL)
            time.sleep(0.1)
