"""How long each stage of the sample run takes, and what it needs, beside plain work on the same bars."""

import datetime as dt
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from flows import landing, pipeline, rebalance
from flows.dbt import Dbt
from flows.publish import PUBLISHED
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps import warehouse
from tests.benchmarks.results import record, show
from tests.benchmarks.yardsticks import cpu_seconds, duckdb_rolling, pandas_signals

pytestmark = pytest.mark.benchmark

PACKAGES = ("duckdb", "dbt-core", "dbt-duckdb", "ibis-framework", "pandas", "numpy", "scipy", "cvxpy")
LOADED_AT = dt.datetime(2026, 1, 1)
NEXT_DAY = dt.timedelta(days=1)
GROWTH = (10, 40)


@dataclass
class Meter:
    """Wall and CPU seconds since the lap before, and the most memory the process held in between."""

    laps: list[tuple[str, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin()

    def lap(self, name: str, **_: object) -> None:
        cpu = time.process_time() - self.cpu
        self.laps.append((name, time.perf_counter() - self.wall, cpu, _peak_megabytes()))
        self._begin()

    def _begin(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        self.wall, self.cpu = time.perf_counter(), time.process_time()


def test_each_stage_of_the_sample_run_is_timed_beside_a_yardstick(tmp_path, capsys):
    yardsticks = {"duckdb": cpu_seconds(duckdb_rolling), "pandas": cpu_seconds(pandas_signals)}
    file, meter = tmp_path / PUBLISHED, Meter()
    name, policy = policies.load("global")
    as_of = land(file, name, policy)
    meter.lap("Bars landed")
    added = compute(file, name, policy, as_of, "first", meter)
    whole = meter.laps.copy()
    again = Meter()
    one = compute(file, name, policy, as_of + NEXT_DAY, "second", again)
    total = [sum(column) for column in zip(*(lap[1:3] for lap in again.laps), strict=True)]
    whole.append((f"All of it again for {one} more decision", *total, max(lap[3] for lap in again.laps)))
    lines = report(whole, yardsticks, added, [grown(tmp_path, count) for count in GROWTH])
    with capsys.disabled():
        show(record("The sample's job", lines, *PACKAGES))
    assert added > 1_000
    assert one == 1


def grown(folder: Path, count: int) -> tuple[int, float, float, float]:
    """How many signals trade, and wall and CPU seconds and peak megabytes of a first run with so many."""
    (folder / str(count)).mkdir()
    file, meter = folder / str(count) / PUBLISHED, Meter()
    name, policy = policies.load("global")
    first = sorted(file.stem for file in Path("macros/signals").glob("*.sql"))[:count]
    policy = policy.model_copy(update={"signals": first})
    compute(file, name, policy, land(file, name, policy), "first", meter)
    _, walls, cpus, peaks = zip(*meter.laps, strict=True)
    return count, sum(walls), sum(cpus), max(peaks)


def land(file: Path, name: str, policy: policies.Policy) -> dt.datetime:
    con = warehouse.connect(file)
    try:
        warehouse.create_tables(con)
        request = RebalanceRequest(portfolio=name)
        told = {"batch_id": 1, "run_id": "first", "loaded_at": LOADED_AT}
        return landing.land(con, request, {name: policy}, **told).as_of
    finally:
        con.close()


def compute(
    file: Path, name: str, policy: policies.Policy, as_of: dt.datetime, run_id: str, meter: Meter
) -> int:
    con = warehouse.connect(file)
    told = {"portfolio": name, "policy": policy, "as_of": as_of, "batch_until": 1}
    try:
        rebalance.begin(con, run_id=run_id, started_at=LOADED_AT, **told)
    finally:
        con.close()
    run = pipeline.Run(file, run_id, name, policy, pd.Timestamp(as_of), 1)
    added = pipeline.compute(run, Dbt(file), meter.lap)
    rebalance.finish(run, added)
    return added


def report(
    laps: list[tuple[str, float, float, float]],
    yardsticks: dict[str, float],
    added: int,
    growth: list[tuple[int, float, float, float]],
) -> list[str]:
    bars = pd.read_parquet(landing.SAMPLE, columns=["symbol"])
    rows = [
        f"| {name} | {wall:.1f} | {cpu:.1f} | {peak:,.0f} | {cpu / yardsticks['duckdb']:,.0f} | "
        f"{cpu / yardsticks['pandas']:,.1f} |"
        for name, wall, cpu, peak in laps
    ]
    return [
        f"{len(bars):,} bars of {bars.symbol.nunique()} assets, {added:,} decisions, in one process, with"
        " dbt's tests. Ratios are CPU over that of a yardstick on the same bars (yardsticks.py):",
        "",
        f"- DuckDB: a year's rolling mean and deviation, bare, one thread: {yardsticks['duckdb']:.3f} s",
        f"- pandas: twelve of the signals, float windows, no vintages: {yardsticks['pandas']:.3f} s",
        "",
        "| stage, models before it included | wall s | CPU s | peak MB | × DuckDB | × pandas |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
        "A first run in which so many of the signals trade; all are made, and learners see all:",
        "",
        "| signals that trade | wall s | CPU s | peak MB |",
        "| ---: | ---: | ---: | ---: |",
        *(f"| {count} | {wall:.0f} | {cpu:.0f} | {peak:,.0f} |" for count, wall, cpu, peak in growth),
    ]


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
