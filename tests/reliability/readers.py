"""Analysts who ask the published file again and again while it is published anew."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from flows.publish import publish, working_copy
from python_steps import warehouse

READERS = 8
PUBLISHES = 30
ROWS = 1000
# Two tables of one version. A reader opens the file anew for each look, or keeps the connection it has.
READ = """
import sys, time
from pathlib import Path
import duckdb
folder, stop, is_kept = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "keep"
con, last, reads, versions = None, 0, 0, set()
while True:
    is_last = stop.exists()
    con = con or duckdb.connect(str(folder / "published.duckdb"), read_only=True)
    least, most, rows = con.execute("select min(version), max(version), count(*) from t").fetchone()
    other = con.execute("select version from u").fetchone()[0]
    assert least == most == other and rows == int(sys.argv[4]), ("mixed", least, most, other, rows)
    assert least >= last, ("backwards", last, least)
    if not is_kept:
        con.close()
        con = None
    if not reads:
        print("reading", flush=True)
    last, reads = least, reads + 1
    versions.add(least)
    if is_last:
        break
    time.sleep(0.05)
print(reads, last, len(versions))
"""


@dataclass(frozen=True)
class Read:
    """What readers saw: how often each looked, the last version each saw, and how many it saw."""

    is_kept: list[bool]
    reads: list[int]
    last: list[int]
    versions: list[int]

    def said(self) -> str:
        """In words, for the table."""
        return f"{sum(self.reads)} looks, no error, none mixed, none backwards:"


def put(folder: Path, version: int) -> None:
    """Publish one more version."""
    with working_copy(folder) as file:
        con = warehouse.connect(file)
        con.execute(f"create or replace table t as select {version} as version from range({ROWS})")
        con.execute(f"create or replace table u as select {version} as version")
        con.close()
        publish(file, folder)


def read_while_publishing(folder: Path) -> Read:
    """Eight readers during thirty publishes. Raises AssertionError with what a reader saw amiss."""
    put(folder, 1)
    stop, hows = folder / "stop", ["keep" if number % 4 == 3 else "reopen" for number in range(READERS)]
    reading = [_start(folder, stop, how) for how in hows]
    for version in range(2, PUBLISHES + 2):
        put(folder, version)
        time.sleep(0.05)
    stop.touch()
    said = [_end(reader) for reader in reading]
    return Read([how == "keep" for how in hows], *([one[place] for one in said] for place in range(3)))


def _start(folder: Path, stop: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READ, str(folder), str(stop), how, str(ROWS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline(), process.stderr and process.stderr.read()
    return process


def _end(reader: subprocess.Popen[str]) -> list[int]:
    said, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    return [int(word) for word in said.split()]
