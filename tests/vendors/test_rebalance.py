"""`portfolio rebalance` from vendors decides what it decides from the same bars in a file."""

import datetime as dt
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.publish import published
from python_steps import warehouse
from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Server, shapes
from tests.vendors.test_land import sessions_of
from tests.worlds import traces

SHAPES = shapes()
FEEDS = {
    "coinbase": ("BTC-USD", "CRYPTO", False),
    "oanda": ("EUR-USD", "FX", True),
}
FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 3, 31)
AS_OF = dt.datetime(2023, 3, 31, 14)
POLICY = """
extends: default
plan: short
compared_plans: []
signals: [momentum_1m, momentum_3m, reversal_1w, donchian_3m, class_momentum_6m]
learners: [ridge]
universe: {asset_classes: [crypto, fx]}
gates: {minimum_trades: 5, maximum_drawdown: 0.9, minimum_dsr: 0.01}
"""


def history(vendor: str) -> list[Bar]:
    """Bars of a vendor in the sessions of its calendar; each drifts upward, so that something is held."""
    symbol, venue, is_weekdays = FEEDS[vendor]
    bars = made_up(FIRST, 330 if is_weekdays else 455, weekdays=is_weekdays, seed=len(vendor))
    sessions = sessions_of({"symbol": symbol, "vendor": vendor, "venue": venue})
    return [bar for bar in bars if bar.session_date in sessions and bar.session_date <= LAST]


class Runs:
    """Runs of one policy, each in a warehouse of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        (folder / "two.yml").write_text(POLICY, "utf-8")

    def run(self, command: str, name: str, as_of: dt.datetime, *options: str) -> Any:
        places = ["--warehouse", str(self.folder / name), "--out", str(self.folder / name / "out")]
        portfolio = ["--portfolio", str(self.folder / "two.yml")] if command == "rebalance" else []
        said = CliRunner().invoke(app, [command, *portfolio, "--as-of", str(as_of), *places, *options])
        assert said.exit_code in {0, 3}, said.output
        return said

    def from_vendors(self, command: str, name: str, as_of: dt.datetime) -> Any:
        with ExitStack() as stack:
            options = []
            for vendor, (symbol, *_) in FEEDS.items():
                bars = [bar for bar in history(vendor) if bar.session_date < as_of.date()]
                server = stack.enter_context(Server(SHAPES[vendor].speak(bars, as_of)))
                self.monkeypatch.setenv(f"PORTFOLIO_{vendor.upper()}_URL", server.url)
                options += ["--vendor", vendor, "--symbol", symbol]
            return self.run(command, name, as_of, *options)

    def decided(self, name: str) -> tuple[pd.DataFrame, bytes]:
        con = warehouse.connect(published(self.folder / name), read_only=True)
        try:
            rows = con.execute("select * exclude (run_id) from steps.target_exposures order by all").df()
        finally:
            con.close()
        return rows, (self.folder / name / "out" / "exposures.json").read_bytes()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    for name, value in traces.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return Runs(tmp_path, monkeypatch)


def test_vendors_and_a_file_with_their_bars_give_the_same_exposures(runs: Runs):
    """Landed first and then fetched day by day, or all at once from a file."""
    told = [
        {"symbol": FEEDS[vendor][0], "vendor": vendor, "date": bar.session_date}
        | dict(zip(("open", "high", "low", "close", "volume"), SHAPES[vendor].values(bar), strict=True))
        for vendor in FEEDS
        for bar in history(vendor)
    ]
    file = runs.folder / "bars.parquet"
    pd.DataFrame(told).to_parquet(file, index=False)
    runs.run("rebalance", "file", AS_OF, "--bars", str(file))
    runs.from_vendors("land", "daily", AS_OF - DAY)
    runs.run("rebalance", "daily", AS_OF - DAY)
    first, _ = runs.decided("daily")
    runs.from_vendors("rebalance", "daily", AS_OF)

    rows, exposures = runs.decided("file")
    again, same = runs.decided("daily")
    assert len(rows) > 300
    assert rows.loc[rows["symbol"] != "CASH", "weight"].max() > 0
    pd.testing.assert_frame_equal(again, rows, check_exact=True)
    assert same == exposures
    assert len(first) == len(rows) - 3  # BTC-USD, EUR-USD and CASH of the last decision
    assert traces.found([runs.folder], traces.MARKS) == []  # every credential was set, OANDA's was used
    # The search reads what those runs wrote: the log tells of the gateway, and a table who answered.
    log = runs.folder / "daily" / "out" / "log.jsonl"
    assert f"{log}: Metrics not pushed" in traces.found([runs.folder], ["Metrics not pushed"])
    told = f"{published(runs.folder / 'daily')}, raw.payloads.vendor: coinbase"
    assert told in traces.found([published(runs.folder / "daily")], ["coinbase"])
