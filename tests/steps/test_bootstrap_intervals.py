"""Block-bootstrap intervals hold the truth about as often as they say, and are drawn once, from names."""

import math

import numpy as np
import pandas as pd
import pytest

from python_steps import bootstrap_intervals as step
from python_steps.sharpe import sharpe

PER_YEAR = 261
WORLDS = 200
PERIODS = 504
KEYED = {"clock": "global", "plan": "default", "decisions_per_year": PER_YEAR}
NOTHING = pd.DataFrame(columns=list(step.KEYS))
INSTANTS = pd.date_range("2015-01-01 14:00", periods=400, freq="D")


def noise(seed: int, memory: float = 0.0, periods: int = PERIODS) -> np.ndarray:
    """Autoregressive returns with mean 0.0005 and deviation 0.01."""
    random = np.random.default_rng(seed)
    shocks = random.normal(size=periods + 200) * 0.01 * math.sqrt(1 - memory**2)
    series = np.zeros(len(shocks))
    for t in range(1, len(shocks)):
        series[t] = memory * series[t - 1] + shocks[t]
    return 0.0005 + series[200:]


def drawn(returns: np.ndarray, key: int = 0) -> dict[str, step.Interval]:
    seed = np.random.SeedSequence(0, spawn_key=(key,))
    return step.intervals(returns, step.block_length(returns), seed, PER_YEAR)


@pytest.mark.parametrize("memory", [0.0, 0.3], ids=["independent", "autoregressive"])
def test_an_interval_of_95_percent_holds_the_truth_in_85_to_99_of_100_worlds(memory: float) -> None:
    truth = {"expected_return": 0.0005, "sharpe": 0.05 * math.sqrt(PER_YEAR)}
    held = dict.fromkeys(truth, 0)
    for world in range(WORLDS):
        for metric, found in drawn(noise(world, memory), world).items():
            held[metric] += found.lower <= truth[metric] <= found.upper
    for metric, count in held.items():
        assert 0.85 <= count / WORLDS <= 0.99, f"{metric}: {count} of {WORLDS}"


def test_single_draws_in_place_of_blocks_would_be_too_sure_of_a_series_with_memory() -> None:
    """The coverage test can fail: blocks of one ignore what the returns share with their neighbours."""
    held = 0
    for world in range(WORLDS):
        seed = np.random.SeedSequence(0, spawn_key=(world,))
        found = step.intervals(noise(world, 0.5), 1.0, seed, PER_YEAR)["expected_return"]
        held += found.lower <= 0.0005 <= found.upper
    assert held / WORLDS < 0.85


def test_bounds_agree_with_a_bootstrap_that_lays_every_draw_out() -> None:
    """The running sums are a shortcut; here each draw is written out, place by place, from other numbers."""
    returns, length, draws = noise(1, 0.3), 8.0, 4_000
    random = np.random.default_rng(7)
    place = random.integers(0, len(returns), draws)
    laid = np.empty((draws, len(returns)))
    for t in range(len(returns)):
        laid[:, t] = returns[place]
        jumps = random.random(draws) < 1 / length
        place = np.where(jumps, random.integers(0, len(returns), draws), (place + 1) % len(returns))
    ratios = laid.mean(axis=1) / laid.std(axis=1, ddof=1) * math.sqrt(PER_YEAR)
    seeds = [np.random.SeedSequence(seed) for seed in range(20)]
    found = [step.intervals(returns, length, seed, PER_YEAR) for seed in seeds]
    for metric, plain in (("expected_return", laid.mean(axis=1)), ("sharpe", ratios)):
        for bound, at in (("lower", 0.025), ("upper", 0.975)):
            mean = np.mean([getattr(one[metric], bound) for one in found])
            assert mean == pytest.approx(np.quantile(plain, at), abs=0.15 * np.std(plain))


def test_every_draw_has_as_many_returns_as_the_record() -> None:
    """Of a series of ones every draw has mean one, whatever the blocks; and deviation none."""
    means, deviations = step._draw(np.ones(97), 7.3, np.random.default_rng(1))
    assert means == pytest.approx(np.ones(step.DRAWS), abs=1e-15)
    assert deviations == pytest.approx(np.zeros(step.DRAWS), abs=1e-15)


def test_the_block_length_recomputed_by_hand() -> None:
    """Politis and White (2004) with the correction of 2009, in plain loops."""
    returns = noise(5, 0.5)
    n, centred = len(returns), noise(5, 0.5) - np.mean(noise(5, 0.5))
    beyond = max(5, math.ceil(math.sqrt(math.log10(n))))
    covariance = [sum(centred[t] * centred[t + k] for t in range(n - k)) / n for k in range(60)]
    limit = 2 * math.sqrt(math.log10(n) / n)
    last = next(
        m
        for m in range(60)
        if all(abs(covariance[m + k] / covariance[0]) < limit for k in range(1, beyond + 1))
    )
    size = 2 * last
    taper = [min(1.0, 2 * (1 - k / size)) for k in range(size + 1)]
    slope = sum(2 * taper[k] * k * covariance[k] for k in range(1, size + 1))
    spread = covariance[0] + sum(2 * taper[k] * covariance[k] for k in range(1, size + 1))
    expected = (2 * slope**2 / (2 * spread**2)) ** (1 / 3) * n ** (1 / 3)
    assert expected > 5
    assert step.block_length(returns) == pytest.approx(expected, rel=1e-9)


def test_blocks_are_no_shorter_than_a_label_and_no_longer_than_a_third_of_the_record() -> None:
    assert step.block_length(noise(0)) == 5
    waves = np.sin(np.arange(60.0))  # their sums hardly grow, which asks for very long blocks
    assert step.block_length(waves) == 20


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        (noise(0, periods=29), "fewer than 30 returns"),
        (np.zeros(100), "the returns have no deviation"),
        (np.append(np.zeros(99), 0.01), "of 500 draws have no deviation"),
    ],
    ids=["short", "constant", "one return"],
)
def test_what_is_undefined_is_null_with_its_reason(returns: np.ndarray, reason: str) -> None:
    found = drawn(returns)["sharpe"]
    assert math.isnan(found.lower)
    assert math.isnan(found.upper)
    assert reason in str(found.undefined)


def record(subject: str, length: int, window: int = 3) -> step.Record:
    ends = INSTANTS[0], INSTANTS[length - 1], INSTANTS[length - 1]
    return step.Record("strategy", subject, "all", window, *ends, noise(len(subject), periods=length))


def rows(records: list[step.Record], past: pd.DataFrame = NOTHING, day: int = 399) -> pd.DataFrame:
    return step.bootstrap(iter(records), past, run_id="run", as_of=INSTANTS[day], **KEYED)


def test_neither_the_order_of_records_nor_the_others_change_a_bit() -> None:
    alone, last = rows([record("slow", 90)]), rows([record("fast", 60), record("slow", 90)])
    pd.testing.assert_frame_equal(alone, last[last["subject"] == "slow"].reset_index(drop=True))


def test_names_give_different_draws() -> None:
    same = [record("slow", 90), record("slow", 90)._replace(subject="fast")]
    bounds = rows(same).pivot_table(index="metric", columns="subject", values="lower")
    assert (bounds["slow"] != bounds["fast"]).all()


def test_a_record_has_no_row_before_it_is_known_and_none_twice() -> None:
    records = [record("slow", 60, 2), record("slow", 90, 3)]
    early = rows(records, day=80)
    assert set(early["window_id"]) == {2}
    later = rows(records, past=early)
    assert set(later["window_id"]) == {3}
    whole = rows(records)
    pd.testing.assert_frame_equal(pd.concat([early, later], ignore_index=True), whole)


def test_the_record_of_a_strategy_is_all_its_test_spans_up_to_the_window_and_nothing_between() -> None:
    returns = pd.DataFrame({"decision_number": range(1, 41), "decision_at": INSTANTS[:40]})
    returns = returns.assign(strategy="slow", asset_group="all", net_return=returns["decision_number"] / 1e3)
    windows = pd.DataFrame(
        {
            "window_id": [4, 2],
            "test_from_number": [25, 11],
            "test_until_number": [35, 21],
        }  # 21 to 24: no test
    )
    spans = pd.DataFrame(
        {"window_id": [4, 2], "asset_group": "all", "known_at": [INSTANTS[37], INSTANTS[22]]}
    )
    first, second = step.strategy_records(returns.sample(frac=1, random_state=1), spans, windows)
    assert first.returns.tolist() == [n / 1e3 for n in range(11, 21)]
    assert second.returns.tolist() == [n / 1e3 for n in [*range(11, 21), *range(25, 35)]]
    assert (first.window_id, first.from_at, first.until_at) == (2, INSTANTS[10], INSTANTS[19])
    assert [first.known_at, second.known_at] == [INSTANTS[22], INSTANTS[37]]


def test_the_record_of_a_portfolio_ends_where_a_test_span_begins() -> None:
    returns = pd.DataFrame({"decision_at": INSTANTS[:50], "net_return": noise(0, periods=50)})
    windows = pd.DataFrame({"window_id": [1, 2], "test_from": [INSTANTS[40], INSTANTS[60]]})
    (found,) = step.portfolio_records(returns, windows, "global")
    assert (found.kind, found.subject, found.window_id) == ("portfolio", "global", 1)
    assert found.known_at == found.until_at == INSTANTS[40]
    assert found.returns.tolist() == returns["net_return"][:41].tolist()
    annual = sharpe(found.returns) * math.sqrt(PER_YEAR)
    estimate = rows([found]).set_index("metric").estimate["sharpe"]
    assert estimate == annual


def test_ensembles_are_compared_decision_by_decision_once_all_of_it_is_known():
    """Profits are known three decisions later; the record begins where the one in force first holds."""
    net = {"softmax": noise(0, periods=50), "hedge": noise(1, periods=50)}
    told = {"decision_at": INSTANTS[:50], "known_at": INSTANTS[3:53], "invested": 0.5}
    returns = pd.concat([pd.DataFrame(told | {"method": m, "net_return": r}) for m, r in net.items()])
    returns.loc[returns["decision_at"] < INSTANTS[4], "invested"] = 0.0
    windows = pd.DataFrame({"window_id": [1, 2, 3], "test_from": [INSTANTS[2], INSTANTS[30], INSTANTS[40]]})
    found = list(step.ensemble_records(returns, windows, "global", "softmax"))
    assert [record.window_id for record in found] == [2, 3]
    assert found[0].subject == "global: hedge - softmax"
    assert (found[0].from_at, found[0].until_at, found[0].known_at) == (
        INSTANTS[4],
        INSTANTS[27],
        INSTANTS[30],
    )
    assert found[0].returns.tolist() == (net["hedge"] - net["softmax"])[4:28].tolist()
    assert (
        list(step.ensemble_records(returns.sample(frac=1, random_state=1), windows, "global", "softmax"))[
            1
        ].returns.tolist()
        == found[1].returns.tolist()
    )


def test_a_pair_is_told_apart_where_two_intervals_overlap():
    """Two series that share nearly all: the interval of the difference shows what their own cannot."""
    shared, ahead = noise(2), 0.0003 + 0.001 * np.random.default_rng(3).normal(size=PERIODS)
    one, other = (drawn(returns)["expected_return"] for returns in (shared, shared + ahead))
    assert one.upper > other.lower
    assert drawn(ahead)["expected_return"].lower > 0
