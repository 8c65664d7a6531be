"""Programs that tests start as processes of their own: writers and readers of one lake."""

import subprocess
import sys
from pathlib import Path

HEAD = """
import sys, time
from pathlib import Path
import pandas as pd
from flows.lock import held
from flows.outputs import open_published
from flows.publish import publish, working_copy
from python_steps import lake, warehouse

folder, me, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def rows(version):
    return pd.DataFrame({
        "portfolio": me, "decision_at": pd.Timestamp("2020-01-01") + pd.Timedelta(days=version),
        "symbol": [f"S{n:02d}" for n in range(10)], "weight": 0.1, "run_id": f"{me}-{version}",
    })

def holdings(con):
    shape = ", ".join(f'"{n}" {kind}' for n, kind in warehouse.declared_columns()["raw.holdings"].items())
    con.execute("create schema if not exists raw")
    con.execute(f"create table if not exists raw.holdings ({shape})")

def wait_for_all():
    print("ready", flush=True)
    sys.stdin.readline()
"""
# A portfolio that runs some times from a machine of its own: takes the lake, writes, publishes.
PUBLISH = """
wait_for_all()
for version in range(count):
    with held(folder, me), working_copy(folder) as file:
        con = warehouse.connect(file)
        holdings(con)
        warehouse.write(con, "raw.holdings", rows(version))
        con.close()
        publish(file, folder)
"""
# Steps of one portfolio that write while those of others do.
APPEND = """
con = warehouse.connect(folder / f"{me}.ducklake")
wait_for_all()
for version in range(count):
    warehouse.write(con, "raw.holdings", rows(version))
con.close()
"""
# One of several that think they are alone, and publish what they began from the same snapshot.
PIN = """
con = warehouse.connect(folder / f"{me}.ducklake")
wait_for_all()
try:
    print("pinned", lake.pin(con, count))
except lake.LakeConflict as error:
    print("refused:", error)
"""
# Dies in the middle: a table of models is gone, rows are there that nobody was told of.
DIE = """
import os, signal
with held(folder, me), working_copy(folder) as file:
    con = warehouse.connect(file)
    holdings(con)
    con.execute("create or replace table main.signals as select 1 as half")
    con.execute("create or replace view main.runs as select 'half' as run_id")
    con.execute("create table main.new as select 1 as half")
    con.execute("delete from raw.holdings where symbol = 'S03'")
    warehouse.write(con, "raw.holdings", rows(99))
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOLD = """
with held(folder, me):
    wait_for_all()
"""
# Looks again and again: each publication is whole, and none is older than the one before.
READ = """
wait_for_all()
last, looks, versions, end = 0, 0, set(), time.monotonic() + 60
while last < count and time.monotonic() < end:
    con = open_published(folder)
    seen = con.execute("select count(*), count(distinct run_id), min(weight) from raw.holdings").fetchone()
    again = con.execute("select count(*) from raw.holdings").fetchone()
    con.close()
    assert seen[0] == again[0] == 10 * seen[1] and seen[2] in (0.1, None), ("mixed", seen, again)
    assert seen[0] >= last, ("backwards", last, seen)
    last, looks = seen[0], looks + 1
    versions.add(last)
    time.sleep(0.2)
print(looks, last, len(versions))
"""


def start(program: str, folder: Path, me: str, count: int = 0) -> subprocess.Popen[str]:
    """Start a program, which has said that it is ready."""
    command = [sys.executable, "-X", "faulthandler", "-c", HEAD + program, str(folder), me, str(count)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise AssertionError(process.communicate()[1])
    return process


def end(*processes: subprocess.Popen[str]) -> list[str]:
    """Let processes that wait go on, all at once; returns what each printed. Raises AssertionError with the
    error of one that failed."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in processes]
    for process, (_, error) in zip(processes, said, strict=True):
        assert process.returncode == 0, f"ended with {process.returncode}: {error}"
    return [out for out, _ in said]
