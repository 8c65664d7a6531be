"""Three public packages beside our own SQL and Python: the same where they mean the same, pinned where not.

PEERS.md says why they differ.
"""

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from python_steps import sharpe, warehouse
from python_steps.cross_validation import combinatorial_paths, combinatorial_splits, known_by
from tests.worlds import judged
from tests.worlds.small import World

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peers' own
    import empyrical
    import quantstats.stats as quantstats
    from skfolio import measures as skfolio
    from skfolio.model_selection import CombinatorialPurgedCV, WalkForward

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

DAY = np.timedelta64(1, "D")
YEAR = 261
STRATEGIES = "('always_long', 'momentum_3m', 'reversal_1w')"
RECORDS = f"""
    select
        metrics.*, clocks.decisions_per_year as periods,
        list(pnl.net_return order by pnl.decision_number) as net_returns
    from main.window_metrics as metrics
    inner join main.clocks as clocks using (clock)
    inner join main.walk_forward_windows as windows using (clock, plan, window_id)
    inner join main.booked_pnl as pnl using (clock, strategy, symbol)
    where
        pnl.status = 'filled' and metrics.strategy in {STRATEGIES} and metrics.plan = 'short'
        and metrics.returns >= 10 and pnl.decision_number >= case
            when metrics.span = 'train' then windows.train_from_number else windows.test_from_number
        end
        and pnl.decision_number < case
            when metrics.span = 'train' then windows.test_from_number else windows.test_until_number
        end
    group by all
"""
RATIOS = ("sharpe", "sortino", "calmar", "profit_factor")
EDGES = {
    "never in": [0.0] * 20,
    "constant": [0.01] * 50,
    "no loss": [0.01, 0.02, 0.03] * 5,
    "first loss": [-0.5, 0.1],
    "tail of 20": [-0.10, -0.05] + [0.01] * 18,
    "tail of 30": [-0.10, -0.04] + [0.01] * 28,
    "large gains": [0.0, 1.5, 0.2, 0.0, 0.1, 0.3],
    "cost while out": [0.01, 0.02, -0.0005, -0.01],
    "flat while in": [0.01, 0.0],
}
POSITIONS = {"never in": [0.0] * 20, "cost while out": [1.0, 1.0, 0.0, 1.0]}

# Ours, theirs. Each takes the returns as a dated series, and the number of periods a year.
SAME = {
    "empyrical": {
        "sharpe": lambda r, q: empyrical.sharpe_ratio(r, annualization=q),
        "sortino": lambda r, q: empyrical.sortino_ratio(r, annualization=q),
        "volatility": lambda r, q: empyrical.annual_volatility(r, annualization=q),
        "max_drawdown": lambda r, q: empyrical.max_drawdown(r),
        "calmar": lambda r, q: empyrical.calmar_ratio(r, annualization=q),
    },
    "quantstats": {
        "sharpe": lambda r, q: quantstats.sharpe(r, periods=q),
        "sortino": lambda r, q: quantstats.sortino(r, periods=q),
        "volatility": lambda r, q: quantstats.volatility(r, periods=q),
        "max_drawdown": lambda r, q: quantstats.max_drawdown(r),
        "calmar": lambda r, q: quantstats.calmar(r, periods=q),
        "profit_factor": lambda r, q: quantstats.profit_factor(r),
    },
    "skfolio": {
        "expected_return": lambda r, q: skfolio.mean(r.to_numpy()),
        "volatility": lambda r, q: skfolio.standard_deviation(r.to_numpy()) * math.sqrt(q),
        "max_drawdown": lambda r, q: (
            -skfolio.max_drawdown(skfolio.get_drawdowns(r.to_numpy(), compounded=True))
        ),
        "var_95": lambda r, q: skfolio.value_at_risk(r.to_numpy(), beta=0.95),
        "es_95": lambda r, q: skfolio.cvar(r.to_numpy(), beta=0.95),
    },
}


def dated(returns: list[float]) -> pd.Series:
    return pd.Series(returns, index=pd.bdate_range("2020-01-01", periods=len(returns)), dtype=float)


@pytest.fixture(scope="module")
def records(small_world: World) -> pd.DataFrame:
    """Every train and test span of three strategies in the small world, with its published returns."""
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        return con.execute(RECORDS).df()
    finally:
        con.close()


@pytest.fixture(scope="module")
def ours(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What window_metrics says of the edge cases."""
    return judged.judge(small_world, tmp_path_factory.mktemp("edges"), EDGES, POSITIONS)


def test_there_are_hundreds_of_records_of_a_month_and_of_half_a_year(records: pd.DataFrame) -> None:
    assert len(records) > 300
    assert records["returns"].equals(records["net_returns"].map(len))
    assert records["returns"].max() > 100
    assert set(records["span"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("peer", "metric"), [(peer, metric) for peer, metrics in SAME.items() for metric in metrics]
)
def test_a_peer_says_the_same_of_every_record(records: pd.DataFrame, peer: str, metric: str) -> None:
    """Where we say nothing, nor has the peer a finite number, unless nothing was ever gained or lost."""
    compared = 0
    for row in records.to_dict("records"):
        try:
            theirs = SAME[peer][metric](dated(row["net_returns"]), int(row["periods"]))
        except ZeroDivisionError:  # quantstats' calmar without a fall
            theirs = math.nan
        if np.isfinite(row[metric]):
            close = {"rel": 1e-6, "abs": 1e-8} if metric in RATIOS else {"rel": 1e-8, "abs": 1e-11}
            assert theirs == pytest.approx(row[metric], **close), row
            compared += 1
        else:
            assert not np.isfinite(theirs) or not any(row["net_returns"]), row
    assert compared > 200


def test_skfolio_and_we_count_trials_alike(records: pd.DataFrame) -> None:
    trials = np.random.default_rng(2).normal(0, 0.05, 30)
    assert skfolio.expected_max_sharpe_ratio(30, 1.0) == pytest.approx(sharpe.expected_maximum(30), abs=1e-12)
    compared = 0
    for returns in records["net_returns"].head(100):
        mine = sharpe.moments(np.asarray(returns))
        if not np.isfinite(mine.sharpe):
            continue
        about = (mine.observations, mine.skew, mine.kurtosis)
        probabilistic = float(sharpe.probabilistic_sharpe(mine.sharpe, 0, *about))
        assert skfolio.probabilistic_sharpe_ratio(np.asarray(returns)) == pytest.approx(
            probabilistic, abs=1e-9
        )
        deflated = float(sharpe.deflated_sharpe(mine.sharpe, np.var(trials, ddof=1), 30, *about))
        assert skfolio.deflated_sharpe_ratio(np.asarray(returns), trials) == pytest.approx(deflated, abs=1e-9)
        compared += 1
    assert compared > 50


@pytest.mark.parametrize(("label_days", "embargo_days"), [(3, 2), (1, 0), (4, 3)])
@pytest.mark.parametrize("decisions", [60, 63])
def test_skfolio_splits_combinatorially_into_the_same_rows_and_paths(
    label_days: int, embargo_days: int, decisions: int
) -> None:
    """Labels of whole days on a daily grid: a purge of their length and an embargo, in rows."""
    decision_at = np.datetime64("2020-01-01") + np.arange(decisions)
    splits = list(combinatorial_splits(decision_at, decision_at + label_days * DAY, 6, 2, embargo_days * DAY))
    theirs = CombinatorialPurgedCV(6, 2, purged_size=label_days, embargo_size=embargo_days)
    for split, (train, tests) in zip(splits, theirs.split(np.zeros((decisions, 1))), strict=True):
        assert np.flatnonzero(split.is_train).tolist() == train.tolist()
        assert np.flatnonzero(split.is_test).tolist() == np.concatenate(tests).tolist()
    assert (len(splits), theirs.n_test_paths) == (15, 5)
    path_of = {
        (split.number, group): int(path)
        for split, paths in zip(splits, theirs.get_path_ids(), strict=True)
        for group, path in zip(split.test_groups, paths, strict=True)
    }
    for path, row in enumerate(combinatorial_paths(6, 2)):
        assert all(path_of[int(number), group] == path for group, number in enumerate(row))


@pytest.mark.parametrize(("late", "gap"), [(np.timedelta64(0, "h"), 4), (np.timedelta64(6, "h"), 5)])
def test_skfolio_walks_forward_with_a_gap_of_label_and_embargo(late: np.timedelta64, gap: int) -> None:
    """Three days of label and two of embargo: four rows are lost, five if labels come after the decision."""
    decision_at = np.datetime64("2020-01-01T14:00") + np.arange(60) * DAY
    known_at = decision_at + 3 * DAY + late
    theirs = WalkForward(test_size=10, train_size=20, purged_size=gap)
    splits = list(theirs.split(np.zeros((60, 1))))
    assert len(splits) == 3
    for train, test in splits:
        may_learn = np.flatnonzero(known_by(known_at, decision_at[test[0]] - 2 * DAY))
        assert may_learn[-20:].tolist() == train.tolist()


# Where they differ, and by what.


def test_a_sharpe_without_deviation_is_null_with_us_and_huge_or_infinite_with_them(
    ours: pd.DataFrame,
) -> None:
    returns = dated(EDGES["constant"])
    assert np.isnan(ours.loc["constant", "sharpe"])
    assert empyrical.sharpe_ratio(returns, annualization=YEAR) == math.inf
    assert quantstats.sharpe(returns, periods=YEAR) > 1e15


def test_without_losses_we_say_nothing_and_empyrical_says_infinity(ours: pd.DataFrame) -> None:
    returns = dated(EDGES["no loss"])
    assert quantstats.profit_factor(dated(EDGES["never in"])) == 0
    assert ours.loc["never in", ["sharpe", "sortino", "calmar", "profit_factor", "win_rate"]].isna().all()
    assert ours.loc["no loss", ["sortino", "calmar", "profit_factor"]].isna().all()
    assert empyrical.sortino_ratio(returns, annualization=YEAR) == math.inf
    assert quantstats.profit_factor(returns) == math.inf
    assert np.isnan(quantstats.sortino(returns, periods=YEAR))
    with pytest.raises(ZeroDivisionError):
        quantstats.calmar(returns, periods=YEAR)


def test_all_count_the_first_loss_as_a_fall(ours: pd.DataFrame) -> None:
    returns = dated(EDGES["first loss"])
    theirs = [
        empyrical.max_drawdown(returns),
        quantstats.max_drawdown(returns),
        -skfolio.max_drawdown(skfolio.get_drawdowns(returns.to_numpy(), compounded=True)),
    ]
    assert [*theirs, ours.loc["first loss", "max_drawdown"]] == pytest.approx([-0.5] * 4, abs=1e-11)


def test_skfolio_adds_returns_up_where_we_compound_them() -> None:
    added = skfolio.max_drawdown(skfolio.get_drawdowns(np.array([0.5, -0.2])))
    compounded = skfolio.max_drawdown(skfolio.get_drawdowns(np.array([0.5, -0.2]), compounded=True))
    assert (added, compounded) == (pytest.approx(0.2), pytest.approx(0.2))
    added = skfolio.max_drawdown(skfolio.get_drawdowns(np.array([-0.5, -0.5])))
    assert added == pytest.approx(1.0)
    assert sharpe.max_drawdown(np.array([-0.5, -0.5])) == pytest.approx(-0.75)


def test_quantstats_takes_large_returns_for_prices(ours: pd.DataFrame) -> None:
    returns = dated(EDGES["large gains"])
    right = ours.loc["large gains", "sharpe"]
    assert empyrical.sharpe_ratio(returns, annualization=YEAR) == pytest.approx(right)
    assert quantstats.sharpe(returns, periods=YEAR) < right / 10


def test_the_value_at_risk_of_empyrical_lies_between_two_losses_and_that_of_quantstats_is_gaussian(
    ours: pd.DataFrame,
) -> None:
    returns = dated(EDGES["tail of 20"])
    assert ours.loc["tail of 20", "var_95"] == pytest.approx(0.05)
    assert skfolio.value_at_risk(returns.to_numpy(), beta=0.95) == pytest.approx(0.05)
    assert -empyrical.value_at_risk(returns, 0.05) == pytest.approx(0.05 + 0.05 * 0.05)
    gaussian = 1.6448536269514722 * returns.std() - returns.mean()
    assert -quantstats.value_at_risk(returns) == pytest.approx(gaussian)


def test_the_shortfall_of_empyrical_is_a_mean_of_whole_returns_and_that_of_quantstats_is_gaussian(
    ours: pd.DataFrame,
) -> None:
    """1.5 of 30 returns are in the tail: we and skfolio take half of the second, empyrical all of it."""
    returns = dated(EDGES["tail of 30"])
    assert ours.loc["tail of 30", "es_95"] == pytest.approx((0.10 + 0.5 * 0.04) / 1.5)
    assert skfolio.cvar(returns.to_numpy(), beta=0.95) == pytest.approx((0.10 + 0.5 * 0.04) / 1.5)
    assert -empyrical.conditional_value_at_risk(returns, 0.05) == pytest.approx((0.10 + 0.04) / 2)
    gaussian = 0.10313564037537128 / 0.05 * returns.std() - returns.mean()
    assert -quantstats.conditional_value_at_risk(returns) == pytest.approx(gaussian)


def test_the_win_rate_of_quantstats_goes_by_returns_and_ours_by_positions(ours: pd.DataFrame) -> None:
    """A closing cost while out of the market is their loss; a return of zero while in it is not in theirs."""
    assert ours.loc["cost while out", "win_rate"] == pytest.approx(2 / 3)
    assert quantstats.win_rate(dated(EDGES["cost while out"])) == pytest.approx(2 / 4)
    assert ours.loc["flat while in", "win_rate"] == pytest.approx(1 / 2)
    assert quantstats.win_rate(dated(EDGES["flat while in"])) == pytest.approx(1.0)


def test_the_semideviation_of_skfolio_has_one_less_below_it(records: pd.DataFrame) -> None:
    row = records.loc[records["returns"].idxmax()]
    returns = np.asarray(row["net_returns"])
    theirs = skfolio.semi_deviation(returns, min_acceptable_return=0.0)
    mine = row["expected_return"] / row["sortino"] * math.sqrt(row["periods"])
    assert mine / theirs == pytest.approx(math.sqrt(1 - 1 / len(returns)), abs=1e-9)


def test_the_probabilistic_sharpe_of_quantstats_corrects_skew_and_kurtosis_for_the_sample() -> None:
    returns = np.random.default_rng(1).standard_t(4, 60) * 0.01 + 0.002
    mine = sharpe.moments(returns)
    plain = float(sharpe.probabilistic_sharpe(mine.sharpe, 0, 60, mine.skew, mine.kurtosis))
    theirs = quantstats.probabilistic_sharpe_ratio(dated(returns.tolist()))
    series = pd.Series(returns)
    corrected = float(sharpe.probabilistic_sharpe(mine.sharpe, 0, 60, series.skew(), series.kurt() + 3))
    assert theirs == pytest.approx(corrected, abs=1e-12)
    assert abs(theirs - plain) > 1e-5


def test_a_return_that_is_not_a_number_is_an_error_with_us_and_skipped_by_them() -> None:
    returns = dated([0.01, -0.02, math.nan, 0.03])
    for theirs in (empyrical.sharpe_ratio, quantstats.sharpe):
        assert theirs(returns) == pytest.approx(theirs(returns.dropna()))
    with pytest.raises(ValueError, match="not finite"):
        sharpe.sharpe(returns.to_numpy())


def test_the_smart_sharpe_of_quantstats_is_lower_for_returns_that_turn_back() -> None:
    """Negative autocorrelation makes a mean surer (Lo 2002), so its Sharpe should not be lowered."""
    noise = np.random.default_rng(2).normal(0, 0.01, 500)
    turning = [0.0]
    for shock in noise[1:]:
        turning.append(-0.4 * turning[-1] + shock + 0.001)
    returns = dated(turning)
    assert returns.autocorr() < -0.3
    assert 0 < quantstats.smart_sharpe(returns) < 0.8 * quantstats.sharpe(returns)


def test_the_versions_are_those_the_page_speaks_of() -> None:
    from importlib.metadata import version

    page = Path(__file__).with_name("PEERS.md").read_text("utf-8")
    for peer in ("empyrical-reloaded", "quantstats", "skfolio"):
        assert f"{peer} {version(peer)}" in page
