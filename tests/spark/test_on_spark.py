"""What is translated means on Spark what it means on DuckDB."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-spark" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-spark: `make .venv-spark/installed` makes it")
def test_translated_queries_give_the_rows_of_duckdb() -> None:
    asked = [str(PYTHON), "-m", "tests.spark.tried"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    assert told.stdout == ""
