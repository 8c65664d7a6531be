"""Risk, stress, what came of forecasts, benchmarks and capacity, each recomputed here in plain numpy.

Where skfolio means the same by a name, it says the same.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from python_steps import warehouse
from tests.worlds import small

TABLES = (
    *(
        "allocation_log",
        "target_exposures",
        "decision_returns",
        "decisions",
        "portfolio_risk",
        "stress_tests",
    ),
    *("risk_forecasts", "var_backtests", "benchmark_weights", "benchmark_returns", "order_returns", "assets"),
    *("capacity", "capacity_limits", "order_bookings", "portfolio_returns", "data_quality", "order_fills"),
    *("stress_scenarios", "metric_intervals", "portfolio_scenarios", "walk_forward_windows"),
)
PER_YEAR = 261.0
ROUNDING = 5e-13  # of what each asset brings to a replayed return
NEXT_TO_NOTHING = 1e-3  # of the value; shapes of less than that are rounding, since returns are kept to 1e-12


@pytest.fixture(scope="module")
def told(small_world: small.World) -> dict[str, pd.DataFrame]:
    return read(small_world.whole)


def read(file: Path) -> dict[str, pd.DataFrame]:
    con = warehouse.connect(file, read_only=True)
    try:
        return {table: con.execute(f"from main.{table}").df() for table in TABLES}
    finally:
        con.close()


@pytest.fixture(scope="module")
def returns(told: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Returns by decision and symbol; nothing where there is none."""
    wide = told["decision_returns"].pivot_table("simple_return", "decision_at", "symbol")
    return wide.sort_index().fillna(0.0)


@pytest.fixture(scope="module")
def held(told: dict[str, pd.DataFrame]) -> dict[pd.Timestamp, pd.Series]:
    """Risky weights by decision, where there are any."""
    rows = told["target_exposures"].query("symbol != 'CASH' and weight != 0")
    return {at: group.set_index("symbol")["weight"] for at, group in rows.groupby("decision_at")}


def replays(returns: pd.DataFrame, weights: pd.Series, at: pd.Timestamp) -> pd.Series:
    """What the weights would have earned at each decision up to `at` at which one of them had a return."""
    return (returns.loc[:at, weights.index] * weights).sum(axis=1)


def first_returns(told: dict[str, pd.DataFrame]) -> dict[str, pd.Timestamp]:
    return told["decision_returns"].groupby("symbol")["decision_at"].min().to_dict()


def measured(told: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return told["portfolio_risk"].pivot_table("value", "decision_at", "measure")


def test_gaussian_figures_are_those_of_the_exposures_file(told: dict[str, pd.DataFrame]) -> None:
    log, found = told["allocation_log"].set_index("decision_at").sort_index(), measured(told)
    for name in ("volatility", "var_95", "es_95"):
        assert found[name].equals(log[name].rename(name))
    risky = log[log["volatility"] > 0]
    deviation = risky["volatility"] / math.sqrt(PER_YEAR)
    np.testing.assert_allclose(risky["var_95"], stats.norm.ppf(0.95) * deviation, rtol=1e-12)
    np.testing.assert_allclose(
        risky["es_95"], stats.norm.pdf(stats.norm.ppf(0.95)) / 0.05 * deviation, rtol=1e-12
    )


def test_historical_and_cornish_fisher_figures_recomputed(told, returns, held) -> None:
    from skfolio.measures import cvar, value_at_risk

    found, log, begun = measured(told), told["allocation_log"].set_index("decision_at"), first_returns(told)
    looked = expanded = 0
    for at, weights in held.items():
        past = replays(returns, weights, at)
        past = past[past.index >= min(begun[symbol] for symbol in weights.index)].iloc[-252:].to_numpy()
        said = found.loc[at]
        if len(past) < 126:
            assert said[["var_95_historical", "skewness"]].isna().all()
            continue
        losses = np.sort(-past)
        var = losses[math.ceil(0.95 * len(losses) - 1e-9) - 1]
        es = var + np.maximum(losses - var, 0).sum() / (0.05 * len(losses))
        rounded = ROUNDING * (len(weights) + 1)
        assert said["var_95_historical"] == pytest.approx(var, abs=rounded)
        assert said["es_95_historical"] == pytest.approx(es, abs=1e-11)
        assert said["es_95_historical"] == pytest.approx(cvar(past, beta=0.95), abs=1e-11)
        if 0.05 * len(past) % 1:  # at a whole number of losses skfolio takes the next one
            assert said["var_95_historical"] == pytest.approx(value_at_risk(past, beta=0.95), abs=rounded)
        assert said["volatility_replayed"] == pytest.approx(
            np.std(past, ddof=1) * math.sqrt(PER_YEAR), abs=1e-9
        )
        looked += 1
        if weights.sum() < NEXT_TO_NOTHING:
            continue
        skewness, excess = stats.skew(past), stats.kurtosis(past)
        assert said["skewness"] == pytest.approx(skewness, abs=1e-6)
        assert said["kurtosis"] == pytest.approx(excess + 3, abs=1e-5)
        grid = np.linspace(-40, 40, 4001)
        if (np.diff(expansion(grid, skewness, excess)) < 0).any():
            assert math.isnan(said["var_95_cornish_fisher"])
        elif not math.isnan(said["var_95_cornish_fisher"]):
            deviation = log.loc[at, "volatility"] / math.sqrt(PER_YEAR)
            z = expansion(stats.norm.ppf(0.05), skewness, excess)
            assert said["var_95_cornish_fisher"] == pytest.approx(-deviation * z, rel=1e-5)
            chances = (np.arange(200_000) + 0.5) / 200_000 * 0.05
            tail = expansion(stats.norm.ppf(chances), skewness, excess).mean()
            assert said["es_95_cornish_fisher"] == pytest.approx(-deviation * tail, rel=1e-3)
            expanded += 1
    assert looked > 200
    assert expanded > 20


def expansion(z, skewness: float, excess: float):
    """Cornish and Fisher (1938), to the fourth cumulant."""
    return (
        z + (z**2 - 1) * skewness / 6 + (z**3 - 3 * z) * excess / 24 - (2 * z**3 - 5 * z) * skewness**2 / 36
    )


def test_concentration_and_mean_correlation_recomputed(told, returns, held) -> None:
    found, begun = measured(told), first_returns(told)
    looked = 0
    for at, weights in held.items():
        said = found.loc[at]
        if weights.sum() < NEXT_TO_NOTHING:
            continue
        assert said["effective_assets"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-6)
        assert 1 - 1e-6 <= said["effective_assets"] <= len(weights) + 1e-6
        window = returns.loc[:at, weights.index].iloc[-252:]
        if (
            len(weights) > 1
            and len(window) == 252
            and max(begun[s] for s in weights.index) <= window.index[0]
        ):
            sigma = np.cov(window.to_numpy(), rowvar=False)
            risked = weights.to_numpy() * np.sqrt(np.diag(sigma))
            pairs = np.outer(risked, risked) * (1 - np.eye(len(risked)))
            mean = (np.corrcoef(window.to_numpy(), rowvar=False) * pairs).sum() / pairs.sum()
            assert said["mean_correlation"] == pytest.approx(mean, abs=1e-5)
            assert said["coverage"] == pytest.approx(1, abs=1e-9)
            looked += 1
        else:
            assert math.isnan(said["mean_correlation"])
    assert looked > 100


def test_what_is_undefined_has_a_reason_and_what_is_defined_none(told) -> None:
    rows = told["portfolio_risk"]
    assert (rows["value"].isna() == rows["undefined"].notna()).all()
    reasons = rows.dropna(subset="undefined").groupby("measure")["undefined"].agg(set).to_dict()
    nothing, domain = "nothing is held", "skewness and kurtosis are outside the domain of the expansion"
    alone = "one asset alone, or an asset without a return at each of 252 decisions"
    assert reasons["effective_assets"] == reasons["coverage"] == {nothing}
    assert reasons["var_95_cornish_fisher"] == reasons["es_95_cornish_fisher"] == {nothing, domain}
    assert reasons["mean_correlation"] == {nothing, alone}
    assert not {"volatility", "var_95", "es_95"} & reasons.keys()


@pytest.mark.parametrize("length", [1, 5, 21])
def test_worst_spans_are_those_known_at_the_decision(told, returns, held, length: int) -> None:
    rows = told["stress_tests"].query(f"scenario == 'worst_{length}'").set_index("decision_at")
    begun = first_returns(told)
    for at, weights in list(held.items())[::7]:
        past = replays(returns, weights, at)
        past = past[past.index >= min(begun[symbol] for symbol in weights.index)]
        spans = np.log1p(past).rolling(length).sum()
        assert rows.loc[at, "profit"] == pytest.approx(math.expm1(spans.min()), abs=1e-10)
        until = rows.loc[at, "until_at"]
        assert spans[until] == pytest.approx(spans.min(), abs=1e-10)
        assert until <= at
        assert past.index.get_loc(until) - past.index.get_loc(rows.loc[at, "from_at"]) == length - 1
    assert len(set(rows["until_at"])) > 1  # the worst span of the whole sample is not that of every decision


def test_shocks_by_hand(told, held) -> None:
    """Each class by its shock, each currency by that of money; the world has pairs of every kind."""
    shocks = told["stress_scenarios"].pivot_table("shock", "scenario", "asset_class").fillna(0.0)
    rows = told["stress_tests"].set_index(["decision_at", "scenario"])["profit"]
    money = {
        "AAA": 0,
        "BBB": 1,
        "CCC": 0,
        "EUR-USD": 1,
        "KKK-USD": 0,
        "EUR-NOK": 0,
        "MMM-USD": 0,
        "USD-JPY": -1,
    }
    classes = told["assets"].set_index("symbol")["asset_class"]
    for at, weights in list(held.items())[::5]:
        for scenario, shock in shocks.iterrows():
            own = np.array([shock.get(classes[symbol], 0.0) for symbol in weights.index])
            moved = np.array([money[symbol] * shock["currency"] for symbol in weights.index])
            expected = float((weights.to_numpy() * ((1 + own) * (1 + moved) - 1)).sum())
            assert rows[at, scenario] == pytest.approx(expected, abs=1e-11)
    assert set(told["stress_tests"]["scenario"]) == {*shocks.index, "worst_1", "worst_5", "worst_21"}


def test_forecasts_are_judged_by_the_next_21_decisions(told, returns, held) -> None:
    rows = told["risk_forecasts"].set_index("decision_at")
    instants, log = returns.index, told["allocation_log"].set_index("decision_at")
    for at in rows.index[::9]:
        place = instants.get_loc(at)
        later = (returns.iloc[place + 1 : place + 22][held[at].index] * held[at]).sum(axis=1)
        row = rows.loc[at]
        assert row["known_at"] == instants[place + 21]
        assert row["next_return"] == pytest.approx(later.iloc[0], abs=1e-11)
        assert row["realised_volatility"] == pytest.approx(later.std(ddof=1) * math.sqrt(PER_YEAR), rel=1e-7)
        assert row["forecast_volatility"] == log.loc[at, "volatility"]
    last = instants[len(instants) - 22]
    assert rows.index.max() <= last
    assert len(rows) > 100


def test_exceedances_are_counted_against_kupiec(told) -> None:
    forecasts = told["risk_forecasts"].sort_values("decision_at")
    for measure, rows in told["var_backtests"].groupby("measure"):
        judged = forecasts[forecasts[measure].notna()]
        exceeded = (-judged["next_return"] > judged[measure]).cumsum().to_numpy()
        rows = rows.sort_values("decision_at")
        assert (rows["exceedances"].to_numpy() == exceeded).all()
        assert (rows["observations"].to_numpy() == np.arange(1, len(judged) + 1)).all()
        for row in rows.iloc[::20].itertuples():
            n, x = row.observations, row.exceedances
            null, found = (stats.binom.logpmf(x, n, share) for share in (0.05, x / n))
            assert row.likelihood_ratio == pytest.approx(-2 * (null - found), abs=1e-9)
            assert row.is_rejected == (stats.chi2.sf(row.likelihood_ratio, 1) < 0.05)
        assert np.allclose(rows["expected"], 0.05 * rows["observations"])


def test_benchmark_weights_by_hand(told, returns) -> None:
    weights = told["benchmark_weights"].pivot_table("weight", ["benchmark", "decision_at"], "symbol")
    members = told["data_quality"].groupby("decision_at")["symbol"].agg(sorted)
    classes = told["assets"].set_index("symbol")["asset_class"]
    known = told["decision_returns"].pivot_table("simple_return", "decision_at", "symbol").sort_index()
    chosen = set()
    for at, symbols in list(members.items())[::9]:
        equal, sixty, calm, best = (
            weights.loc[name, at][symbols]
            for name in ("equal_weight", "sixty_forty", "inverse_volatility", "best_asset")
        )
        np.testing.assert_allclose(equal, 1 / len(symbols), rtol=1e-12)
        stocks = [symbol for symbol in symbols if classes[symbol] == "equity"]
        assert sixty.sum() == pytest.approx(0.6)
        assert set(sixty[sixty > 0].index) == set(stocks)
        past = known.loc[:at].iloc[-252:]
        enough = [s for s in symbols if s in past and past[s].notna().sum() >= 63]
        inverse = 1 / past[enough].std(ddof=1)
        np.testing.assert_allclose(calm[enough], inverse / inverse.sum(), atol=1e-7)
        assert not calm.drop(enough).any()
        whole = [s for s in symbols if s in past and past[s].notna().sum() == 252]
        if whole:
            assert best.idxmax() == (1 + past[whole]).prod().idxmax()
            chosen.add(best.idxmax())
        assert best.sum() == float(bool(whole))
    assert len(chosen) > 1


def test_benchmark_returns_recomputed_order_by_order(told) -> None:
    """Weight times the return of each order that was filled in time, less what the change cost."""
    orders = told["order_returns"].set_index(["decision_at", "symbol"])
    for benchmark, rows in told["benchmark_returns"].groupby("benchmark"):
        weights = told["benchmark_weights"].query(f"benchmark == '{benchmark}'").sort_values("decision_at")
        rows = rows.set_index("decision_at")
        last: dict[str, float] = {}
        compared = 0
        for at, wanted in weights.groupby("decision_at"):
            if at not in rows.index:
                continue
            gross = cost = 0.0
            for row in wanted.itertuples():
                if (at, row.symbol) not in orders.index or orders.loc[
                    (at, row.symbol), "known_at"
                ] > rows.loc[at, "known_at"]:
                    continue
                order = orders.loc[(at, row.symbol)]
                gross += row.weight * order["unit_return"]
                turned = abs(row.weight - last.get(row.symbol, 0.0)) + order["is_closing"] * row.weight
                cost += turned * order["cost_rate"]
                last[row.symbol] = row.weight
            assert rows.loc[at, "gross_return"] == pytest.approx(gross, abs=1e-10)
            assert rows.loc[at, "cost"] == pytest.approx(cost, abs=1e-10)
            compared += 1
        assert compared > 300
        assert rows["cost"].sum() > 0


def test_intervals_of_benchmarks_stand_on_decisions_whose_profits_are_known(told) -> None:
    drawn = told["metric_intervals"].query("kind == 'benchmark' and metric == 'expected_return'")
    subjects = {f"small: {name}" for name in told["benchmark_returns"]["benchmark"].unique()}
    assert subjects <= set(drawn["subject"])
    net = told["benchmark_returns"].pivot_table("net_return", "decision_at", "benchmark")
    own = told["portfolio_scenarios"].query("scenario == 'fill_to_fill'").set_index("decision_at")
    for row in drawn.itertuples():
        name = row.subject.split(": ")[1]
        series = net[name] if " - " not in name else own["net_return"] - net[name.split(" - ")[1]]
        known = series.loc[row.from_at : row.until_at].dropna()
        assert row.observations == len(known)
        assert row.estimate == pytest.approx(known.mean(), abs=1e-12)
        assert row.from_at == own.index[own["is_active"]].min()


def test_capacity_recomputed_from_trades(told) -> None:
    returns = told["portfolio_returns"].sort_values("decision_at").set_index("decision_at")
    before = returns["nav"].shift(fill_value=1.0)
    bookings = told["order_bookings"]
    unit = bookings.assign(unit=(bookings["impact_rate"] * bookings["traded"] ** 1.5).fillna(0.0))
    unit = unit.groupby("booked_at")["unit"].sum().reindex(returns.index, fill_value=0.0) / before
    begins = bookings.loc[bookings["traded"] > 0, "booked_at"].min()
    assert bookings["impact"].sum() == 0  # the policy names no assets, so nothing was charged
    for row in told["capacity"].iloc[::997].itertuples():
        span = slice(begins, row.decision_at)
        net = returns.loc[span, "net_return"] - math.sqrt(row.assets_under_management) * unit.loc[span]
        net = net.iloc[-261:] if row.span == "year" else net
        assert row.annual_return == pytest.approx(PER_YEAR * net.mean(), rel=1e-5, abs=1e-8)
        assert row.annual_profit == pytest.approx(row.annual_return * row.assets_under_management)
        if len(net) > 5 and net.std() > 1e-9:
            assert row.sharpe == pytest.approx(
                net.mean() / net.std() * math.sqrt(PER_YEAR), rel=1e-4, abs=1e-5
            )
    last = told["capacity"]["decision_at"].max()
    for limit in told["capacity_limits"].query("decision_at == @last and undefined.isna()").itertuples():
        span = slice(begins, last)
        net, cost = returns.loc[span, "net_return"], unit.loc[span]
        if limit.span == "year":
            net, cost = net.iloc[-261:], cost.iloc[-261:]
        sizes = limit.peak_assets * np.array([0.9, 1.0, 1.1])
        profits = [PER_YEAR * size * (net - math.sqrt(size) * cost).mean() for size in sizes]
        assert profits[1] == max(profits)
        assert profits[1] == pytest.approx(limit.peak_profit, rel=1e-5)
        halved = net - math.sqrt(limit.half_sharpe_assets) * cost
        assert halved.mean() / halved.std() == pytest.approx(net.mean() / net.std() / 2, rel=1e-4)
