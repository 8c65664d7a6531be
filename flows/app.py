"""`portfolio app`: the live page on loopback, behind a token."""

import importlib.util
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.live import WAREHOUSE
from flows.outputs import open_published

HOST = "127.0.0.1"
NOTEBOOK = Path(__file__).parent / "live_page.py"


class AppError(RuntimeError):
    """One line: what is missing, and how to get it."""


@contextmanager
def serving(warehouse: Path, port: int) -> Iterator[tuple[subprocess.Popen, str]]:
    """Start the live page and yield its process and its address; end it afterwards.

    The token is made once and kept in `<warehouse>/app/token`, readable by its owner alone. Raises AppError
    and NothingPublished.
    """
    if importlib.util.find_spec("marimo") is None:
        raise AppError("the app needs marimo; expected `pip install 'portfolio-warehouse[app]'`")
    open_published(warehouse).close()
    token = _token(warehouse)
    command = [sys.executable, "-m", "marimo", "run", str(NOTEBOOK), "--headless", "--host", HOST]
    command += ["--port", str(port), "--token", "--token-password-file", str(token), "--no-sandbox"]
    environment = os.environ | {WAREHOUSE: str(warehouse.resolve()), "PYTHONPATH": _path()}
    process = subprocess.Popen(command, env=environment, cwd=NOTEBOOK.parent.parent)
    try:
        yield process, f"http://{HOST}:{port}/?access_token={token.read_text('utf-8')}"
    finally:
        process.terminate()
        process.wait()


def _token(warehouse: Path) -> Path:
    file = warehouse / "app" / "token"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(secrets.token_urlsafe(24))
    return file


def _path() -> str:
    # The notebook imports this project, wherever it was started.
    return os.pathsep.join([str(NOTEBOOK.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
