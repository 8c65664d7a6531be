"""One real run of the embedded sample, through the console command, shared by every test of the evidence."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pytest

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """A finished command and the folder it ran in."""

    folder: Path
    code: int
    stdout: str
    stderr: str

    @property
    def published(self) -> Path:
        return self.folder / ".warehouse" / "published.duckdb"

    def query(self, sql: str) -> pd.DataFrame:
        """Rows of the published file."""
        con = duckdb.connect(str(self.published), read_only=True)
        try:
            return con.execute(sql).df()
        finally:
            con.close()


def portfolio(folder: Path, *arguments: object) -> Ran:
    """Run the command `portfolio` in a folder, as a user would."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    return Ran(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Ran:
    """`portfolio rebalance` in an empty folder."""
    if "EVIDENCE_SAMPLE" in os.environ:  # DEV ONLY
        f = Path(os.environ["EVIDENCE_SAMPLE"])
        return Ran(f, 0, (f / "run.log").read_text(), "")
    ran = portfolio(tmp_path_factory.mktemp("sample"), "rebalance")
    assert ran.code == 0, ran.stderr
    return ran
