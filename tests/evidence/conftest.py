"""Real runs through the console command, shared by the tests of the evidence: the embedded sample, and five
assets of a user's own file, run three times in one folder while somebody reads."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

PROJECT = Path(__file__).parents[2]
SEED = 20140101  # that of the policies; not chosen for what it gives

# Class, venue, and whether the file gives more than the close.
OWN_ASSETS = {
    "ZORK": ("equity", "XNYS", True),
    "NARVO": ("equity", "XNYS", False),
    "FLURB": ("crypto", "CRYPTO", True),
    "GLIMMER": ("crypto", "CRYPTO", False),
    "WUM-USD": ("fx", "FX", True),
}
# Sessions without a bar: orders lapse, and the asset is left out, the second time until it is sold.
MISSING = ["2019-02-12", "2019-05-06", "2019-05-07", "2019-05-08", "2019-05-09", "2019-05-10"]
# What trades, of all that is made: enough to be judged, and three times as fast.
SOME = """learners: [ridge]
signals:
  [momentum_1m, momentum_3m, momentum_12m_1m, reversal_1w, zscore_1m, rsi_14d, low_volatility_3m,
  calm_trend_3m, volatility_breakout_1w, donchian_1m, donchian_3m, high_52w, class_momentum_6m, low_beta_12m,
  crossover_3m_12m, turn_of_month]
"""
SAMPLE_POLICY = "extends: default\n" + SOME
OWN_POLICY = "extends: default\nplan: short\ngates: {minimum_trades: 5}\n" + SOME
HOLDINGS = {"ZORK": 0.1, "FLURB": 0.05}

# Says what it sees in the published file, again and again until it finds the file `stop`: through new
# connections ('fresh'), or through one kept open. In one process these would share what was opened first.
READER = """
import json, sys, time
from pathlib import Path
import duckdb
file, stop, is_fresh = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "fresh"
QUERIES = (
    "select max(run_number) from main.runs",
    "select count(*), count(distinct decision_at), count(distinct run_id) from main.target_exposures",
    "select count(*) from main.allocation_log",
    "select count(*) from main.portfolio_returns",
)
con, is_last = None, False
while True:
    try:
        con = con or duckdb.connect(file, read_only=True)
        rows = [con.execute(query).fetchall()[0] for query in QUERIES]
        print(json.dumps([value for row in rows for value in row]), flush=True)
        if is_fresh:
            con.close()
            con = None
    except Exception as error:
        print(json.dumps(repr(error)), flush=True)
    if is_last:
        break
    is_last = stop.exists()
    time.sleep(0.2)
"""


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
        return query(self.published, sql)


@dataclass(frozen=True)
class OwnRuns:
    """Three runs in one folder: from nothing, again, and with one more day of bars.

    `after_first` is the file as the first run published it; `hashes` are those of the published file after
    each run; `fresh` and `kept` are what two readers saw from before the third run until after it.
    """

    first: Ran
    again: Ran
    next_day: Ran
    after_first: Path
    hashes: tuple[str, str, str]
    fresh: list[list[int] | str]
    kept: list[list[int] | str]


def portfolio(folder: Path, *arguments: object) -> Ran:
    """Run the command `portfolio` in a folder, as a user would."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "120"},
    )
    return Ran(folder, done.returncode, done.stdout, done.stderr)


def query(file: Path, sql: str) -> pd.DataFrame:
    """Rows of a warehouse."""
    con = duckdb.connect(str(file), read_only=True)
    try:
        return con.execute(sql).df()
    finally:
        con.close()


def sessions(venue: str, first: str, last: str) -> np.ndarray:
    """Session dates of a venue as text, both ends included."""
    calendar = pd.read_csv(PROJECT / "seeds" / "sessions.csv")
    days = calendar.loc[calendar["venue"] == venue, "session_date"]
    return days[(days >= first) & (days <= last)].to_numpy()


def own_bars(last: str) -> pd.DataFrame:
    """Five assets with drifts that come and go for months, up to a day; earlier days are always the same."""
    frames = []
    for number, (symbol, (asset_class, venue, is_full)) in enumerate(OWN_ASSETS.items()):
        random = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(number,)))
        days = sessions(venue, "2018-03-01", "2019-06-28")
        scale = {"equity": 0.01, "crypto": 0.02, "fx": 0.004}[asset_class]
        drift = 0.3 * (np.sin(np.arange(len(days)) / len(days) * 20 + number) > -0.3)
        overnight, in_session = scale * random.standard_normal((2, len(days))) * [[0.3], [0.95]]
        close = 50 * np.exp(np.cumsum(overnight + in_session + scale * drift))
        opened = close * np.exp(-in_session)
        bars = pd.DataFrame({"symbol": symbol, "date": days, "close": close, "asset_class": asset_class})
        if is_full:
            bars["open"] = opened
            bars["high"], bars["low"] = np.maximum(opened, close), np.minimum(opened, close)
        is_missing = bars["date"].isin(MISSING) & (symbol == "NARVO")
        frames.append(bars[(bars["date"] <= last) & ~is_missing])
    return pd.concat(frames)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Ran:
    """`portfolio rebalance` in an empty folder, of a `global` in which fewer strategies compete."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "global.yml").write_text(SAMPLE_POLICY)
    ran = portfolio(folder, "rebalance", "--portfolio", "global.yml")
    assert ran.code == 0, ran.stderr
    return ran


@pytest.fixture(scope="session")
def own(tmp_path_factory) -> OwnRuns:
    """`portfolio rebalance --bars my.csv --portfolio my.yml` three times in a folder that was empty."""
    folder = tmp_path_factory.mktemp("own")
    own_bars("2019-06-19").to_csv(folder / "my.csv", index=False)
    own_bars("2019-06-20").to_csv(folder / "longer.csv", index=False)
    (folder / "my.yml").write_text(OWN_POLICY)
    pd.DataFrame(HOLDINGS.items(), columns=["symbol", "weight"]).to_csv(folder / "held.csv", index=False)
    command = ("rebalance", "--portfolio", "my.yml", "--holdings", "held.csv", "--bars")
    first = portfolio(folder, *command, "my.csv", "--json")
    assert first.code == 0, first.stderr
    (folder / "first").mkdir()
    # Under its own name, because views name the file they were made in.
    after_first = Path(shutil.copy(first.published, folder / "first" / first.published.name))
    hashes = [sha256(first.published)]
    again = portfolio(folder, *command, "my.csv")
    hashes.append(sha256(first.published))
    stop = folder / "stop"
    readers = [reader(first.published, stop, kind) for kind in ("fresh", "kept")]
    next_day = portfolio(folder, *command, "longer.csv")
    stop.touch()
    fresh, kept = (
        [json.loads(line) for line in one.communicate(timeout=60)[0].splitlines()] for one in readers
    )
    hashes.append(sha256(first.published))
    return OwnRuns(first, again, next_day, after_first, (hashes[0], hashes[1], hashes[2]), fresh, kept)


def reader(file: Path, stop: Path, kind: str) -> "subprocess.Popen[str]":
    """A reader in a process of its own; it has seen the file once when this returns."""
    started = subprocess.Popen(
        [sys.executable, "-c", READER, str(file), str(stop), kind], stdout=subprocess.PIPE, text=True
    )
    time.sleep(2)
    return started
