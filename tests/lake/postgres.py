"""A PostgreSQL of its own: Debian's binaries, in a temporary folder, on loopback, behind a password."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEBIAN = Path("/usr/lib/postgresql")
USER = "portfolio"
READY = 30.0
# It lives for one test run: what a power cut would take is no loss.
SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")


@dataclass(frozen=True)
class Server:
    """Where it listens, and what its clients need in their environment."""

    binaries: Path
    port: int
    password: str

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """libpq's own variables."""
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGDATABASE": database}
        return {**where, "PGUSER": USER, "PGPASSWORD": self.password}

    def create(self, database: str) -> dict[str, str]:
        """A new database; returns what reaches it."""
        environment = os.environ | self.environment()
        subprocess.run([self.binaries / "createdb", database], env=environment, check=True)
        return self.environment(database)


def binaries() -> Path | None:
    """The folder with initdb and postgres, which Debian does not put on the path."""
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@contextmanager
def running() -> Iterator[Server]:
    """A server that is up, and gone afterwards with all it held."""
    found = binaries()
    assert found is not None
    server = Server(found, _free_port(), secrets.token_hex(16))
    with tempfile.TemporaryDirectory(prefix="postgres-") as place:
        folder, somebody = Path(place), _somebody()
        (folder / "password").write_text(server.password)
        if somebody:
            for path in (folder, folder / "password"):
                shutil.chown(path, somebody["user"], somebody["group"])
        data = folder / "data"
        how = ["--username", USER, "--pwfile", folder / "password", "--auth", "scram-sha-256", "--no-sync"]
        subprocess.run(
            [found / "initdb", "-D", data, "--encoding", "UTF8", "--locale", "C", *how],
            cwd=folder,
            check=True,
            capture_output=True,
            **somebody,
        )
        options = [part for setting in SETTINGS for part in ("-c", setting)]
        log = folder / "log"
        with log.open("w") as said:
            process = subprocess.Popen(
                [found / "postgres", "-D", data, "-p", str(server.port), *options],
                cwd=folder,
                stdout=said,
                stderr=said,
                **somebody,
            )
        try:
            _wait_for(server)
            yield server
            ended = process.poll()
            assert ended is None, f"PostgreSQL ended with {ended} by itself: {log.read_text()[-1000:]}"
        finally:
            process.send_signal(signal.SIGINT)  # fast: it does not wait for clients
            process.wait(READY)


def _somebody() -> dict[str, Any]:
    """PostgreSQL does not run as root: then it is the user that the package brings."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(server: Server) -> None:
    until = time.monotonic() + READY
    while subprocess.run(
        [server.binaries / "pg_isready", "-q"], env=os.environ | server.environment(), check=False
    ).returncode:
        assert time.monotonic() < until, "PostgreSQL did not start"
        time.sleep(0.05)
