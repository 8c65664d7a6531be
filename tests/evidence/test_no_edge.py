"""No edge, no claim: on random walks no strategy earns and the allocator stays in cash; on planted momentum
both are otherwise. One panel each, costs zero.

The walks have no drift in the arithmetic mean: E[price] stays where it is, which is the mean that a position
of fixed notional earns. (Without drift in the log mean, every long strategy would earn half the variance.)

A strategy's test Sharpe is that of its mean net return over the assets, in the test spans that tile time;
its mean test return is taken over every asset and test window. The mean over assets and windows of the
Sharpe of each is not tested: on a martingale it is not zero for a strategy whose size follows the past,
because mean and deviation of so short a span go together. In 400 panels simulated without any code of ours
it was -0.7 a year for trend rules in windows of 63 (more than five of its standard errors) and +0.4 for
reversal, while the Sharpe as taken here was 0.1 standard errors from zero, with a deviation of 1.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.cli import DONE, STOPPED
from tests.evidence.conftest import SEED, Ran, portfolio, sessions

FREE = "extends: default\nclock: free\ncompared_plans: []\nuniverse: {asset_classes: [equity]}\n"
OVERNIGHT, IN_SESSION = 0.006, 0.012  # deviations, about those of a stock
PERSISTENCE, DRIFT = 0.98, 0.004  # of planted drifts: a month's half-life, 0.3 deviations a day
MOMENTUM = ("momentum_1m", "momentum_3m", "momentum_12m_1m", "donchian_1m", "donchian_3m", "high_52w")
PERIODS = 261

TEST_PROFIT = """
    select pnl.strategy, pnl.symbol, windows.window_id, pnl.decision_at, pnl.net_return
    from main.strategy_pnl as pnl
    inner join main.walk_forward_windows as windows
        on windows.clock = pnl.clock
        and pnl.decision_at >= windows.test_from
        and pnl.decision_at < windows.test_until
    where windows.is_disjoint and pnl.status = 'filled'
    order by all
"""
TEST_RETURNS = """
    select metrics.strategy, metrics.expected_return
    from main.window_metrics as metrics
    inner join main.walk_forward_windows as windows using (clock, plan, window_id)
    where metrics.span = 'test' and windows.is_disjoint and metrics.volatility > 0
    order by all
"""


def panel(assets: int, last: str, drift: float) -> pd.DataFrame:
    """Open, high, low and close of so many independent walks; with a drift that comes and goes for weeks."""
    frames = []
    days = sessions("XNYS", "2014-01-02", last)
    for number in range(assets):
        random = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(number,)))
        overnight, in_session, mood, above, below = random.standard_normal((5, len(days)))
        overnight = OVERNIGHT * overnight - OVERNIGHT**2 / 2
        in_session = IN_SESSION * in_session - IN_SESSION**2 / 2
        for day in range(1, len(days)):
            mood[day] = PERSISTENCE * mood[day - 1] + np.sqrt(1 - PERSISTENCE**2) * mood[day]
        close = 50 * np.exp(np.cumsum(overnight + in_session + drift * (mood > 0)))
        opened = close * np.exp(-in_session)
        frames.append(
            pd.DataFrame(
                {
                    "symbol": f"WALK{number:02d}",
                    "date": days,
                    "open": opened,
                    "high": np.maximum(opened, close) * np.exp(0.003 * np.abs(above)),
                    "low": np.minimum(opened, close) * np.exp(-0.003 * np.abs(below)),
                    "close": close,
                    "asset_class": "equity",
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def rebalanced(folder: Path, bars: pd.DataFrame, policy: str) -> Ran:
    bars.to_parquet(folder / "walks.parquet", index=False)
    (folder / "walks.yml").write_text(policy)
    ran = portfolio(folder, "rebalance", "--bars", "walks.parquet", "--portfolio", "walks.yml")
    assert ran.code in (DONE, STOPPED), ran.stderr
    return ran


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Ran:
    """Twenty random walks of five years."""
    return rebalanced(tmp_path_factory.mktemp("noise"), panel(20, "2018-12-31", drift=0.0), FREE)


@pytest.fixture(scope="module")
def momentum(tmp_path_factory) -> Ran:
    """Twelve assets of three years that go up for weeks and stand still for weeks."""
    bars = panel(12, "2016-12-31", drift=DRIFT)
    return rebalanced(tmp_path_factory.mktemp("momentum"), bars, FREE + "plan: short\n")


def test_on_random_walks_no_strategy_has_a_test_sharpe_beyond_three_standard_errors(noise):
    found = sharpes(noise)
    assert sorted(found.index) == sorted(noise.query("select strategy from main.strategies")["strategy"])
    assert found["errors_from_zero"].abs().max() < 3, found


def test_on_random_walks_no_mean_test_return_is_beyond_three_standard_errors(noise):
    returns = noise.query(TEST_RETURNS).groupby("strategy")["expected_return"]
    errors_from_zero = returns.mean() / (returns.std() / np.sqrt(returns.size()))
    assert returns.size().min() > 100
    assert errors_from_zero.abs().max() < 3, errors_from_zero


def test_on_random_walks_nothing_was_charged(noise):
    assert noise.query("select max(cost) as cost from main.strategy_pnl")["cost"][0] == 0
    assert noise.query("select max(cost) as cost from main.portfolio_returns")["cost"][0] == 0


def test_on_random_walks_the_allocator_is_in_cash_most_of_the_time(noise):
    cash = cash_weights(noise)
    assert len(cash) > 1000
    assert cash.mean() > 0.8
    assert cash.median() == 1
    assert (cash > 0.5).mean() > 0.8


def test_on_planted_momentum_the_momentum_strategies_earn(momentum):
    found = sharpes(momentum)
    assert found.loc[list(MOMENTUM), "errors_from_zero"].min() > 3, found


def test_on_planted_momentum_the_allocator_is_mostly_not_in_cash(momentum):
    cash = cash_weights(momentum)
    assert cash.mean() < 0.5
    assert cash.median() < 0.25
    assert cash.iloc[-250:].max() < 0.5


def sharpes(ran: Ran) -> pd.DataFrame:
    """Annual Sharpe of the mean over the assets, and its distance from 0 in its errors (Mertens 2002)."""
    profit = ran.query(TEST_PROFIT).groupby(["strategy", "decision_at"])["net_return"].mean()
    rows = {}
    for strategy, returns in profit.groupby("strategy"):
        z = (returns - returns.mean()) / returns.std(ddof=0)
        ratio = returns.mean() / returns.std()
        variance = (1 - (z**3).mean() * ratio + ((z**4).mean() - 1) / 4 * ratio**2) / (len(returns) - 1)
        rows[strategy] = {"sharpe": ratio * np.sqrt(PERIODS), "errors_from_zero": ratio / np.sqrt(variance)}
    return pd.DataFrame(rows).T


def cash_weights(ran: Ran) -> pd.Series:
    rows = "select weight from main.target_exposures where symbol = 'CASH' order by decision_at"
    return ran.query(rows)["weight"]
