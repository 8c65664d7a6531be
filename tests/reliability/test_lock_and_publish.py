"""One writer, whole versions for readers, and nothing left of a run that was killed."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from flows import publish as publishing
from flows.lock import LOCK_FILE, Busy, held
from flows.publish import publish, published, sweep, working_copy, write_atomically
from python_steps import warehouse

HOLD = """
import sys, time
from pathlib import Path
from flows.lock import held
with held(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""
WORK = """
import sys, time
from pathlib import Path
from flows.publish import working_copy
from python_steps import warehouse
with working_copy(Path(sys.argv[1])) as file:
    con = warehouse.connect(file)
    con.execute("create table half as select 1 as a")
    print("working", flush=True)
    time.sleep(60)
"""
# An analyst: opens the published file again for each question, or keeps one connection all along.
READ = """
import sys
from pathlib import Path
import duckdb
folder, stop, is_kept = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "keep"
con = None
last = reads = 0
while not stop.exists():
    con = con or duckdb.connect(str(folder / "published.duckdb"), read_only=True)
    least, most, rows = con.execute("select min(version), max(version), count(*) from t").fetchone()
    assert least == most and rows == 1000 and least >= last, (least, most, rows, last)
    if not is_kept:
        con.close()
        con = None
    if not reads:
        print("reading", flush=True)
    last, reads = least, reads + 1
print(reads, last)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline(), process.stderr and process.stderr.read()
    return process


def take(folder: Path, portfolio: str, wait: float) -> None:
    with held(folder, portfolio, wait):
        pass


def put(folder: Path, version: int) -> None:
    with working_copy(folder) as file:
        con = warehouse.connect(file)
        con.execute(f"create or replace table t as select {version} as version from range(1000)")
        con.close()
        publish(file, folder)


def spoil(folder: Path) -> None:
    with working_copy(folder) as file:
        con = warehouse.connect(file)
        con.execute("drop table t")
        con.execute("from t")


def version(folder: Path) -> int:
    con = warehouse.connect(published(folder), read_only=True)
    try:
        return con.execute("select max(version) from t").fetchone()[0]
    finally:
        con.close()


def test_the_same_portfolio_is_refused_at_once_and_another_one_after_its_wait(tmp_path):
    holder = start(HOLD, tmp_path, "global")
    try:
        with pytest.raises(Busy, match=rf"global is already running \(pid {holder.pid}\)") as refused:
            take(tmp_path, "global", wait=60)
        assert "waited" not in str(refused.value)
        with pytest.raises(Busy, match=rf"held by global \(pid {holder.pid}\); waited 0\.3 s"):
            take(tmp_path, "production", wait=0.3)
    finally:
        holder.kill()
        holder.communicate()


def test_a_killed_holder_holds_nothing(tmp_path):
    holder = start(HOLD, tmp_path, "global")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert "global" in (tmp_path / LOCK_FILE).read_text()  # its name stays, and means nothing
    take(tmp_path, "global", wait=0)


def test_the_name_a_dead_run_left_does_not_pass_for_the_one_that_holds_the_lock(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with (tmp_path / LOCK_FILE).open("w") as lock:
        lock.write(json.dumps({"pid": dead.pid, "portfolio": "global"}))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)  # taken, and its holder has not written its name yet
        with pytest.raises(Busy, match=r"held by another run; waited 0\.2 s"):
            take(tmp_path, "global", wait=0.2)


def test_another_portfolio_gets_the_lock_when_it_is_free(tmp_path):
    is_second_in = threading.Event()

    def second() -> None:
        with held(tmp_path, "production", wait=30):
            is_second_in.set()

    waiting = threading.Thread(target=second)
    with held(tmp_path, "global"):
        waiting.start()
        assert not is_second_in.wait(0.3)
    waiting.join(10)
    assert is_second_in.is_set()


@pytest.mark.parametrize(("how", "seen_at_last"), [("reopen", 13), ("keep", 1)])
def test_a_reader_gets_whole_versions_only_all_through_many_publishes(tmp_path, how, seen_at_last):
    put(tmp_path, 1)
    stop = tmp_path / "stop"
    reader = start(READ, tmp_path, stop, how)
    for number in range(2, 14):
        put(tmp_path, number)
    time.sleep(0.3)
    stop.touch()
    said, errors = reader.communicate(timeout=30)
    assert reader.returncode == 0, errors
    reads, last = map(int, said.split())
    assert reads > 10
    assert last == seen_at_last


def test_a_publish_changes_no_byte_of_the_file_a_reader_has_open(tmp_path):
    put(tmp_path, 1)
    before = published(tmp_path).read_bytes()
    with published(tmp_path).open("rb") as reader:
        put(tmp_path, 2)
        assert reader.read() == before
    assert version(tmp_path) == 2


def test_a_run_that_fails_leaves_the_published_file_as_it_was(tmp_path):
    put(tmp_path, 1)
    before = published(tmp_path).read_bytes()
    with pytest.raises(duckdb.CatalogException):
        spoil(tmp_path)
    assert published(tmp_path).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["published.duckdb"]


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_works_on_is_not(tmp_path):
    put(tmp_path, 1)
    worker = start(WORK, tmp_path)
    assert sweep(tmp_path) == []
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert len(list(tmp_path.glob("working-*"))) == 1
    assert len(sweep(tmp_path)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["published.duckdb"]
    assert version(tmp_path) == 1


def test_a_log_beside_the_published_file_is_never_replayed_into_a_new_one(tmp_path):
    put(tmp_path, 1)
    log = tmp_path / "published.duckdb.wal"
    log.write_bytes(b"what somebody wrote into the published file")
    put(tmp_path, 2)
    assert not log.exists()
    assert version(tmp_path) == 2


def test_killed_before_the_rename_the_old_version_stands(tmp_path, monkeypatch):
    put(tmp_path, 1)
    monkeypatch.setattr(publishing, "_sync", lambda place: os.kill(os.getpid(), signal.SIGKILL))
    child = os.fork()
    if child == 0:
        put(tmp_path, 2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    monkeypatch.undo()
    assert version(tmp_path) == 1
    assert len(sweep(tmp_path)) == 1
    put(tmp_path, 3)
    assert version(tmp_path) == 3


def test_a_side_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "out" / "exposures.json"
    write_atomically(file, b"old")

    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(publishing, "_sync", fail)
    with pytest.raises(OSError, match=r"disk full: '.*exposures\.json'"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]
