"""A PostgreSQL for the tests of a file, and a lake of its own for each of them."""

import importlib.util
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from python_steps import lake
from tests.lake import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    if importlib.util.find_spec("duckdb_extension_ducklake") is None:
        pytest.skip("the extra `lake` is not installed")
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgres.running() as one:
        yield one


def environment(server: postgres.Server, folder: Path) -> dict[str, str]:
    """What names a new lake: its database, and a folder for its rows."""
    reached_by = server.create(f"lake_{secrets.token_hex(4)}")
    return {**reached_by, lake.CATALOGUE: "postgres:", lake.DATA: str(folder / "data")}


@pytest.fixture
def place(server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose warehouse is a lake that nobody has written into."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path
