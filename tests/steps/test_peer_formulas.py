"""Signals on peers, factors, volume and the calendar, against pandas and numpy, on every bar of the sample.

What is taken from the warehouse is each bar as it was first told, and when; all else is computed anew,
window by window, without any of the SQL's sums.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import landing, rebalance
from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps import study, warehouse

WALL_CLOCK = dt.datetime(2026, 1, 1)
FAMILIES = {"cross_section", "factor", "cross_asset", "volume", "seasonality"}
WEEK, MONTH, QUARTER, HALF, YEAR = "week", "month", "quarter", "half", "year"
SPANS = (WEEK, MONTH, QUARTER, HALF, YEAR)
BARS = {kind: dict(zip(SPANS, (5, 21, 63, 126, 252), strict=True)) for kind in ("equity", "fx")}
BARS["crypto"] = dict(zip(SPANS, (7, 30, 91, 182, 365), strict=True))
TOLD = """
    select bars.symbol, asset_class, adjustment, session_date, bars.known_at, close, volume
    from main.bars inner join main.assets using (symbol)
    where version = 1 order by symbol, session_date
"""
FIVE_DAYS, QUARTER_OF_DAYS = pd.Timedelta(days=5), pd.Timedelta(days=91)
Series = dict[str, np.ndarray]  # by symbol, one value a bar


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded sample, landed, with all models up to the signals."""
    file = tmp_path_factory.mktemp("formulas") / PUBLISHED
    name, policy = policies.load("global")
    con = warehouse.connect(file)
    try:
        warehouse.create_tables(con)
        request = RebalanceRequest(portfolio=name)
        batch = {"batch_id": 1, "run_id": "formulas", "loaded_at": WALL_CLOCK}
        landed = landing.land(con, request, {name: policy}, **batch)
        run = {"run_id": "formulas", "as_of": landed.as_of, "batch_until": 1, "started_at": WALL_CLOCK}
        rebalance.begin(con, portfolio=name, policy=policy, **run)
    finally:
        con.close()
    CompiledDbt(file).run(select=["+signals"])
    return file


class Told:
    """The bars of the sample by symbol, in order of session, and what peers are made of."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.bars: dict[str, pd.DataFrame] = {}
        for symbol, bars in rows.groupby("symbol"):
            bars = bars.assign(log_return=np.log(bars["close"]).diff()).reset_index(drop=True)
            later = bars["known_at"][::-1].cummin()[::-1].shift(-1)
            bars["is_late"] = bars["known_at"] >= later  # a later session is known by then
            self.bars[str(symbol)] = bars.iloc[1:].reset_index(drop=True)
        self.kind = rows.groupby("symbol")["asset_class"].first().to_dict()
        self.is_paid = (rows.groupby("symbol")["adjustment"].first() == "none").to_dict()
        self.market = {kind: self._basket(self._of(kind)) for kind in BARS}
        self.base = -self._basket(self._of("fx"))  # every pair of the sample quotes the dollar
        self.beside = {symbol: self._beside(symbol) for symbol in self.bars}

    def window(self, symbol: str, span: str) -> int:
        """Bars in a span, by the asset's class."""
        return BARS[self.kind[symbol]][span]

    def each(self, value: Callable[[str], np.ndarray]) -> Series:
        """One array a symbol."""
        return {symbol: value(symbol) for symbol in self.bars}

    def rolled(
        self, symbol: str, values: np.ndarray, span: str, function: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """`function` of each full window of the last bars; NaN before there is one."""
        return _rolled(values, self.window(symbol, span), function)

    def returns(self, symbol: str) -> np.ndarray:
        """Log returns."""
        return self.bars[symbol]["log_return"].to_numpy()

    def _of(self, kind: str) -> list[str]:
        return [symbol for symbol in self.bars if self.kind[symbol] == kind]

    def places(self, symbols: list[str]) -> pd.DataFrame:
        """By instant and symbol: the place of the bar it stands on, NaN where it is older than five days."""
        prints = pd.concat(
            [
                bars.loc[~bars["is_late"], ["known_at"]].assign(symbol=symbol, place=lambda rows: rows.index)
                for symbol, bars in ((symbol, self.bars[symbol]) for symbol in symbols)
            ]
        )
        place = prints.pivot_table(index="known_at", columns="symbol", values="place")
        instants = place.index.to_series()
        stamps = place.apply(lambda column: instants.where(column.notna()).ffill())
        return place.ffill().where(stamps.apply(lambda stamp: instants - stamp <= FIVE_DAYS))

    def _basket(self, symbols: list[str]) -> pd.Series:
        """Level of the mean of what members earned, as it became known."""
        places = self.places(symbols)
        earned = pd.DataFrame({symbol: self.earned(symbol) for symbol in symbols}, index=places.index)
        return (earned.sum(axis=1) / places.notna().sum(axis=1)).cumsum()

    def earned(self, symbol: str) -> pd.Series:
        """Log returns by the instant at which they became known; a bar that came with a later one with it."""
        return self.bars[symbol].groupby("known_at")["log_return"].sum()

    def _beside(self, symbol: str) -> pd.DataFrame:
        """Returns of the baskets over the spans of an asset's bars that are not late."""
        kind = self.kind[symbol]
        baskets = {"market": [self.market[kind]]}
        baskets["risk"] = [self.market[other] for other in ("equity", "crypto") if other != kind]
        baskets["base"] = [self.base] if kind == "fx" else []
        bars = self.bars[symbol]
        known = bars.loc[~bars["is_late"], "known_at"]
        moves = {}
        for role, levels in baskets.items():
            spans = [_at(level, known) for level in levels]
            changes = [level - np.append(np.nan, level[:-1]) for level in spans]
            mean = pd.DataFrame(changes).mean() if changes else pd.Series(np.nan, range(len(known)))
            moves[role] = pd.Series(mean.to_numpy(), known.index).reindex(bars.index)
        return pd.DataFrame(moves)


def _at(level: pd.Series, known: pd.Series) -> np.ndarray:
    """A level as of each instant, none where it is older than five days."""
    place = level.index.searchsorted(known, side="right") - 1
    found = level.to_numpy()[np.maximum(place, 0)]
    is_old = (place < 0) | (known.to_numpy() - level.index.to_numpy()[np.maximum(place, 0)] > FIVE_DAYS)
    return np.where(is_old, np.nan, found)


def _rolled(values: np.ndarray, size: int, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    found = np.full(len(values), np.nan)
    if len(values) >= size:
        found[size - 1 :] = function(np.lib.stride_tricks.sliding_window_view(values, size, axis=0))
    return found


def _sum(windows: np.ndarray) -> np.ndarray:
    return windows.sum(axis=-1)


def _mean(windows: np.ndarray) -> np.ndarray:
    return windows.mean(axis=-1)


def _deviation(windows: np.ndarray) -> np.ndarray:
    return windows.std(axis=-1, ddof=1)


def _ranks(told: Told, values: Series, symbols: list[str]) -> Series:
    """Below less above, over the others with a value, at each bar that is not late."""
    places = told.places(symbols)
    table = np.full(places.shape, np.nan)
    for column, symbol in enumerate(places.columns):
        at = places[symbol].to_numpy()
        has = ~np.isnan(at)
        table[has, column] = values[symbol][at[has].astype(int)]
    table = np.round(table, 10)  # prices that ended where they began are equal, whatever the last bits
    below = (table[:, None, :] < table[:, :, None]).sum(axis=2)
    above = (table[:, None, :] > table[:, :, None]).sum(axis=2)
    others = (~np.isnan(table)).sum(axis=1)[:, None] - 1
    ranks = np.where(np.isnan(table) | (others < 2), np.nan, (below - above) / np.maximum(others, 1))
    found = {}
    for column, symbol in enumerate(places.columns):
        bars = told.bars[symbol]
        row = places.index.get_indexer(bars["known_at"])
        found[symbol] = np.where(bars["is_late"], np.nan, ranks[row, column])
    return found


def _class_ranks(told: Told, values: Series) -> Series:
    found: Series = {}
    for kind in BARS:
        found |= _ranks(told, values, told._of(kind))
    return found


def _before_month(told: Told, symbol: str) -> np.ndarray:
    """Return of the past half year without its last month."""
    month = told.window(symbol, MONTH)
    return told.rolled(symbol, told.returns(symbol), HALF, lambda windows: windows[:, :-month].sum(axis=-1))


def _volatility(told: Told) -> Series:
    return told.each(lambda symbol: told.rolled(symbol, told.returns(symbol), QUARTER, _deviation))


def cross_momentum_6m(told: Told) -> Series:
    def steady(symbol: str) -> np.ndarray:
        deviation = told.rolled(symbol, told.returns(symbol), YEAR, _deviation)
        return _before_month(told, symbol) / deviation

    return _ranks(told, told.each(steady), list(told.bars))


def class_momentum_6m(told: Told) -> Series:
    return _class_ranks(told, told.each(lambda symbol: _before_month(told, symbol)))


def class_reversal_1w(told: Told) -> Series:
    def fallen(symbol: str) -> np.ndarray:
        has_month = told.rolled(symbol, told.returns(symbol), MONTH, _sum) * 0
        return -told.rolled(symbol, told.returns(symbol), WEEK, _sum) + has_month

    return _class_ranks(told, told.each(fallen))


def class_low_volatility_3m(told: Told) -> Series:
    return _class_ranks(told, {symbol: -values for symbol, values in _volatility(told).items()})


def _fits(told: Told, symbol: str, span: str) -> Iterator[tuple[int, float, np.ndarray]]:
    """Place of the last bar, slope on the market, and residuals (NaN without a market) of each window."""
    own, market = told.returns(symbol), told.beside[symbol]["market"].to_numpy()
    size = told.window(symbol, span)
    for end in range(size, len(own) + 1):
        y, x = own[end - size : end], market[end - size : end]
        has = ~np.isnan(x)
        if has.sum() >= 0.9 * size:
            slope, constant = np.linalg.lstsq(np.column_stack([x[has], np.ones(has.sum())]), y[has])[0]
            yield end - 1, slope, y - constant - slope * x


def low_beta_12m(told: Told) -> Series:
    def slopes(symbol: str) -> np.ndarray:
        found = np.full(len(told.bars[symbol]), np.nan)
        for place, slope, _ in _fits(told, symbol, YEAR):
            found[place] = -slope
        return found

    return _class_ranks(told, told.each(slopes))


def residual_momentum_6m(told: Told) -> Series:
    def unexplained(symbol: str) -> np.ndarray:
        found = np.full(len(told.bars[symbol]), np.nan)
        half, month = told.window(symbol, HALF), told.window(symbol, MONTH)
        for place, _, residuals in _fits(told, symbol, YEAR):
            count = (~np.isnan(residuals)).sum()
            span = residuals[-half:-month][~np.isnan(residuals[-half:-month])]
            deviation = np.sqrt(np.nansum(residuals**2) / (count - 2))
            found[place] = np.tanh(span.sum() / (deviation * np.sqrt(len(span))))
        return found

    return told.each(unexplained)


def idiosyncratic_volatility_3m(told: Told) -> Series:
    def calm(symbol: str) -> np.ndarray:
        found = np.full(len(told.bars[symbol]), np.nan)
        for place, _, residuals in _fits(told, symbol, QUARTER):
            found[place] = -np.sqrt(np.nansum(residuals**2) / ((~np.isnan(residuals)).sum() - 2))
        return found

    return _class_ranks(told, told.each(calm))


def _money(told: Told, symbol: str) -> np.ndarray:
    bars = told.bars[symbol]
    return (bars["close"] * bars["volume"]).to_numpy()


def _size(told: Told) -> Series:
    def traded(symbol: str) -> np.ndarray:
        money = told.rolled(symbol, _money(told, symbol), QUARTER, _mean)
        return money if told.is_paid[symbol] else np.full(len(money), np.nan)

    return told.each(traded)


def small_size_3m(told: Told) -> Series:
    return _class_ranks(told, {symbol: -values for symbol, values in _size(told).items()})


def factor_momentum_3m(told: Told) -> Series:
    ranks = {
        "momentum": class_momentum_6m(told),
        "volatility": _class_ranks(told, _volatility(told)),
        "size": _class_ranks(told, _size(told)),
    }
    found = {symbol: np.zeros(len(bars)) for symbol, bars in told.bars.items()}
    for kind in BARS:
        symbols = told._of(kind)
        members = told.places(symbols).notna().sum(axis=1)
        for factor, values in ranks.items():
            strength = _strength(told, values, symbols, members)
            for symbol in symbols:
                bars = told.bars[symbol]
                part = values[symbol] * strength.reindex(bars["known_at"]).to_numpy()
                found[symbol] += np.nan_to_num(part) if factor == "size" else part
    return {symbol: np.tanh(values) for symbol, values in found.items()}


def _strength(told: Told, ranks: Series, symbols: list[str], members: pd.Series) -> pd.Series:
    """Return of the past 91 days over its usual size, of members held by their rank at the bar before."""
    earned = []
    for symbol in symbols:
        bars = told.bars[symbol].assign(rank=ranks[symbol])
        weight = bars[~bars["is_late"]].set_index("known_at")["rank"].shift()
        earned.append((weight * told.earned(symbol)).dropna())
    summed = pd.concat(earned).groupby(level=0).sum()
    returns = summed / members.reindex(summed.index)
    found = pd.Series(np.nan, returns.index)
    for at in returns.index:
        past = returns[(returns.index >= at - QUARTER_OF_DAYS) & (returns.index <= at)]
        if len(past) >= 40:
            found[at] = past.sum() / (past.std() * np.sqrt(len(past)))
    return found


def _basket_span(told: Told, symbol: str, role: str, span: str) -> np.ndarray:
    """What a basket did over a span, in deviations of one; nine in ten bars of a quarter must have it."""
    moves = told.beside[symbol][role].to_numpy()
    quarter, size = told.window(symbol, QUARTER), told.window(symbol, span)
    found = np.full(len(moves), np.nan)
    for end in range(quarter, len(moves) + 1):
        past = moves[end - quarter : end]
        if (~np.isnan(past)).sum() >= 0.9 * quarter:
            found[end - 1] = np.nansum(past[-size:]) / (np.nanstd(past, ddof=1) * np.sqrt(size))
    return found


def risk_on_basket_1m(told: Told) -> Series:
    def followed(symbol: str) -> np.ndarray:
        own, risk = told.returns(symbol), told.beside[symbol]["risk"].to_numpy()
        size = told.window(symbol, YEAR)
        correlation = np.full(len(own), np.nan)
        for end in range(size, len(own) + 1):
            has = ~np.isnan(risk[end - size : end])
            if has.sum() >= 0.9 * size:
                past = own[end - size : end][has], risk[end - size : end][has]
                correlation[end - 1] = np.corrcoef(*past)[0, 1]
        return correlation * np.tanh(_basket_span(told, symbol, "risk", MONTH))

    return told.each(followed)


def currency_strength_3m(told: Told) -> Series:
    return told.each(lambda symbol: -np.tanh(_basket_span(told, symbol, "base", QUARTER)))


def class_lead_1w(told: Told) -> Series:
    return told.each(lambda symbol: np.tanh(_basket_span(told, symbol, "market", WEEK)))


def volume_spike_1w(told: Told) -> Series:
    def confirmed(symbol: str) -> np.ndarray:
        money, returns = _money(told, symbol), told.returns(symbol)
        surge = np.log(told.rolled(symbol, money, WEEK, _mean) / told.rolled(symbol, money, QUARTER, _mean))
        usual = told.rolled(symbol, returns, QUARTER, _deviation) * np.sqrt(told.window(symbol, WEEK))
        return np.tanh(np.maximum(surge, 0)) * np.tanh(told.rolled(symbol, returns, WEEK, _sum) / usual)

    return told.each(confirmed)


def on_balance_volume_3m(told: Told) -> Series:
    def balance(symbol: str) -> np.ndarray:
        money = _money(told, symbol)
        signed = np.sign(told.returns(symbol)) * money
        return told.rolled(symbol, signed, QUARTER, _sum) / told.rolled(symbol, money, QUARTER, _sum)

    return told.each(balance)


def price_volume_divergence_1m(told: Told) -> Series:
    def divergence(symbol: str) -> np.ndarray:
        growth = pd.Series(np.log(_money(told, symbol))).diff()
        correlation = growth.rolling(told.window(symbol, MONTH)).corr(pd.Series(told.returns(symbol)))
        return -correlation.to_numpy() + 0 * told.rolled(symbol, _money(told, symbol), QUARTER, _sum)

    return told.each(divergence)


def amihud_3m(told: Told) -> Series:
    def dearer(symbol: str) -> np.ndarray:
        impact = np.abs(told.returns(symbol)) / _money(told, symbol)
        quarter, year = (told.rolled(symbol, impact, span, _mean) for span in (QUARTER, YEAR))
        return np.tanh(np.log(quarter / year))

    return told.each(dearer)


def turn_of_month(told: Told) -> Series:
    def turns(symbol: str) -> np.ndarray:
        days = pd.DatetimeIndex(told.bars[symbol]["session_date"])
        step = pd.offsets.Day() if told.kind[symbol] == "crypto" else pd.offsets.BDay()
        following = days + step
        ahead, third = following + step, following - 3 * step
        return ((ahead.month != following.month) | (third.month != following.month)).astype(float)

    return told.each(turns)


def day_of_week(told: Told) -> Series:
    def after(symbol: str) -> np.ndarray:
        returns, size = told.returns(symbol), told.window(symbol, YEAR)
        weekday = pd.DatetimeIndex(told.bars[symbol]["session_date"]).weekday.to_numpy()
        before = np.append(-1, weekday[:-1])
        found = np.full(len(returns), np.nan)
        for end in range(size, len(returns) + 1):
            past = returns[end - size : end]
            same = past[before[end - size : end] == weekday[end - 1]]
            found[end - 1] = np.tanh(same.sum() / (2 * past.std(ddof=1) * np.sqrt(len(same))))
        return found

    return told.each(after)


def same_month(told: Told) -> Series:
    def year_ago(symbol: str) -> np.ndarray:
        returns, month = told.returns(symbol), told.window(symbol, MONTH)
        first = told.rolled(symbol, returns, YEAR, lambda windows: windows[:, :month].sum(axis=-1))
        return np.tanh(first / (told.rolled(symbol, returns, YEAR, _deviation) * np.sqrt(month)))

    return told.each(year_ago)


FORMULAS: dict[str, Callable[[Told], Series]] = {
    formula.__name__: formula
    for formula in (
        *(cross_momentum_6m, class_momentum_6m, class_reversal_1w, class_low_volatility_3m),
        *(low_beta_12m, residual_momentum_6m, idiosyncratic_volatility_3m, small_size_3m, factor_momentum_3m),
        *(risk_on_basket_1m, currency_strength_3m, class_lead_1w),
        *(volume_spike_1w, on_balance_volume_3m, price_volume_divergence_1m, amihud_3m),
        *(turn_of_month, day_of_week, same_month),
    )
}


@pytest.fixture(scope="module")
def told(sample: Path) -> Told:
    return Told(_asked(sample, TOLD))


def test_every_signal_on_peers_volume_and_the_calendar_has_a_formula_here() -> None:
    strategies = study.tables(study.read_study())["strategies"].to_pylist()
    ours = {row["source"] for row in strategies if row["kind"] == "signal" and row["family"] in FAMILIES}
    assert ours == set(FORMULAS)


@pytest.mark.parametrize("signal", FORMULAS)
def test_a_signal_is_what_its_formula_says(sample: Path, told: Told, signal: str) -> None:
    values = FORMULAS[signal](told)
    expected = pd.concat(
        {symbol: pd.Series(values[symbol], told.bars[symbol]["session_date"]) for symbol in told.bars}
    ).dropna()
    query = f"select symbol, session_date, value from main.signals where signal = '{signal}'"
    said = _asked(sample, query).set_index(["symbol", "session_date"])["value"]
    assert len(said) > 1000
    assert set(said.index) == set(expected.index)
    worst = (said - expected.reindex(said.index)).abs().max()
    assert worst < 1e-9


def _asked(file: Path, query: str) -> pd.DataFrame:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query).df()
    finally:
        con.close()
