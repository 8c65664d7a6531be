"""Bad days that are no kills: a full disk, a damaged file, a lock nobody holds. Each is tried on a hand-made
warehouse of four assets, and ends in one clear line with what was published as it was."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.lock import LOCK_FILE
from flows.publish import WORKING, published
from tests.steps.small_warehouse import publish_small_warehouse

PROJECT = Path(__file__).parents[2]
RESET = ("reset", "--condition", "drawdown", "--reason", "tried")
QUERY = ("sql", "-c", "select portfolio, decision_at, symbol, weight from target_exposures order by all")
IN_A_NAMESPACE = ("unshare", "--map-root-user", "--mount")
FLIPS, SEED = 30, 20261129

Fault = Callable[[Path], str]


@dataclass(frozen=True)
class Said:
    """A command that ended."""

    code: int
    out: str
    error: str


def portfolio(*arguments: object) -> Said:
    """Run the command `portfolio`."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    return Said(done.returncode, done.stdout, done.stderr)


def has_small_disks() -> bool:
    """Whether a file system of a few megabytes can be mounted here, in a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    mount = [*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


# Copies a folder to a disk of a size, runs a command there, and says what came of it. The disk is gone then.
ON_A_SMALL_DISK = """
import json, os, shutil, subprocess, sys
from pathlib import Path
disk, source, size, *command = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", disk], check=True)
shutil.copytree(source, disk, dirs_exist_ok=True)
def seen():
    files = [file for file in sorted(Path(disk).rglob("*")) if file.is_file() and file.name != "lock"]
    return {str(file.relative_to(disk)): hash(file.read_bytes()) for file in files}
before = seen()
done = subprocess.run(command, capture_output=True, text=True)
print(json.dumps([done.returncode, done.stdout, done.stderr, before == seen()]))
"""


def on_a_small_disk(source: Path, size: int, *arguments: object) -> tuple[Said, bool]:
    """Run `portfolio` on a copy of a folder, on a disk of so many bytes that is mounted at `disk` beside it.

    Returns what it said, and whether all files are as they were.
    """
    disk = source.parent / "disk"
    disk.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    done = subprocess.run(
        [*IN_A_NAMESPACE, sys.executable, "-c", ON_A_SMALL_DISK, disk, source, str(size), *command],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    code, out, error, is_same = json.loads(done.stdout)
    return Said(code, out, error), is_same


def disk_full_while_copying(folder: Path) -> str:
    """disk full while the warehouse is copied"""
    size = 1.5 * _warehouse(folder / "w").stat().st_size
    said, is_same = on_a_small_disk(folder / "w", int(size), *RESET, "--warehouse", folder / "disk")
    return _refused(said, is_same, "published.duckdb: No space left on device")


def disk_full_while_writing(folder: Path) -> str:
    """disk full while the copy is written"""
    size = 2 * _warehouse(folder / "w").stat().st_size + 96 * 1024
    said, is_same = on_a_small_disk(folder / "w", size, *RESET, "--warehouse", folder / "disk")
    return _refused(said, is_same, "No space left on device")


def disk_full_for_side_files(folder: Path) -> str:
    """disk full while side files are written"""
    _warehouse(folder / "w")
    repair = ("publish", "--repair", "--warehouse", folder / "w", "--out")
    assert portfolio(*repair, folder / "out").code == 0
    (folder / "out" / "exposures.json").write_text("old")
    size = sum(-(-file.stat().st_size // 4096) * 4096 for file in (folder / "out").iterdir())
    said, is_same = on_a_small_disk(folder / "out", size, *repair, folder / "disk")
    return _refused(said, is_same, "exposures.json: No space left on device")


def truncated(folder: Path) -> str:
    """published file cut in half"""
    file = _warehouse(folder)
    os.truncate(file, file.stat().st_size // 2)
    return _unreadable(folder)


def emptied(folder: Path) -> str:
    """published file empty"""
    os.truncate(_warehouse(folder), 0)
    return _unreadable(folder)


def overwritten(folder: Path) -> str:
    """header of the published file overwritten"""
    file = _warehouse(folder)
    file.write_bytes(file.read_bytes()[:100] + b"\xff" * 50 + file.read_bytes()[150:])
    return _unreadable(folder)


def flipped(folder: Path) -> str:
    """a byte of the published file flipped, thirty times"""
    import duckdb

    from python_steps import warehouse

    file = _warehouse(folder)
    whole, outcomes = file.read_bytes(), []
    expected = _rows(warehouse.connect(file, read_only=True))
    for place in np.random.default_rng(SEED).integers(len(whole), size=FLIPS):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        try:
            assert _rows(warehouse.connect(file, read_only=True)) == expected, f"byte {place}: other rows"
            outcomes.append("same rows")
        except duckdb.Error:
            outcomes.append("error")
        file.write_bytes(whole)
        assert _rows(warehouse.connect(file, read_only=True)) == expected  # the error was of the byte
    return f"{outcomes.count('error')} errors, {outcomes.count('same rows')} the same rows, silently wrong 0:"


def stale_lock(folder: Path) -> str:
    """lock file that names a dead process, a living one that holds nothing, or nobody"""
    _warehouse(folder)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for left in (
        json.dumps({"pid": dead.pid, "portfolio": "global"}),
        json.dumps({"pid": os.getpid(), "portfolio": "global"}),
        '{"pid": 12',
    ):
        (folder / LOCK_FILE).write_text(left)
        said = portfolio(*RESET, "--warehouse", folder, "--lock-wait", 0)
        assert said.code == 0, said.error
    return "taken"


ALL: tuple[Fault, ...] = (
    *(disk_full_while_copying, disk_full_while_writing, disk_full_for_side_files),
    *(truncated, emptied, overwritten, flipped, stale_lock),
)


def tried(fault: Fault, folder: Path) -> tuple[str, str, str]:
    """Command, fault and outcome, for the table; where disks cannot be mounted, that."""
    said = str(fault.__doc__)
    if said.startswith("disk") and not has_small_disks():
        return "portfolio reset", said, "not tried: no disk can be mounted here"
    return "portfolio reset", said, fault(folder)


def _warehouse(folder: Path) -> Path:
    return publish_small_warehouse(folder, is_stopped=True)


def _rows(con) -> list:
    """All rows of all tables."""
    try:
        tables = con.execute("select schema_name || '.' || table_name from duckdb_tables() order by all")
        return [con.execute(f"from {table}").fetchall() for (table,) in tables.fetchall()]
    finally:
        con.close()


def _refused(said: Said, is_same: bool, reason: str) -> str:
    assert said.code == 1, said
    assert said.error.startswith("error: "), said
    assert said.error.count("\n") == 1, said
    assert reason in said.error, said
    assert is_same
    return "one clear line, exit 1, all files as before"


def _unreadable(folder: Path) -> str:
    """Every command refuses a damaged file in one line that names it, and leaves it as it is."""
    damaged = published(folder).read_bytes()
    for command in (RESET, QUERY, ("publish", "--repair", "--out", folder / "out")):
        said = portfolio(*command, "--warehouse", folder)
        is_same = published(folder).read_bytes() == damaged and not list(folder.glob(f"{WORKING}*"))
        _refused(said, is_same, "published.duckdb")
    return "one clear line, exit 1, all files as before"
