"""Two stocks of a year and a half at most, and a policy that holds only them: the least to decide on."""

import datetime as dt
from pathlib import Path

import numpy as np

FIRST, DAYS = dt.date(2018, 3, 1), 560
POLICY = """extends: default
plan: short
universe: {asset_classes: [equity]}
signals: [momentum_1m, reversal_1w]
learners: []
"""


def write_bars(file: Path, *, until: dt.date = dt.date.max) -> Path:
    """Closes of both before a day, the same ones whatever the day; returns the file."""
    random = np.random.default_rng(11)
    days = [FIRST + dt.timedelta(days=n) for n in range(DAYS)]
    days = [day for day in days if day.weekday() < 5]
    rows = ["symbol,date,close,asset_class"]
    for symbol in ("ALDER", "BIRCH"):
        closes = 50 * np.exp(np.cumsum(random.normal(0.0005, 0.01, len(days))))
        rows += [
            f"{symbol},{day},{close:.4f},equity"
            for day, close in zip(days, closes, strict=True)
            if day < until
        ]
    file.write_text("\n".join(rows) + "\n", "utf-8")
    return file


def write(folder: Path) -> None:
    """`trees.csv`, three quarters of a year, and `trees.yml`."""
    write_bars(folder / "trees.csv", until=dt.date(2018, 12, 1))
    (folder / "trees.yml").write_text(POLICY, "utf-8")
