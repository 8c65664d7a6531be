"""No edge, no claim: on random walks, and in a market of moods without drift, no strategy is said to earn,
and the allocator stays mostly in cash; on planted trends, and where the calm pays, both are otherwise. Costs
are zero.

The walks have no drift in the arithmetic mean: E[price] stays where it is, which is the mean that a position
of fixed notional earns. (Without drift in the log mean, every long strategy would earn half the variance.)

A strategy's test Sharpe is that of its mean net return over the assets, in the test spans that tile time;
its mean test return is taken over every asset and test window. The mean over assets and windows of the
Sharpe of each is not tested: on a martingale it is not zero for a strategy whose size follows the past,
because mean and deviation of so short a span go together. In 400 panels simulated without any code of ours
it was -0.7 a year for trend rules in windows of 63 (more than five of its standard errors) and +0.4 for
reversal, while the Sharpe as taken here was 0.1 standard errors from zero, with a deviation of 1.

Intervals are taken here by a bootstrap of our own, apart from the one the project reports.
"""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from flows.guards.compiled import CompiledDbt
from tests.worlds import moods, trends, walks
from tests.worlds.landed import Landed, land

FREE = "extends: default\nclock: free\ncompared_plans: []\n"
# All there is trades on the walks; elsewhere what the worlds were made to pay, and what they make lose.
SOME = """signals:
  [momentum_1m, momentum_3m, momentum_12m_1m, reversal_1w, zscore_1m, rsi_14d, low_volatility_3m,
  calm_trend_3m, volatility_breakout_1w, donchian_1m, donchian_3m, high_52w]
learners: [ridge]
"""
SHORT = FREE + SOME + "plan: short\n"
FIRST = dt.date(2014, 1, 1)
MIXED = {"crypto": 6, "equity": 8, "fx": 6}
MOODY = {"equity": 8, "fx": 4}
MOMENTUM = ("momentum_1m", "momentum_3m", "momentum_12m_1m", "donchian_1m", "donchian_3m", "high_52w")
OF_A_QUARTER = ("momentum_1m", "momentum_3m", "donchian_1m", "donchian_3m", "calm_trend_3m")
PERIODS = 261
DRAWS, MEAN_BLOCK, LEVEL = 500, 10, 0.95
MINIMUM_FILLS = 60  # of a record that is judged

TEST_PROFIT = """
    select pnl.strategy, pnl.symbol, assets.asset_class, pnl.decision_at, pnl.net_return
    from main.strategy_pnl as pnl
    inner join main.assets as assets on assets.symbol = pnl.symbol
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
DEFLATED = """
    select strategy, max(dsr) as highest, arg_max(dsr, decision_at) as final
    from main.overfit_metrics
    group by strategy
"""
WEIGHED = """
    select decision_at, symbol, strategy, weight from main.strategy_weights where weight > 0 order by all
"""
CONFIDENCE = "select confidence from main.confidences order by decision_at"
REGIMES = """
    select detector, decision_at, regime from main.regimes order by detector, decision_at
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Makes a world of bars and a policy: landed, computed by the project, dbt parsed once for all."""
    recorded = []

    def built(bars: pd.DataFrame, policy: str) -> Landed:
        world = land(tmp_path_factory.mktemp("world"), bars, policy)
        recorded.append(recorded[0].on(world.file) if recorded else CompiledDbt(world.file))
        world.compute(recorded[-1])
        return world

    return built


@pytest.fixture(scope="module")
def noise(build) -> Landed:
    """Twenty random walks of five years, of three classes."""
    return build(walks.panel(MIXED, FIRST, dt.date(2018, 12, 31)), FREE)


@pytest.fixture(scope="module")
def restless(build) -> Landed:
    """Twelve assets of four years in a market that is calm or stormy, and pays in no mood."""
    return build(moods.draw(MOODY, FIRST, dt.date(2017, 12, 31), has_edge=False).bars, SHORT)


@pytest.fixture(scope="module")
def paying(build) -> Landed:
    """The same moods, and the calm pays."""
    return build(moods.draw(MOODY, FIRST, dt.date(2017, 12, 31), has_edge=True).bars, SHORT)


@pytest.fixture(scope="module")
def momentum(build) -> Landed:
    """Twelve assets of three years that go up for weeks and stand still for weeks."""
    return build(trends.panel({"equity": 12}, FIRST, dt.date(2016, 12, 31)), SHORT)


@pytest.fixture(scope="module")
def swings(build) -> Landed:
    """The same, but what goes up for weeks falls for weeks, so that reversals lose what trends earn."""
    return build(trends.panel({"equity": 12}, FIRST, dt.date(2016, 12, 31), fall=trends.DRIFT), SHORT)


@pytest.fixture(params=["noise", "restless"])
def without_edge(request: pytest.FixtureRequest) -> Landed:
    return request.getfixturevalue(request.param)


def test_on_random_walks_no_strategy_has_a_test_sharpe_beyond_three_standard_errors(noise):
    """Three for one strategy; for so many, what is as unlikely for the largest of them."""
    found = sharpes(noise)
    limit = norm.isf(norm.sf(3) / len(found))
    assert sorted(found.index) == sorted(noise.query("select strategy from main.strategies")["strategy"])
    assert len(found) > 50
    assert found["errors_from_zero"].abs().max() < limit, found


def test_on_random_walks_no_mean_test_return_is_beyond_three_standard_errors(noise):
    returns = noise.query(TEST_RETURNS).groupby("strategy")["expected_return"]
    errors_from_zero = returns.mean() / (returns.std() / np.sqrt(returns.size()))
    assert returns.size().drop("currency_strength_3m").min() > 100  # that one speaks of six assets alone
    assert errors_from_zero.abs().max() < norm.isf(norm.sf(3) / len(returns)), errors_from_zero


def test_on_random_walks_nothing_was_charged(noise):
    assert noise.query("select max(cost) as cost from main.strategy_pnl")["cost"][0] == 0
    assert noise.query("select max(cost) as cost from main.portfolio_returns")["cost"][0] == 0


def test_without_edge_the_interval_of_the_test_sharpe_covers_zero_in_most_records(without_edge):
    """Records: each strategy on the whole, on each class, and on each asset."""
    found = intervals(without_edge)
    assert len(found) > 150
    assert ((found["lower"] <= 0) & (found["upper"] >= 0)).mean() > 0.85, found


def test_without_edge_confidence_stays_below_a_half(without_edge):
    confidence = without_edge.query("select confidence from main.confidences")["confidence"]
    assert len(confidence) > 1000
    assert (confidence < 0.5).mean() > 0.98


def test_without_edge_no_deflated_sharpe_says_that_there_is_one(without_edge):
    """Of the whole set at no decision, and of no strategy by the last: one may be lucky for a while."""
    deflated = without_edge.query(DEFLATED).set_index("strategy")
    assert deflated["final"].notna().sum() > 10
    assert deflated["final"].max() < 0.95
    assert deflated.loc["all", "highest"] < 0.95


def test_without_edge_the_allocator_is_mostly_in_cash(without_edge):
    """Mostly, not always: a gate at a deflated Sharpe of a half lets some luck in. In seven panels of walks
    the mean weight of cash was from 0.68 to 1, and more than a half in 65 % to all of the decisions."""
    cash = cash_weights(without_edge)
    assert len(cash) > 1000
    assert cash.mean() > 0.6
    assert (cash > 0.5).mean() > 0.6


def test_on_planted_momentum_the_momentum_strategies_earn(momentum):
    found = sharpes(momentum)
    assert found.loc[list(MOMENTUM), "errors_from_zero"].min() > 3, found


def test_on_planted_momentum_the_allocator_is_mostly_not_in_cash(momentum):
    cash = cash_weights(momentum)
    assert cash.mean() < 0.5
    assert cash.median() < 0.25
    assert cash.iloc[-250:].max() < 0.5


def test_where_the_calm_pays_the_allocator_is_mostly_not_in_cash(paying):
    cash = cash_weights(paying)
    assert cash.mean() < 0.5
    assert cash.iloc[-250:].max() < 0.5


@pytest.mark.parametrize(
    ("planted", "earners"), [("momentum", MOMENTUM), ("paying", OF_A_QUARTER), ("swings", OF_A_QUARTER)]
)
def test_the_interval_of_those_that_earn_is_above_zero(planted, earners, request):
    found = intervals(request.getfixturevalue(planted)).loc["all"]
    assert found.loc[list(earners), "lower"].min() > 0, found


@pytest.mark.parametrize(
    ("planted", "earners", "least"), [("momentum", MOMENTUM, 0.95), ("paying", OF_A_QUARTER, 0.8)]
)
def test_the_deflated_sharpe_of_those_that_earn_says_so(planted, earners, least, request):
    """Moods last for months, and what is earned in one counts for less than as much that is independent."""
    deflated = request.getfixturevalue(planted).query(DEFLATED).set_index("strategy")
    assert deflated.loc[["all", *earners], "final"].min() > least, deflated


@pytest.mark.parametrize(("planted", "least"), [("momentum", 0.7), ("paying", 0.6)])
def test_confidence_rises_with_the_evidence(planted, least, request):
    """Where the calm pays, which of its rules was best is chance, so that PBO stays near 0.3."""
    world = request.getfixturevalue(planted)
    confidence = world.query(CONFIDENCE)["confidence"]
    assert confidence.iloc[:250].mean() < 0.25
    assert confidence.iloc[-250:].mean() > least


@pytest.mark.parametrize(("planted", "without"), [("momentum", "noise"), ("paying", "restless")])
def test_confidence_is_higher_with_an_edge_than_without(planted, without, request):
    late = [
        request.getfixturevalue(world).query(CONFIDENCE).iloc[-250:].mean() for world in (planted, without)
    ]
    assert late[0]["confidence"] >= late[1]["confidence"] + 0.1


def test_on_walks_the_best_half_of_the_time_is_no_better_in_the_other(noise):
    """One panel is one draw: of twenty independent strategies forty draws lay within 0.38 and 0.62, and these
    are correlated."""
    found = noise.query(
        "select decision_at, pbo from main.overfit_metrics where strategy = 'all' order by all"
    )
    assert 0.3 < found["pbo"].iloc[-250:].mean() < 0.7


def test_on_trends_those_that_follow_them_hold_more_than_40_percent_late(momentum):
    late = momentum.query(WEIGHED)
    late = late[late["decision_at"] >= sorted(late["decision_at"].unique())[-250]]
    share = late.loc[late["strategy"].isin(MOMENTUM), "weight"].sum() / late["weight"].sum()
    assert share > 0.4
    traded = momentum.query("select distinct strategy from main.strategy_gates")["strategy"]
    assert len(MOMENTUM) / len(traded) < share  # and more than had they been drawn by lot


def test_on_walks_what_is_let_in_is_weighed_nearly_equally(noise):
    """Of what luck adopts, less than a fifth of the weight is elsewhere than an equal share would be."""
    weights = noise.query(WEIGHED).set_index(["decision_at", "symbol"])["weight"]
    assert len(weights)  # of so many, luck adopts some
    whole, count = (weights.groupby(level=[0, 1]).transform(how) for how in ("sum", "count"))
    misplaced = (weights / whole - 1 / count).abs().groupby(level=[0, 1]).sum() / 2
    assert misplaced.mean() < 0.2


def test_on_trends_that_turn_the_allocator_is_mostly_not_in_cash(swings):
    assert cash_weights(swings).iloc[-250:].mean() < 0.5


@pytest.mark.parametrize("market", ["restless", "paying"])
def test_detected_regimes_agree_with_the_moods_better_than_chance(market, request):
    """A third is chance. Storms are recognised late and not always, and seldom called where there is none."""
    world = request.getfixturevalue(market)
    detected = detected_by(world, "volatility_trend")
    truth = moods.truth(FIRST, dt.date(2017, 12, 31))
    found = moods.agreement(detected.iloc[100:], truth)  # before that it knows too little to say anything
    assert found.balanced_accuracy > 0.43, found
    assert found.delay < 40, found
    assert found.flips_per_year < 5 * found.true_flips_per_year, found
    is_calm = (truth != "risk_off").reindex(detected.index.normalize()).to_numpy()
    assert (detected[is_calm] == "risk_off").mean() < 0.05


@pytest.mark.parametrize("detector", ["gaussian_hmm", "jump_model"])
@pytest.mark.parametrize("market", ["restless", "paying"])
def test_fitted_regimes_agree_with_the_moods_better_than_a_threshold_could(market, detector, request):
    """Half is what a threshold on single returns gets, with the true deviations."""
    detected = detected_by(request.getfixturevalue(market), detector)
    truth = moods.truth(FIRST, dt.date(2017, 12, 31))
    found = moods.agreement(detected.iloc[252:], truth)  # before that nothing is fitted
    assert found.balanced_accuracy > 0.55, found
    assert found.delay < 40, found


def detected_by(world: Landed, detector: str) -> pd.Series:
    said = world.query(REGIMES)
    return said[said["detector"] == detector].set_index("decision_at")["regime"]


def sharpes(world: Landed) -> pd.DataFrame:
    """Annual Sharpe of the mean over the assets, and its distance from 0 in its errors (Mertens 2002)."""
    profit = world.query(TEST_PROFIT).groupby(["strategy", "decision_at"])["net_return"].mean()
    rows = {}
    for strategy, returns in profit.groupby("strategy"):
        z = (returns - returns.mean()) / returns.std(ddof=0)
        ratio = returns.mean() / returns.std()
        variance = (1 - (z**3).mean() * ratio + ((z**4).mean() - 1) / 4 * ratio**2) / (len(returns) - 1)
        rows[strategy] = {"sharpe": ratio * np.sqrt(PERIODS), "errors_from_zero": ratio / np.sqrt(variance)}
    return pd.DataFrame(rows).T


def intervals(world: Landed) -> pd.DataFrame:
    """Annual test Sharpe and the bounds of its interval, by group (all, a class, an asset) and strategy."""
    profit = world.query(TEST_PROFIT)
    groups = {"all": "all", "class": profit["asset_class"], "asset": profit["symbol"]}
    series = [
        profit.assign(group=group).groupby(["decision_at", "group", "strategy"])["net_return"].mean()
        for group in groups.values()
    ]
    returns = pd.concat(series).unstack(["group", "strategy"])  # noqa: PD010 - a mean would hide repeats
    returns = returns.sort_index().fillna(0.0)
    returns = returns.loc[:, (returns != 0).sum() >= MINIMUM_FILLS]
    draws = np.array([_sharpe(returns.to_numpy()[rows]) for rows in _resampled(len(returns))])
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    found = {"sharpe": _sharpe(returns.to_numpy()), "lower": lower, "upper": upper}
    return pd.DataFrame(found, index=returns.columns)


def _resampled(length: int):
    """Rows of each draw of the stationary bootstrap, around a circle (Politis and Romano 1994)."""
    random = walks.stream("bootstrap")
    place = np.arange(length)
    for _ in range(DRAWS):
        begins = random.random(length) < 1 / MEAN_BLOCK
        begins[0] = True
        block = np.maximum.accumulate(np.where(begins, place, 0))
        yield (random.integers(0, length, length)[block] + place - block) % length


def _sharpe(returns: np.ndarray) -> np.ndarray:
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1) * np.sqrt(PERIODS)


def cash_weights(world: Landed) -> pd.Series:
    rows = "select weight from main.target_exposures where symbol = 'CASH' order by decision_at"
    return world.query(rows)["weight"]
