"""What every regime detector promises, and the first one's rule by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from flows import pipeline
from python_steps import plugins
from python_steps import policy as policies
from python_steps.detect_regimes import detect_all, market_returns
from python_steps.regimes import volatility_trend

DETECTORS = plugins.discover("python_steps.regimes")
REGIMES = ["risk_on", "neutral", "risk_off"]
PROBABILITIES = [f"{regime}_probability" for regime in REGIMES]
INSTANTS = pd.bdate_range("2016-01-01 14:00", periods=400).as_unit("us")
SYMBOLS = ["AAPL", "BTC-USD", "EUR-USD", "MSFT", "XOM"]
COLUMNS = [
    "clock", "detector", "decision_at", "regime", "probability", *PROBABILITIES, "known_at", "run_id",
]  # fmt: skip


@pytest.fixture(params=DETECTORS)
def detect(request):
    return DETECTORS[request.param].detect


def make_market(seed=1) -> pd.Series:
    """Calm rises and wild falls, a hundred decisions of each in turn."""
    random = np.random.default_rng(seed)
    is_wild = np.arange(len(INSTANTS)) // 100 % 2 == 1
    returns = np.where(is_wild, random.normal(-0.002, 0.02, 400), random.normal(0.001, 0.005, 400))
    return pd.Series(returns, index=INSTANTS)


def make_returns() -> pd.DataFrame:
    random = np.random.default_rng(5)
    rows = pd.MultiIndex.from_product([SYMBOLS, INSTANTS], names=["symbol", "decision_at"]).to_frame(
        index=False
    )
    rows["simple_return"] = random.normal(0.0003, 0.01, len(rows))
    rows.loc[rows.groupby("symbol").head(1).index, "simple_return"] = np.nan
    is_young = (rows["symbol"] == "XOM") & (rows["decision_at"] < INSTANTS[200])
    return rows[~is_young].assign(clock="global")


def test_rule_mixture_and_clusters_stand_side_by_side():
    assert {"volatility_trend", "gaussian_hmm", "jump_model"} <= set(DETECTORS)


@pytest.mark.parametrize("cut", [1, 19, 20, 99, 100, 101, 163, 251, 252, 253, 257, *range(300, 320), 399])
def test_later_returns_change_no_bit_of_an_earlier_regime(detect, cut):
    market = make_market()
    whole = detect(market)
    part = detect(market.iloc[:cut])
    pd.testing.assert_frame_equal(part, whole.iloc[:cut], check_exact=True)


def test_the_same_input_gives_the_same_answer_in_any_order(detect):
    market = make_market()
    pd.testing.assert_frame_equal(
        detect(market), detect(market.sample(frac=1, random_state=1)), check_exact=True
    )


def assert_said(found: pd.DataFrame, market: pd.Series) -> None:
    """One of three regimes at every decision, and probabilities that sum to one."""
    assert list(found.columns) == ["decision_at", "regime", *PROBABILITIES]
    assert found["decision_at"].tolist() == list(market.index)
    assert set(found["regime"]) <= set(REGIMES)
    chances = found[PROBABILITIES].to_numpy()
    assert ((chances >= 0) & (chances <= 1)).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_every_decision_has_one_of_three_regimes_and_probabilities_that_sum_to_one(detect):
    market = make_market()
    assert_said(detect(market), market)
    assert detect(market)["regime"].nunique() == 3


@pytest.mark.parametrize("scale", [1e-3, 0.25, 1e3])
def test_the_scale_of_returns_does_not_matter(detect, scale):
    expected, found = detect(make_market()), detect(make_market() * scale)
    assert found["regime"].tolist() == expected["regime"].tolist()
    np.testing.assert_allclose(found[PROBABILITIES], expected[PROBABILITIES], rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.001, -0.001])
@pytest.mark.parametrize("decisions", [1, 2, 20, 260])
def test_a_constant_or_very_short_history_has_an_answer(detect, value, decisions):
    market = pd.Series(value, index=INSTANTS[:decisions])
    assert_said(detect(market), market)


@pytest.mark.parametrize("place", [3, 150, 200, 251])
@pytest.mark.parametrize("value", [1e6, -1e6])
def test_one_outlier_of_a_million_does_not_blind_it(detect, place, value):
    """Once it has left the windows, a calm rise is no storm at its end, nor a wild fall a calm."""
    market = make_market()
    found = detect(market.mask(market.index == INSTANTS[place], value))
    assert_said(found, market)
    assert found["regime"].iloc[299] != "risk_off"
    assert found["regime"].iloc[399] != "risk_on"


def test_a_wild_fall_is_not_risk_on_at_its_end_nor_a_calm_rise_risk_off(detect):
    found = detect(make_market()).set_index("decision_at")["regime"]
    assert found[INSTANTS[199]] != "risk_on"
    assert found[INSTANTS[299]] != "risk_off"


def test_an_empty_history_gives_no_rows(detect):
    assert len(detect(pd.Series([], index=pd.DatetimeIndex([]), dtype=float))) == 0


def test_volatility_and_trend_make_the_regime_by_the_rule():
    market = make_market()
    found = volatility_trend.detect(market).set_index("decision_at")
    for at in (120, 150, 205, 260, 320, 399):
        returns = market.iloc[: at + 1]
        volatility = returns.rolling(20).std().dropna()
        is_high = volatility.iloc[-1] > volatility.quantile(0.8)
        is_up = returns.iloc[-100:].mean() > 0
        rule = {(True, False): "risk_off", (False, True): "risk_on"}
        assert found["regime"].iloc[at] == rule.get((is_high, is_up), "neutral")
    assert found["regime"].nunique() == 3


def test_before_a_hundred_returns_it_is_neutral_and_unsure():
    found = volatility_trend.detect(make_market())
    assert found["regime"].iloc[:99].eq("neutral").all()
    assert found.loc[:98, PROBABILITIES].eq(1 / 3).all(axis=None)
    assert found.loc[99, PROBABILITIES].ne(1 / 3).all()


def test_probabilities_of_the_rule_take_trend_and_volatility_as_independent():
    found = volatility_trend.detect(make_market()).iloc[150]
    returns = make_market().iloc[:151]
    volatility = returns.rolling(20).std().dropna()
    rank = (volatility <= volatility.iloc[-1]).mean()
    high = 0.5 * rank / 0.8 if rank <= 0.8 else 0.5 + 0.5 * (rank - 0.8) / 0.2
    up = norm.cdf(returns.iloc[-100:].mean() / returns.iloc[-100:].std() * 10)
    assert found["risk_on_probability"] == pytest.approx(up * (1 - high))
    assert found["risk_off_probability"] == pytest.approx(high * (1 - up))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_return_that_is_not_a_number_is_an_error_that_names_the_detector(detect, value):
    name = detect.__module__.rpartition(".")[2]
    with pytest.raises(ValueError, match=f"{name}: a market return is not finite"):
        detect(make_market().mask(lambda market: market.index == INSTANTS[5], value))


def test_regimes_do_not_depend_on_the_order_of_symbols_or_on_another_clock():
    returns = make_returns()
    other = returns.assign(clock="other", simple_return=0.5)
    shuffled = pd.concat([other, returns]).sample(frac=1, random_state=3)
    expected = detect_all(returns, pd.Series(INSTANTS), "global", "run")
    assert list(expected.columns) == COLUMNS
    found = detect_all(shuffled, pd.Series(INSTANTS[::-1]), "global", "run")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("cut", [150, 201, 398])
def test_later_rows_change_no_bit_of_an_earlier_row(cut):
    returns, instant = make_returns(), INSTANTS[cut]
    whole = detect_all(returns, pd.Series(INSTANTS), "global", "run")
    known = returns[returns["decision_at"] <= instant]
    part = detect_all(known, pd.Series(INSTANTS[: cut + 1]), "global", "run")
    expected = whole[whole["decision_at"] <= instant].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected, check_exact=True)
    one = detect_all(known, pd.Series([instant]), "global", "run")
    pd.testing.assert_frame_equal(
        one, whole[whole["decision_at"] == instant].reset_index(drop=True), check_exact=True
    )


def test_the_market_is_the_mean_of_the_returns_there_are():
    rows = pd.DataFrame(
        {
            "symbol": ["A", "B", "A", "B"],
            "decision_at": [INSTANTS[0], INSTANTS[0], INSTANTS[1], INSTANTS[1]],
            "simple_return": [np.nan, np.nan, 0.02, 0.04],
        }
    )
    assert market_returns(rows).to_dict() == {INSTANTS[1]: 0.03}


def test_a_decision_without_returns_takes_the_regime_before_and_the_first_ones_are_neutral():
    returns = make_returns()
    weekend = INSTANTS[250] + pd.Timedelta(hours=3)
    early = INSTANTS[0] - pd.Timedelta(days=30)
    found = detect_all(returns, pd.Series([early, INSTANTS[250], weekend]), "global", "run")
    assert found["regime"].iloc[0] == "neutral"
    assert (
        found[["regime", "probability"]].iloc[1].tolist() == found[["regime", "probability"]].iloc[2].tolist()
    )


def test_the_probability_is_that_of_the_regime_said():
    found = detect_all(make_returns(), pd.Series(INSTANTS), "global", "run")
    for regime in REGIMES:
        said = found[found["regime"] == regime]
        assert said["probability"].equals(said[f"{regime}_probability"].rename("probability"))


def test_a_policy_may_name_any_detector_and_no_other():
    name, policy = policies.load("global")
    chosen = policy.model_copy(update={"detector": "crystal_ball"})
    run = pipeline.Run(Path("nowhere"), "run", name, chosen, INSTANTS[0], 1)
    with pytest.raises(plugins.UnknownPlugin, match=r"no 'crystal_ball'; it has: .*gaussian_hmm"):
        pipeline.learn(run)
