"""What the models make of panels that are larger than the sample, beside the same work done by others."""

import gc
import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from flows.guards import compiled
from tests.benchmarks import panels
from tests.benchmarks.results import record, show

pytestmark = pytest.mark.benchmark

PANELS = {"25 × 10": (25, 10), "100 × 20": (100, 20), "500 × 20": (500, 20)}
ROUNDS = 5
PACKAGES = ("duckdb", "pandas", "numpy", "polars")


def interleaved(works: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Median CPU seconds of each, over rounds in which all take their turn."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            gc.collect()
            begun = time.process_time()
            work()
            taken[name].append(time.process_time() - begun)
    return {name: statistics.median(times) for name, times in taken.items()}


def there(*packages: str) -> list[str]:
    return [name for name in packages if importlib.util.find_spec(name)]


def test_rolling_columns_beside_a_shared_window_and_peers(tmp_path, capsys):
    rows: dict[str, dict[str, float]] = {}
    for name, (assets, years) in PANELS.items():
        folder = tmp_path / str(assets)
        folder.mkdir()
        con, dbt = panels.opened(folder, ("vintage_returns", "assets", "asset_classes"))
        node = panels.node_of(dbt, "bar_statistics")
        bars = panels.told_bars(con, assets, years * panels.YEAR)
        peers = panels.peers_of(bars)
        works = {
            "bar_statistics": lambda con=con, node=node: compiled.make(con, node),
            "one shared WINDOW clause": lambda con=con: panels.shared_window(con),
        }
        rows[name] = interleaved(works | peers)
        agree(con, peers["pandas"]())
        con.close()
    lines = table(rows, "bar_statistics")
    about = [
        "The columns of bar_statistics (21 that roll, their stamps and guards; sums exact in integers) beside"
        " 21 of floats. CPU seconds, medians of five interleaved rounds, and the ratio of ours to each.",
        "",
    ]
    with capsys.disabled():
        show(record("Rolling columns", about + lines, *there(*PACKAGES)))


def test_metrics_of_windows_beside_a_join_of_windows_and_days(tmp_path, capsys):
    upstream = ("group_returns", "group_spans", "laid_plans", "strategies", "clocks", "in_sample_pnl")
    others = ("order_returns", "assets", "group_decisions", "run_bounds")
    con, dbt = panels.opened(tmp_path, upstream + others)
    step, windows = 12, 400
    told = panels.told_profits(con, 100, step * windows + panels.YEAR, windows, step)

    def ours() -> None:
        for model in panels.METRICS:
            compiled.make(con, panels.node_of(dbt, model))

    def naive() -> None:
        con.execute(panels.NAIVE, told)

    works = {"blocks, spans, metrics": ours, "windows joined with days": naive}
    rows = {"100 strategies × 400 windows": interleaved(works)}
    shared = ("sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor")
    apart = ", ".join(
        f"max(abs(one.{name} {'/ sqrt(252)' if name in ('sharpe', 'sortino') else ''} - other.{name}))"
        for name in shared
    )
    joined = "group_metrics as one inner join peer as other using (strategy, window_id)"
    (count, *largest) = con.execute(f"select count(*), {apart} from {joined}").fetchall()[0]
    con.close()
    assert count == 100 * windows
    assert max(largest) < 1e-9, dict(zip(shared, largest, strict=True))
    about = [
        "Metrics of test spans of 252 decisions: the models from daily profits on (15 metrics, reasons, exact"
        " sums) beside eight by a join of windows and days. CPU seconds, medians of five interleaved rounds.",
        "",
    ]
    lines = about + table(rows, "blocks, spans, metrics", "")
    with capsys.disabled():
        show(record("Metrics of windows", lines, "duckdb"))


def test_an_as_of_read_beside_a_bare_scan(tmp_path, capsys):
    con, _ = panels.opened(tmp_path, ("bars",))
    con.execute(panels.VERSIONS, {"days": 20 * panels.YEAR, "rows": 10_000_000})
    answers = {name: con.execute(query).fetchall() for name, query in panels.READS.items()}
    reads = {name: lambda q=query: con.execute(q).fetchall() for name, query in panels.READS.items()}
    taken = interleaved(reads)
    con.close()
    (scan, read, *others) = panels.READS
    assert all(answers[read][0][0] == answers[other][0][0] for other in others)
    lines = [f"- {name}: {cpu * 1e3:,.0f} ms, × {cpu / taken[scan]:.1f}" for name, cpu in taken.items()]
    about = "10.5 million versions of bars, as of an instant; CPU, and how many bare scans that is:"
    with capsys.disabled():
        show(record("As-of reads", [about, "", *lines], "duckdb"))


def agree(con: Any, wide: dict[str, np.ndarray]) -> None:
    """Where bar_statistics has a value, it is that of the peer."""
    names = [name for name in panels.ROLLED if not name.startswith(("bars_", "loss_"))]
    ours = con.execute(f"select {', '.join(names)} from bar_statistics order by symbol, session_date").df()
    for name in names:
        mine, theirs = ours[name].to_numpy(dtype=float), wide[name].T.reshape(-1)
        is_there = ~np.isnan(mine)
        assert is_there.mean() > 0.5, name
        np.testing.assert_allclose(mine[is_there], theirs[is_there], rtol=1e-9, atol=1e-9, err_msg=name)


def table(rows: dict[str, dict[str, float]], ours: str, unit: str = " years") -> list[str]:
    """A row for each way, a column for each panel."""
    ways = list(next(iter(rows.values())))
    lines = ["| way | " + " | ".join(f"{name}{unit}" for name in rows) + " |"]
    lines.append("| --- |" + " ---: |" * len(rows))
    for way in ways:
        cells = []
        for taken in rows.values():
            ratio = "" if way == ours else f" (× {taken[ours] / taken[way]:.2f})"
            cells.append(f"{taken[way]:.3f}{ratio}")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return lines
