"""Plain work on the same bars, done beside a run: what its times are compared with."""

import time
from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd

from flows.landing import SAMPLE

REPEATS = 5
ROLLING_SQL = """
    select symbol, sum(total), max(deviation)
    from (
        select
            symbol,
            avg(log_return) over past_year as total,
            stddev(log_return) over past_year as deviation
        from (
            select symbol, date, ln(close / lag(close) over (partition by symbol order by date)) as log_return
            from read_parquet($file)
        )
        window past_year as (partition by symbol order by date rows between 251 preceding and current row)
    )
    group by symbol
    order by symbol
"""


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU of one call, the least of a few, so that neighbours on the machine count little."""
    taken = []
    for _ in range(REPEATS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def duckdb_rolling() -> None:
    """A year's rolling mean and deviation of every asset, in bare DuckDB on one thread."""
    con = duckdb.connect(config={"threads": 1})
    con.execute(ROLLING_SQL, {"file": str(SAMPLE)}).fetchall()
    con.close()


def pandas_signals() -> None:
    """Twelve signals as one would write them in pandas: float windows, no costs, nothing known when."""
    bars = pd.read_parquet(SAMPLE).sort_values(["symbol", "date"])
    for _, one in bars.groupby("symbol", sort=True):
        _signals(one)


def _signals(one: pd.DataFrame) -> list[pd.Series]:
    close, high, low = one.close, one.high.fillna(one.close), one.low.fillna(one.close)
    returns = np.log(close).diff()
    week, month, quarter, year = (returns.rolling(bars).sum() for bars in (5, 21, 63, 252))
    deviation = {bars: returns.rolling(bars).std() for bars in (21, 63, 252)}
    gain, move = returns.clip(lower=0).rolling(14).sum(), returns.abs().rolling(14).sum()
    shock = np.sign(returns).where((returns / deviation[21].shift()).abs() >= 2, 0)
    place = {
        bars: (2 * close - high.rolling(bars).max().shift() - low.rolling(bars).min().shift())
        / (high.rolling(bars).max().shift() - low.rolling(bars).min().shift())
        for bars in (21, 63)
    }
    highest, lowest = high.rolling(252).max(), low.rolling(252).min()
    level = np.log(close)
    return [
        np.tanh(month / (deviation[63] * np.sqrt(21))),
        np.tanh(quarter / (deviation[63] * np.sqrt(63))),
        np.tanh((year - month) / (deviation[252] * np.sqrt(231))),
        -np.tanh(week / (deviation[63] * np.sqrt(5))),
        -np.tanh((level - level.rolling(21).mean()) / level.rolling(21).std() / 2),
        1 - 2 * gain / move,
        np.tanh(2 * np.log(deviation[252] / deviation[63])),
        np.tanh(quarter / (deviation[63] * np.sqrt(63))) * (deviation[63] / deviation[21]).clip(upper=1),
        np.tanh(shock.rolling(5).sum()),
        place[21].clip(-1, 1),
        place[63].clip(-1, 1),
        2 * (close - lowest) / (highest - lowest) - 1,
    ]
