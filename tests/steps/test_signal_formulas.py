"""Signals on an asset's own prices, against numpy, on real bars of a stock, a coin and a currency.

Windows are taken one by one from the bars that were told, without any of the SQL's sums. One bar of the stock
is told without its range, and the coin splits in two on one day: neither may show where it should not.
"""

import csv
import datetime as dt
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import stats

from flows.dbt import PROJECT
from python_steps.study import SEEDS
from tests.worlds.landed import Landed, land
from tests.worlds.small import World

POLICY = "extends: default\nplan: short\n"
STOCK, COIN, CURRENCY = "AMZN", "BTC-USD", "EUR-USD"
PRICES = ["open", "high", "low", "close"]
WITHOUT_RANGE = dt.date(2016, 6, 1)
SPLIT = dt.date(2018, 10, 1)
TOLD = pd.read_parquet(SEEDS / "sample/bars.parquet").drop(columns="source")
TOLD = TOLD[TOLD["symbol"].isin([STOCK, COIN, CURRENCY])]
TOLD.loc[(TOLD["symbol"] == STOCK) & (TOLD["date"] == WITHOUT_RANGE), ["open", "high", "low"]] = np.nan
RANGES = {"atr_channel_1m", "garman_klass_1m", "parkinson_1m"}


def spans(asset_class: str) -> dict[str, int]:
    with (SEEDS / "asset_classes.csv").open(newline="") as lines:
        (row,) = [one for one in csv.DictReader(lines) if one["asset_class"] == asset_class]
    return {
        name.removeprefix("bars_per_"): int(bars) for name, bars in row.items() if name.startswith("bars_per")
    }


def over(values: np.ndarray, bars: int, function: Callable, **how: object) -> np.ndarray:
    """A function of the last so many values at each place; no number before there are as many."""
    said = np.full(len(values), np.nan)
    said[bars - 1 :] = function(sliding_window_view(values, bars), axis=1, **how)
    return said


def before(values: np.ndarray) -> np.ndarray:
    """The value of the place before."""
    return np.concatenate([[np.nan], values[:-1]])


class Bars:
    """Bars of one symbol from its second on: the first has no return."""

    def __init__(self, told: pd.DataFrame) -> None:
        self.days = told["date"].iloc[1:].tolist()
        self.n = spans(told["asset_class"].iloc[0])
        close = told["close"].to_numpy()
        self.open, self.high, self.low, self.close = (told[name].to_numpy()[1:] for name in PRICES)
        self.close_before = close[:-1]
        self.r = np.log(close[1:] / close[:-1])
        self.log = np.log(self.close)

    def deviation(self, span: str) -> np.ndarray:
        return over(self.r, self.n[span], np.std, ddof=1)

    def returned(self, span: str) -> np.ndarray:
        return over(self.r, self.n[span], np.sum)

    def mean(self, span: str) -> np.ndarray:
        return over(self.log, self.n[span], np.mean)

    def zscore(self, span: str) -> np.ndarray:
        return (self.log - self.mean(span)) / over(self.log, self.n[span], np.std, ddof=1)

    def usual(self) -> np.ndarray:
        """Each return over the deviation of the twenty before it."""
        return self.r / before(over(self.r, 20, np.std, ddof=1))

    def place(self, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        return (2 * self.close - high - low) / (high - low)

    def extremes(self, span: str) -> tuple[np.ndarray, np.ndarray]:
        high = np.where(np.isnan(self.high), self.close, self.high)
        low = np.where(np.isnan(self.low), self.close, self.low)
        return over(high, self.n[span], np.max), over(low, self.n[span], np.min)

    def downside(self, span: str) -> np.ndarray:
        return np.sqrt(over(np.minimum(self.r, 0) ** 2, self.n[span], np.mean))

    def moved(self, span: str) -> np.ndarray:
        """How much the monthly deviation moved."""
        return over(np.log(self.deviation("month")), self.n[span], np.std, ddof=1)

    def parkinson(self, span: str) -> np.ndarray:
        return over(np.log(self.high / self.low) ** 2 / (4 * np.log(2)), self.n[span], np.mean) ** 0.5

    def garman_klass(self, span: str) -> np.ndarray:
        body = (2 * np.log(2) - 1) * np.log(self.close / self.open) ** 2
        return over(np.log(self.high / self.low) ** 2 / 2 - body, self.n[span], np.mean) ** 0.5

    def true_range(self) -> np.ndarray:
        high, low = np.maximum(self.high, self.close_before), np.minimum(self.low, self.close_before)
        return np.log(high / low)


def momentum(span: str, deviation: str) -> Callable[[Bars], np.ndarray]:
    return lambda b: np.tanh(b.returned(span) / (b.deviation(deviation) * np.sqrt(b.n[span])))


def crossover(fast: str, slow: str, deviation: str) -> Callable[[Bars], np.ndarray]:
    def formula(b: Bars) -> np.ndarray:
        usual = b.deviation(deviation) * (b.n[slow] - b.n[fast]) / np.sqrt(3 * b.n[slow])
        return np.tanh((b.mean(fast) - b.mean(slow)) / usual)

    return formula


def zscore(span: str) -> Callable[[Bars], np.ndarray]:
    return lambda b: -np.tanh(b.zscore(span) / 2)


def donchian(span: str) -> Callable[[Bars], np.ndarray]:
    return lambda b: np.clip(b.place(*map(before, b.extremes(span))), -1, 1)


def calmer(measure: Callable[..., np.ndarray], usual: str, now: str) -> Callable[[Bars], np.ndarray]:
    return lambda b: np.tanh(2 * np.log(measure(b, usual) / measure(b, now)))


def trend_strength(b: Bars) -> np.ndarray:
    def line(windows: np.ndarray, axis: int) -> list[float]:
        return [np.corrcoef(np.arange(len(one)), one)[0, 1] for one in windows]

    return over(b.log, b.n["quarter"], line)


def distance_to_mean(b: Bars) -> np.ndarray:
    usual = b.deviation("year") * (b.n["year"] - 1) / np.sqrt(3 * b.n["year"])
    return -np.tanh((b.log - b.mean("year")) / usual)


def acceleration(b: Bars) -> np.ndarray:
    rest = b.returned("half") - b.returned("quarter")
    return np.tanh((b.returned("quarter") - rest) / (b.deviation("half") * np.sqrt(b.n["half"])))


def year_without_month(b: Bars) -> np.ndarray:
    usual = b.deviation("year") * np.sqrt(b.n["year"] - b.n["month"])
    return np.tanh((b.returned("year") - b.returned("month")) / usual)


def calm_trend(b: Bars) -> np.ndarray:
    calm = np.minimum(1, b.deviation("quarter") / b.deviation("month"))
    return momentum("quarter", "quarter")(b) * calm


def rsi(b: Bars) -> np.ndarray:
    gains, losses = (over(np.maximum(side * b.r, 0), 14, np.sum) for side in (1, -1))
    return 1 - 2 * gains / (gains + losses)


def bollinger(b: Bars) -> np.ndarray:
    z = b.zscore("month")
    return np.clip(np.minimum(z + 2, 0) + np.maximum(z - 2, 0), -1, 1) * -1


def volatility_breakout(b: Bars) -> np.ndarray:
    usual = b.usual()
    shocks = np.where(np.isnan(usual), np.nan, np.sign(b.r) * (np.abs(usual) >= 2))
    return np.tanh(over(shocks, b.n["week"], np.sum))


def atr_channel(b: Bars) -> np.ndarray:
    width = 2 * over(b.true_range(), b.n["month"], np.mean)
    return np.clip((b.log - b.mean("month")) / width, -1, 1)


def maximum(b: Bars) -> np.ndarray:
    largest = over(b.r, b.n["month"], np.max)
    return np.tanh(np.sqrt(2 * np.log(b.n["month"])) - largest / b.deviation("quarter"))


FORMULAS: dict[str, Callable[[Bars], np.ndarray]] = {
    "acceleration_3m": acceleration,
    "atr_channel_1m": atr_channel,
    "bollinger_1m": bollinger,
    "calm_trend_3m": calm_trend,
    "crossover_1m_3m": crossover("month", "quarter", "quarter"),
    "crossover_1w_1m": crossover("week", "month", "quarter"),
    "crossover_3m_12m": crossover("quarter", "year", "year"),
    "distance_to_mean_12m": distance_to_mean,
    "donchian_12m": donchian("year"),
    "donchian_1m": donchian("month"),
    "donchian_3m": donchian("quarter"),
    "downside_volatility_3m": calmer(Bars.downside, "year", "quarter"),
    "efficiency_1m": lambda b: b.returned("month") / over(np.abs(b.r), b.n["month"], np.sum),
    "garman_klass_1m": calmer(Bars.garman_klass, "quarter", "month"),
    "high_52w": lambda b: b.place(*b.extremes("year")),
    "low_volatility_3m": calmer(Bars.deviation, "year", "quarter"),
    "maximum_1m": maximum,
    "momentum_12m": momentum("year", "year"),
    "momentum_12m_1m": year_without_month,
    "momentum_1m": momentum("month", "quarter"),
    "momentum_3m": momentum("quarter", "quarter"),
    "momentum_6m": momentum("half", "half"),
    "parkinson_1m": calmer(Bars.parkinson, "year", "month"),
    "reversal_1d": lambda b: -np.tanh(b.usual()),
    "reversal_1w": lambda b: -momentum("week", "quarter")(b),
    "rsi_14d": rsi,
    "skewness_3m": lambda b: -np.tanh(over(b.r, b.n["quarter"], stats.skew)),
    "trend_strength_3m": trend_strength,
    "volatility_breakout_1w": volatility_breakout,
    "volatility_of_volatility_3m": calmer(Bars.moved, "half", "quarter"),
    "zscore_1m": zscore("month"),
    "zscore_1w": zscore("week"),
    "zscore_3m": zscore("quarter"),
}


@pytest.fixture(scope="module")
def published(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """The bars as they were told, the coin's after its split at half of what they are, and all signals."""
    told = TOLD.copy()
    told.loc[(told["symbol"] == COIN) & (told["date"] >= SPLIT), PRICES] /= 2
    split = {"symbol": COIN, "ex_date": SPLIT, "kind": "split", "value": 2, "known_at": "2018-09-03"}
    landed = land(tmp_path_factory.mktemp("formulas"), told, POLICY, actions=pd.DataFrame([split]))
    small_world.dbt.on(landed.file).run(select=["+signals"])
    return landed


@pytest.fixture(scope="module")
def values(published: Landed) -> pd.Series:
    """What was published, by signal, symbol and day."""
    rows = published.query("select signal, symbol, session_date, value from main.signals")
    rows["session_date"] = rows["session_date"].dt.date
    return rows.set_index(["signal", "symbol", "session_date"])["value"].sort_index()


@pytest.mark.parametrize("symbol", [STOCK, COIN, CURRENCY])
@pytest.mark.parametrize("signal", FORMULAS)
def test_a_signal_is_what_its_formula_says_and_null_where_that_is_no_number(
    values: pd.Series, signal: str, symbol: str
) -> None:
    bars = Bars(TOLD[TOLD["symbol"] == symbol].sort_values("date"))
    wanted = pd.Series(FORMULAS[signal](bars), index=bars.days).dropna()
    found = values.get((signal, symbol), pd.Series(dtype=float))
    assert found.index.tolist() == wanted.index.tolist()
    assert np.abs(found.to_numpy() - wanted.to_numpy()).max(initial=0) < 1e-9
    assert found.between(-1, 1).all()
    assert len(found) > 250 or (symbol == CURRENCY and signal in RANGES)


@pytest.mark.parametrize("signal", sorted(RANGES))
def test_a_signal_on_ranges_says_nothing_where_a_feed_tells_none(values: pd.Series, signal: str) -> None:
    assert set(values[signal].index.get_level_values("symbol")) == {STOCK, COIN}
    days = values[signal][STOCK].index
    assert days[0] < WITHOUT_RANGE < days[-1]
    assert WITHOUT_RANGE not in days


def test_nothing_was_restated(published: Landed) -> None:
    assert published.query("select max(vintage) as last from main.vintages")["last"].tolist() == [1]


def formulas() -> Iterator[str]:
    """Names of the signals that have a formula in any file of this folder."""
    for file in sorted(Path(__file__).parent.glob("test_*_formulas.py")):
        yield from importlib.import_module(f"tests.steps.{file.stem}").FORMULAS


def test_every_signal_has_a_formula_of_its_own_in_one_file() -> None:
    assert sorted(formulas()) == sorted(file.stem for file in (PROJECT / "macros/signals").glob("*.sql"))
