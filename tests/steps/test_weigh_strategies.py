"""Gates, views and confidence in a small world, and their bits when the future is cut off or comes later."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from python_steps import sharpe
from python_steps.belief_confidence import Forecaster
from python_steps.belief_ensembles import BEST_SINGLE, NO_GATES, methods
from python_steps.belief_gates import first_variants
from python_steps.belief_inputs import WeighInputs, micros, study_of
from python_steps.belief_records import spans_at
from python_steps.plugins import UnknownPlugin
from python_steps.policy import load
from python_steps.weigh_strategies import weigh

POLICY = load("global")[1]
CLASSES = {
    **dict.fromkeys(["BTC", "ETH"], "crypto"),
    **dict.fromkeys(["AAPL", "IBM", "KO", "MSFT", "XOM"], "equity"),
    **dict.fromkeys(["EUR", "GBP", "JPY"], "fx"),
}
EQUITIES = ["AAPL", "IBM", "KO", "MSFT", "XOM"]
LAG = {"crypto": 1, "equity": 2, "fx": 4}
STRATEGIES = [f"s{number:02d}" for number in range(11)]
TRAIN, TEST, COUNT = 40, 21, 210
INSTANTS = pd.bdate_range("2015-01-01 14:00", periods=COUNT + 10).as_unit("us")
KEY = ["strategy", "symbol", "decision_at"]
CARRIED = "ensemble_weights"  # stands at the last decision of a run, for the next run to go on from


def make_world(seed=11, edge=0.004, starts=None) -> WeighInputs:
    """Random positions on random returns; strategies s00 and s05 earn `edge` when invested, others nothing.

    `starts` says at which decision an asset's history begins.
    """
    random = np.random.default_rng(seed)
    frames = []
    for symbol, asset_class in CLASSES.items():
        returns = random.normal(0, 0.01, COUNT)
        first = (starts or {}).get(symbol, 0)
        for number, strategy in enumerate(STRATEGIES):
            position = (random.random(COUNT) < 0.5) * random.choice([0.5, 1.0], COUNT)
            before = np.append(0.0, position[:-1])
            turnover = np.abs(position - before)
            gross = position * (returns + (edge if number in (0, 5) else 0.0))
            frame = pd.DataFrame(
                {
                    "strategy": strategy,
                    "symbol": symbol,
                    "decision_at": INSTANTS[:COUNT],
                    "position": position,
                    "gross_return": gross,
                    "net_return": gross - 0.0003 * turnover,
                    "turnover": turnover,
                    "is_trade": (before == 0) & (position > 0),
                    "status": "filled",
                    "known_at": INSTANTS[LAG[asset_class] :][:COUNT],
                }
            )
            frames.append(frame.iloc[first:])
    pnl = pd.concat(frames, ignore_index=True)
    return world_of(pnl)


def world_of(pnl: pd.DataFrame, classes=None) -> WeighInputs:
    windows = pd.DataFrame(
        [
            {
                "window_id": number,
                "test_from": INSTANTS[first],
                "test_until": INSTANTS[first + TEST],
                "is_disjoint": number % 3 == 0,
                "known_at": INSTANTS[first],
            }
            for number, first in enumerate(range(TRAIN, COUNT - TEST, TEST // 3))
        ]
    )
    metrics = []
    for window in windows.itertuples():
        inside = pnl[pnl["decision_at"].between(window.test_from, window.test_until, inclusive="left")]
        grouped = inside.groupby(["strategy", "symbol"])
        test = grouped["net_return"].agg(
            lambda x: x.mean() / x.std() * math.sqrt(261) if x.std() > 0 else np.nan
        )
        row = pd.DataFrame({"sharpe": test, "known_at": grouped["known_at"].max()}).reset_index()
        row["known_at"] = row["known_at"].clip(lower=window.test_until)
        row["window_id"] = window.window_id
        train = row.assign(span="train", sharpe=row["sharpe"] + 1.0)
        metrics += [row.assign(span="test"), train]
    classes = classes or CLASSES
    return WeighInputs(
        decisions=pd.DataFrame({"decision_at": INSTANTS[TRAIN : COUNT - 1]}),
        assets=pd.DataFrame(
            {
                "symbol": list(classes),
                "asset_class": list(classes.values()),
                "listed_at": pd.Timestamp("1900-01-01"),
            }
        ),
        strategy_pnl=pnl,
        positions=pnl[[*KEY, "position"]],
        windows=windows,
        window_metrics=pd.concat(metrics, ignore_index=True),
        regimes=pd.DataFrame(
            {
                "decision_at": INSTANTS,
                "regime": np.where(np.arange(len(INSTANTS)) // 30 % 2, "risk_on", "neutral"),
            }
        ),
        fitted=frozenset(["s01"]),
        variant_of={},
        past_weights=pd.DataFrame(),
    )


def answer(inputs: WeighInputs, policy=POLICY, trials=12):
    return weigh(inputs, policy, "global", "run", 261, trials)


def known_by(inputs: WeighInputs, instant) -> WeighInputs:
    def cut(table, column):
        return table[table[column] <= instant]

    return dataclasses.replace(
        inputs,
        decisions=cut(inputs.decisions, "decision_at"),
        strategy_pnl=cut(inputs.strategy_pnl, "known_at"),
        positions=cut(inputs.positions, "decision_at"),
        assets=inputs.assets[inputs.assets["symbol"].isin(cut(inputs.positions, "decision_at")["symbol"])],
        windows=cut(inputs.windows, "known_at"),
        window_metrics=cut(inputs.window_metrics, "known_at"),
        regimes=cut(inputs.regimes, "decision_at"),
    )


def assert_same_bits(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        pd.testing.assert_frame_equal(
            found[name].reset_index(drop=True),
            expected[name].reset_index(drop=True),
            check_exact=True,
            obj=name,
        )


def asking(weights=None, score=None):
    """The policy with other knobs."""
    changes = {"weights": weights or {}, "score": score or {}}
    return POLICY.model_copy(
        update={name: getattr(POLICY, name).model_copy(update=change) for name, change in changes.items()}
    )


def without_state(found):
    return {name: table for name, table in found.items() if name != CARRIED}


@pytest.fixture(scope="module")
def world():
    return make_world(starts={"AAPL": 90})


@pytest.fixture(scope="module")
def whole(world):
    return answer(world)


def test_the_world_is_not_idle(whole):
    """Otherwise the comparisons below compare zeros."""
    assert whole["strategy_gates"]["is_adopted"].mean() > 0.02
    assert (whole["expected_returns"]["shrunk_view"] > 0).mean() > 0.1
    assert whole["overfit_metrics"]["pbo"].notna().any()
    assert whole["confidences"]["calibrated_probability"].notna().any()
    assert whole["confidences"]["confidence"].max() > 0
    assert whole["strategy_gates"]["is_pooled"].nunique() == 2


# Decisions 60 to 66 see the first span become known class by class.
@pytest.mark.parametrize("cut", [59, 62, 64, 88, 91, 130, 150, 172])
def test_later_rows_change_no_bit_of_an_earlier_decision(world, whole, cut):
    instant = INSTANTS[cut]
    expected = {name: table[table["decision_at"] <= instant] for name, table in without_state(whole).items()}
    assert_same_bits(without_state(answer(known_by(world, instant))), expected)


def test_noise_in_the_future_changes_no_bit_of_the_past(world, whole):
    instant = INSTANTS[150]
    random = np.random.default_rng(0)
    pnl, metrics = world.strategy_pnl.copy(), world.window_metrics.copy()
    later = pnl["known_at"] > instant
    for column in ("net_return", "gross_return", "turnover", "position"):
        pnl.loc[later, column] = random.normal(0, 0.2, later.sum())
    metrics.loc[metrics["known_at"] > instant, "sharpe"] = 1e6
    found = answer(dataclasses.replace(world, strategy_pnl=pnl, window_metrics=metrics))
    for name, table in without_state(whole).items():
        known = [rows[rows["decision_at"] <= instant] for rows in (found[name], table)]
        pd.testing.assert_frame_equal(*known, check_exact=True, obj=name)


def test_the_order_of_rows_does_not_matter(world, whole):
    shuffled = {
        field.name: getattr(world, field.name).sample(frac=1, random_state=4)
        for field in dataclasses.fields(world)
        if field.name not in ("fitted", "variant_of", "past_weights", "past_ensembles")
    }
    assert_same_bits(answer(dataclasses.replace(world, **shuffled)), whole)


@pytest.mark.parametrize("cut", [62, 65, 149, 171])
def test_a_resumed_answer_has_the_bits_of_an_uninterrupted_one(world, whole, cut):
    instant = INSTANTS[cut]
    before = answer(known_by(world, instant))
    rest = dataclasses.replace(
        world,
        decisions=world.decisions[world.decisions["decision_at"] > instant],
        past_weights=before["strategy_weights"].sample(frac=1, random_state=1),
        past_ensembles=before[CARRIED].sample(frac=1, random_state=1),
    )
    expected = {name: table[table["decision_at"] > instant] for name, table in whole.items()}
    assert_same_bits(answer(rest), expected)


def test_every_asset_and_strategy_with_a_position_has_one_row(world, whole):
    inside = world.positions["decision_at"].isin(world.decisions["decision_at"])
    expected = set(world.positions[inside][KEY].itertuples(index=False, name=None))
    for name in ("strategy_gates", "strategy_weights"):
        rows = list(whole[name][KEY].itertuples(index=False, name=None))
        assert set(rows) == expected
        assert len(rows) == len(expected)


def test_a_repeated_key_is_refused(world):
    twice = pd.concat([world.positions, world.positions.head(1)])
    with pytest.raises(ValueError, match="positions: a strategy, symbol and decision_at stands twice"):
        answer(dataclasses.replace(world, positions=twice))


def test_gates_and_weights_agree_and_rejected_weights_are_zero(whole):
    both = whole["strategy_gates"].merge(whole["strategy_weights"], on=["decision_at", "symbol", "strategy"])
    assert (both["is_adopted"] == (both["reason"] == "adopted")).all()
    assert (both.loc[~both["is_adopted"], "weight"] == 0).all()
    assert both.loc[both["is_adopted"], "score"].notna().all()


def test_gates_can_be_recomputed_from_the_rows_known_then(world, whole):
    """At the last decision, for an asset judged by itself and for one judged by its class."""
    instant = world.decisions["decision_at"].max()
    gates = whole["strategy_gates"].query("decision_at == @instant").set_index(["symbol", "strategy"])
    spans = world.windows[world.windows["is_disjoint"] & (world.windows["test_until"] <= instant)]
    known = world.window_metrics.query("span == 'test' and known_at <= @instant")
    parts = []
    for span in spans.itertuples():
        settled = known[known["window_id"] == span.window_id][["strategy", "symbol"]]
        rows = world.strategy_pnl[
            world.strategy_pnl["decision_at"].between(span.test_from, span.test_until, inclusive="left")
        ]
        parts.append(rows.merge(settled).assign(window_id=span.window_id))
    rows = pd.concat(parts)
    own = gates.query("not is_pooled").iloc[0]
    mine = rows[(rows["symbol"] == own.name[0]) & (rows["strategy"] == own.name[1])]
    assert own["trades"] == mine["is_trade"].sum() >= 30
    assert own["expected_net_return"] == pytest.approx(mine["net_return"].mean())
    wealth = np.append(1.0, (1 + mine["net_return"]).cumprod())
    assert own["max_drawdown"] == pytest.approx((wealth / np.maximum.accumulate(wealth) - 1).min())
    sums = mine.groupby("window_id")["net_return"].sum()
    assert (own["windows"], own["negative_windows"]) == (len(sums), (sums < 0).sum())
    pooled = gates.query("is_pooled and symbol == 'AAPL'").iloc[0]
    peers = rows[rows["symbol"].isin(EQUITIES) & (rows["strategy"] == pooled.name[1])]
    assert pooled["trades"] == peers["is_trade"].sum()
    by_decision = peers.groupby("decision_at")["net_return"].mean()
    assert pooled["expected_net_return"] == pytest.approx(by_decision.mean())
    weights = whole["strategy_weights"].query("decision_at == @instant").set_index(["symbol", "strategy"])
    expected = peers["gross_return"].sum() / peers["position"].abs().sum()
    assert weights.loc[pooled.name, "expected_return"] == pytest.approx(expected)


def one_strategy(nets, trades, **changes) -> WeighInputs:
    """One asset and strategy with the same given returns in every test span, and `trades` in all of them."""
    size = len(nets) * TEST
    returns = np.repeat(nets, TEST) + np.tile([0.001, -0.001, 0.0], size // 3)
    first = TRAIN
    frame = pd.DataFrame(
        {
            "strategy": "s00",
            "symbol": "BTC",
            "decision_at": INSTANTS[first : first + size],
            "position": 1.0,
            "gross_return": returns,
            "net_return": returns,
            "turnover": 0.0,
            "is_trade": np.arange(size) < trades,
            "status": "filled",
            "known_at": INSTANTS[first + 1 : first + size + 1],
        }
    )
    later = frame.tail(1).assign(decision_at=INSTANTS[first + size + 1], known_at=INSTANTS[first + size + 2])
    inputs = world_of(pd.concat([frame, later.assign(status="lapsed")], ignore_index=True), {"BTC": "crypto"})
    decisions = pd.DataFrame({"decision_at": [INSTANTS[first + size + 1]]})
    return dataclasses.replace(inputs, decisions=decisions, **changes)


@pytest.mark.parametrize(
    ("nets", "trades", "reason"),
    [
        ([0.001, 0.001, 0.001], 30, "adopted"),
        ([0.00005, 0.00005, 0.00005], 30, "adopted"),
        ([0.001, 0.001, 0.001], 29, "29 trades < 30"),
        ([0.001, 0.001], 30, "2 windows < 3"),
        ([0.01, -0.001, -0.001], 30, "2 of 3 windows negative"),
        ([0.03, -0.02, 0.03], 30, "drawdown 34.6% > 25.0%"),
        (
            [0.001, -0.002, -0.001],
            30,
            "expected net -6.67 bp <= 0; 2 of 3 windows negative; luck-deflated Sharpe 0.159 < 0.500",
        ),
    ],
)
def test_each_gate_says_what_it_found_and_what_it_wants(nets, trades, reason):
    gates = answer(one_strategy(nets, trades), trials=1)["strategy_gates"]
    assert gates["reason"].tolist() == [reason]
    assert gates["is_pooled"].tolist() == [trades < 30]


def test_without_known_spans_every_gate_says_so():
    inputs = one_strategy([0.001], 30)
    decisions = pd.DataFrame({"decision_at": [INSTANTS[TRAIN + 2]]})
    found = answer(dataclasses.replace(inputs, decisions=decisions))
    assert found["strategy_gates"]["reason"].tolist() == [
        "0 windows < 3; 0 trades < 30; expected net undefined; luck-deflated Sharpe undefined"
    ]
    assert found["expected_returns"][["ensemble_view", "standard_error", "shrunk_view"]].eq(0).all(axis=None)
    confidence = found["confidences"].iloc[0]
    assert (confidence["confidence"], confidence["raw_probability"]) == (0, 0.5)
    assert math.isnan(confidence["calibrated_probability"])


@pytest.mark.parametrize(
    "missing",
    [
        ("strategy_pnl", "window_metrics"),
        ("windows", "window_metrics"),
        ("strategy_pnl", "positions", "window_metrics"),
        ("decisions",),
        ("regimes",),
    ],
)
def test_what_is_not_there_yet_is_no_evidence_and_no_error(world, missing):
    found = answer(dataclasses.replace(world, **{name: getattr(world, name).iloc[:0] for name in missing}))
    if missing != ("regimes",):
        assert not found["strategy_gates"]["is_adopted"].any()
        assert found["confidences"]["confidence"].eq(0).all()
    assert len(found["confidences"]) == (0 if missing == ("decisions",) else len(world.decisions))
    assert found["overfit_metrics"]["regime_consistency"].isna().all() or "regimes" not in missing


def test_a_deflated_sharpe_that_is_undefined_rejects():
    """Two trials, and one strategy: how Sharpes vary between trials cannot be known."""
    gates = answer(one_strategy([0.001, 0.001, 0.001], 30), trials=2)["strategy_gates"]
    assert gates["reason"].tolist() == ["luck-deflated Sharpe undefined"]


def test_of_variants_the_one_that_holds_in_most_spans_goes_first_and_not_the_best():
    """a is best on average, b has the greatest lower quartile, c is as b; d has no record, e no variant."""
    spans = np.array([[9.0, 9, -4, -4], [2, 1, 1, 1], [2, 1, 1, 1], [np.nan] * 4, [np.nan] * 4])
    names = ["a", "b", "c", "d", "e"]
    assert first_variants(names, ["a", "a", "a", "a", "e"], spans) == ["b", "", "b", "b", ""]
    assert first_variants(names[::-1], ["e", "a", "a", "a", "a"], spans[::-1]) == ["", "b", "b", "", "b"]
    assert first_variants(names[3:], ["d", "d"], spans[3:]) == ["", ""]


def test_one_variant_of_a_base_is_adopted_and_the_others_name_it(world, whole):
    """s00 and s05 both earn; as variants of one, the one that is steadier over the spans known is let in."""
    found = answer(dataclasses.replace(world, variant_of={"s05": "s00"}))["strategy_gates"]
    before, after = (
        gates[gates["is_adopted"]].groupby("decision_at")["strategy"].agg(set)
        for gates in (whole["strategy_gates"], found)
    )
    assert any({"s00", "s05"} <= names for names in before)
    assert not any({"s00", "s05"} <= names for names in after)
    pair = found[found["strategy"].isin(["s00", "s05"])]
    said = pair["reason"].str.extract(r"^another_variant: (\w+)")[0]
    assert set(said.dropna()) <= {"s00", "s05"}
    known = pair["windows"] >= 3
    assert said[known].notna().groupby(pair["decision_at"]).mean().eq(0.5).all()
    rest = [table[~table["strategy"].isin(["s00", "s05"])] for table in (whole["strategy_gates"], found)]
    pd.testing.assert_frame_equal(*rest, check_exact=True)


def test_which_variant_goes_first_hangs_on_what_was_known(world):
    variants = dataclasses.replace(world, variant_of=dict.fromkeys(STRATEGIES[1:6], "s00"))
    instant = INSTANTS[TRAIN + 100]
    cut = known_by(variants, instant)
    gates, before = answer(variants)["strategy_gates"], answer(cut)["strategy_gates"]
    known = gates[gates["decision_at"].isin(before["decision_at"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, before, check_exact=True)
    assert before["reason"].str.startswith("another_variant").any()


def test_the_view_is_weight_times_position_times_return_and_shrunk_by_its_error(whole):
    rows = whole["strategy_weights"]
    parts = (rows["weight"] * rows["position"] * rows["expected_return"]).fillna(0.0)
    sums = parts.groupby([rows["decision_at"], rows["symbol"]]).sum().reset_index(name="by_hand")
    views = whole["expected_returns"].merge(sums)
    assert views["ensemble_view"].to_numpy() == pytest.approx(views["by_hand"].to_numpy(), abs=1e-15)
    v, s = views["ensemble_view"], views["standard_error"]
    shrunk = np.where(v > 0, np.maximum(0, 1 - s**2 / v.where(v > 0, 1) ** 2) * v, 0)
    assert views["shrunk_view"].to_numpy() == pytest.approx(shrunk, abs=1e-15)
    assert (s[v > 0] > 0).all()
    assert views.loc[(v > 0) & (s > v), "shrunk_view"].eq(0).all()


def test_the_standard_error_is_near_that_of_independent_returns():
    """Returns of one strategy, always invested: s is about deviation / sqrt(T) times the view's exposure."""
    random = np.random.default_rng(8)
    inputs = one_strategy([0.0] * 6, 30)
    returns = random.normal(0.004, 0.01, len(inputs.strategy_pnl))
    pnl = inputs.strategy_pnl.assign(gross_return=returns, net_return=returns)
    found = answer(dataclasses.replace(inputs, strategy_pnl=pnl), trials=1)
    row = found["expected_returns"].iloc[0]
    weight = found["strategy_weights"]["weight"].iloc[0]
    assert weight == 0.5
    used = returns[: 6 * TEST]
    assert row["ensemble_view"] == pytest.approx(weight * used.mean())
    assert row["standard_error"] == pytest.approx(weight * used.std() / math.sqrt(len(used)), rel=0.3)


def test_a_class_waits_for_the_span_of_its_slowest_asset_but_not_for_ever():
    """EUR's span is never settled: the whole set goes on without it fourteen days after the span's end."""
    world = make_world()
    settled = world.window_metrics[world.window_metrics["symbol"] != "EUR"]
    found = answer(dataclasses.replace(world, window_metrics=settled))
    psr = found["overfit_metrics"].query("strategy == 's00'").set_index("decision_at")["psr"]
    until = world.windows["test_until"].iloc[0]
    first = psr.first_valid_index()
    assert first == min(instant for instant in INSTANTS if instant >= until + pd.Timedelta(days=14))
    patient = answer(world)["overfit_metrics"].query("strategy == 's00'").set_index("decision_at")["psr"]
    assert patient.first_valid_index() == INSTANTS[TRAIN + TEST - 1 + LAG["fx"]]


def test_more_trials_never_raise_the_confidence(world, whole):
    more = answer(world, trials=1000)
    assert (more["confidences"]["confidence"] <= whole["confidences"]["confidence"]).all()
    assert (more["confidences"]["confidence"] < whole["confidences"]["confidence"]).any()


def test_confidence_is_the_smaller_of_calibrated_probability_and_evidence(whole):
    rows = whole["confidences"].merge(whole["overfit_metrics"].query("strategy == 'all'"), on="decision_at")
    believed = rows["calibrated_probability"].fillna(rows["raw_probability"])
    evidence = (rows["dsr"] * (1 - rows["pbo"])).fillna(0.0)
    assert rows["confidence"].tolist() == np.minimum(believed, evidence).tolist()
    assert rows["confidence"].between(0, 1).all()


def test_the_whole_set_stands_on_the_returns_of_the_weights_in_force(world, whole):
    """Recomputed at the last decision; spans from before the portfolio's first weights do not count."""
    began = INSTANTS[TRAIN + 30]
    late = answer(dataclasses.replace(world, decisions=world.decisions.query("decision_at >= @began")))
    instant = world.decisions["decision_at"].max()
    spans = world.windows[world.windows["is_disjoint"]]
    settled = world.window_metrics.query("span == 'test'").groupby("window_id")["known_at"].max()
    spans = spans[spans["window_id"].map(settled) <= instant]
    for found, first in ((whole, INSTANTS[TRAIN]), (late, began)):
        rows = world.strategy_pnl.merge(found["strategy_weights"][[*KEY, "weight"]])
        inside = [
            rows["decision_at"].between(s.test_from, s.test_until, inclusive="left")
            for s in spans.itertuples()
        ]
        rows = rows[np.any(inside, axis=0)]
        assert rows["decision_at"].min() == max(first, spans["test_from"].min())
        by_asset = (rows["weight"] * rows["net_return"]).groupby([rows["decision_at"], rows["symbol"]]).sum()
        record = sharpe.moments(by_asset.groupby("decision_at").mean().to_numpy())
        expected = sharpe.minimum_track_record(record.sharpe, 0.0, record.skew, record.kurtosis)
        said = found["overfit_metrics"].query("strategy == 'all' and decision_at == @instant")
        assert said["min_track_record"].item() == pytest.approx(expected, rel=1e-9)


def test_a_forecast_is_calibrated_as_it_was_when_its_span_began(world):
    """Noise in the profits of a span and after it changes no bit of what was forecast for it."""
    began = world.windows.loc[world.windows["is_disjoint"], "test_from"].iloc[4]
    pnl = world.strategy_pnl.copy()
    later = pnl["known_at"] > began
    pnl.loc[later, "net_return"] = np.random.default_rng(3).normal(0.05, 0.01, later.sum())
    noisy = dataclasses.replace(world, strategy_pnl=pnl)
    before, after = (Forecaster(study_of(inputs), POLICY, 261) for inputs in (world, noisy))
    assert np.isfinite(before.forecast(4)).all()
    assert (before.forecast(4) == after.forecast(4)).all()
    assert (before.forecast(6) != after.forecast(6)).all()


def test_only_a_fitted_strategy_has_a_train_test_gap(whole):
    last = whole["overfit_metrics"].groupby("strategy").last()
    assert last["train_test_gap"].notna().sum() == 1
    assert last.loc["s01", "train_test_gap"] > 0


def test_random_strategies_are_not_adopted_on_the_whole():
    found = answer(make_world(seed=21, edge=0.0))
    assert found["strategy_gates"]["is_adopted"].mean() < 0.05


def test_what_corrects_a_forecast_was_resolved_before_its_span_began(world, monkeypatch):
    """Whatever comes after a span began changes no bit of how its forecast was corrected."""
    monkeypatch.setattr(sharpe, "MINIMUM_RESOLVED", 20)
    began = world.windows.loc[world.windows["is_disjoint"], "test_from"].iloc[5]
    pnl = world.strategy_pnl.copy()
    later = pnl["known_at"] > began
    pnl.loc[later, "net_return"] = np.random.default_rng(3).normal(0.05, 0.01, later.sum())
    noisy = dataclasses.replace(world, strategy_pnl=pnl)
    before, after = (Forecaster(study_of(inputs), POLICY, 261) for inputs in (world, noisy))
    assert np.isfinite(before.calibrated(5)).all()
    assert (before.calibrated(5) == after.calibrated(5)).all()
    assert (before.calibrated(7) != after.calibrated(7)).any()


def dearer(inputs: WeighInputs, extra: float) -> WeighInputs:
    """The same study with `extra` more to pay for each unit of turnover."""
    pnl = inputs.strategy_pnl
    return world_of(pnl.assign(net_return=pnl["net_return"] - extra * pnl["turnover"]))


@pytest.mark.parametrize("seed", range(6))
def test_higher_costs_never_raise_the_confidence(seed):
    study = make_world(seed=seed, edge=[0.0, 0.002, 0.004][seed % 3])
    plain, dear = (answer(one)["confidences"]["confidence"] for one in (study, dearer(study, 0.0009)))
    assert (dear <= plain).all()


@pytest.mark.parametrize("seed", [2, 5, 8])
def test_a_shorter_history_never_raises_the_confidence_where_there_is_an_edge(seed):
    """The study begins three spans later; without an edge a record that is missing convicts nobody."""
    study = make_world(seed=seed, edge=0.004)
    pnl = study.strategy_pnl
    short = world_of(pnl[pnl["decision_at"] >= INSTANTS[TRAIN + 3 * TEST]])
    whole, late = (
        answer(one)["confidences"].set_index("decision_at")["confidence"] for one in (study, short)
    )
    assert (late <= whole.loc[late.index]).all()
    assert (late < whole.loc[late.index]).any()


def test_confidence_counts_what_was_resolved_and_says_whether_it_is_calibrated(whole):
    rows = whole["confidences"]
    assert rows["resolved_spans"].is_monotonic_increasing
    assert rows["resolved_spans"].max() > sharpe.MINIMUM_RESOLVED > 0 == rows["resolved_spans"].min()
    assert (rows["is_calibrated"] == (rows["resolved_spans"] >= sharpe.MINIMUM_RESOLVED)).all()
    assert (rows["is_calibrated"] == rows["calibrated_probability"].notna()).all()
    assert rows.loc[rows["resolved_spans"] > 0, "brier_score"].between(0, 1).all()
    assert rows.loc[rows["resolved_spans"] == 0, "brier_score"].isna().all()


def test_the_reliability_table_holds_each_resolved_forecast_once(world, monkeypatch):
    """Recomputed at the last decision; the calibrated forecasts are fewer, since the first could not be."""
    monkeypatch.setattr(sharpe, "MINIMUM_RESOLVED", 20)
    found = answer(world)
    last = world.decisions["decision_at"].max()
    forecaster, study = Forecaster(study_of(world), POLICY, 261), study_of(world)
    resolved = forecaster.resolved(spans_at(study, int(micros(pd.Series([last]))[0])))
    confidence = found["confidences"].set_index("decision_at").loc[last]
    table = found["forecast_reliability"].query("decision_at == @last")
    assert confidence["resolved_spans"] == len(resolved.raw) > 50
    for sort, forecasts in (("raw", resolved.raw), ("calibrated", resolved.calibrated)):
        made = np.isfinite(forecasts)
        mine = table[table["sort"] == sort].set_index("bin")
        assert mine["forecasts"].sum() == made.sum() > 0
        tenth = np.floor(forecasts[made] * 10).clip(max=9).astype(int)
        by_hand = pd.DataFrame({"bin": tenth, "said": forecasts[made], "true": resolved.came_true[made]})
        by_hand = by_hand.groupby("bin").mean()
        assert mine["mean_forecast"].to_numpy() == pytest.approx(by_hand["said"].to_numpy())
        assert mine["share_true"].to_numpy() == pytest.approx(by_hand["true"].to_numpy())
    made = np.isfinite(resolved.calibrated)
    assert 0 < made.sum() < len(made)
    raw, worth = (
        np.mean((forecasts - resolved.came_true)[part] ** 2)
        for forecasts, part in ((resolved.raw, slice(None)), (resolved.calibrated, made))
    )
    assert (confidence["brier_score"], confidence["brier_calibrated"]) == pytest.approx((raw, worth))


def with_always_long(inputs: WeighInputs) -> WeighInputs:
    """The same study in which s10 is the strategy that is always in."""
    return dataclasses.replace(
        inputs,
        **{
            name: getattr(inputs, name).replace({"strategy": {"s10": "always_long"}})
            for name in ("strategy_pnl", "positions", "window_metrics")
        },
    )


def test_the_whole_set_is_checked_against_cash_and_against_being_always_in(world, whole):
    assert set(whole["reality_checks"]["benchmark"]) == {"cash"}
    checks = answer(with_always_long(world))["reality_checks"]
    assert len(checks) == 2 * len(world.decisions)
    last = checks[checks["decision_at"] == world.decisions["decision_at"].max()].set_index("benchmark")
    assert last["best"].isin(["s00", "s05"]).all()
    assert last["undefined"].isna().all()
    assert last["strategies"].tolist() == [11, 10]  # against itself it never moves
    assert (last["spa_lower"] <= last["spa_consistent"]).all()
    assert (last["spa_consistent"] <= last["spa_upper"]).all()
    assert (last[["reality_check", "spa_consistent"]] < 0.05).all(axis=None)
    first = checks[checks["decision_at"] == world.decisions["decision_at"].min()]
    assert first["undefined"].tolist() == ["no strategy differs from it"] * 2
    assert first["spa_consistent"].isna().all()


def test_the_best_of_a_set_without_edge_does_not_beat_cash():
    last = answer(make_world(seed=21, edge=0.0))["reality_checks"].iloc[-1]
    assert min(last["reality_check"], last["spa_consistent"]) > 0.1


def test_overfit_metrics_count_the_trials_and_what_each_record_is_worth(world, whole):
    rows = whole["overfit_metrics"].query("decision_at == @world.decisions.decision_at.max()")
    rows = rows.set_index("strategy")
    assert (rows["effective_observations"] <= rows["observations"]).all()
    assert rows["observations"].between(100, COUNT).all()
    positive = rows["psr"] > 0.5
    assert (rows["min_backtest_length"].notna() == positive).all()
    assert positive.any()
    assert not positive.all()


def test_decision_by_decision_gives_the_bits_of_one_pass(world, whole):
    """Twelve decisions about the end of a span, each made alone from what was known then."""
    resolved = whole["confidences"]["resolved_spans"].to_numpy()
    last = int(np.flatnonzero(np.diff(resolved))[-1])
    instants = world.decisions["decision_at"].iloc[last - 6 : last + 6]
    earlier = world.decisions[world.decisions["decision_at"] < instants.iloc[0]]
    before = answer(dataclasses.replace(known_by(world, instants.iloc[0]), decisions=earlier))
    past, state = before["strategy_weights"], before["ensemble_weights"]
    one_by_one: dict[str, list[pd.DataFrame]] = {name: [] for name in without_state(whole)}
    for instant in instants:
        known = known_by(world, instant)
        alone = known.decisions[known.decisions["decision_at"] == instant]
        alone = dataclasses.replace(known, decisions=alone, past_weights=past, past_ensembles=state)
        found = answer(alone)
        past, state = pd.concat([past, found["strategy_weights"]]), found["ensemble_weights"]
        for name, rows in without_state(found).items():
            one_by_one[name].append(rows)
    expected = {
        name: table[table["decision_at"].isin(instants)] for name, table in without_state(whole).items()
    }
    assert expected["confidences"]["resolved_spans"].nunique() == 2  # a span becomes known on the way
    assert_same_bits({name: pd.concat(parts) for name, parts in one_by_one.items()}, expected)


def exposures(found, method) -> pd.Series:
    rows = found["ensemble_exposures"]
    return rows[rows["method"] == method].set_index(["decision_at", "symbol"])["exposure"]


def test_every_method_has_an_exposure_for_each_asset_with_a_position(whole):
    rows, views = whole["ensemble_exposures"], whole["expected_returns"]
    expected = list(views[["decision_at", "symbol"]].itertuples(index=False, name=None))
    assert set(rows["method"]) == set(methods())
    for method in methods():
        assert list(exposures(whole, method).index) == expected
    assert rows["exposure"].between(0, 1 + 1e-12).all()


@pytest.mark.parametrize("method", ["softmax", "hedge", "stacking"])
def test_the_ensemble_of_the_weighting_in_force_is_what_the_portfolio_believes(world, whole, method):
    found = answer(world, asking({"method": method}))
    rows = found["strategy_weights"]
    parts = (rows["weight"] * rows["position"]).groupby([rows["decision_at"], rows["symbol"]]).sum()
    assert exposures(found, method).to_numpy() == pytest.approx(parts.to_numpy(), abs=1e-15)
    assert exposures(found, method).tolist() == exposures(whole, method).tolist()  # whoever is in force
    other = exposures(whole, "equal_weight")
    assert (exposures(whole, method) != other).any()


def test_a_strategy_that_is_silent_at_a_decision_has_no_weight_there(world):
    """Shares are made again where there are other strategies to choose from, with the same spans."""
    silent = (world.positions["strategy"] == "s00") & world.positions["decision_at"].isin(INSTANTS[150:156:2])
    uncapped = asking({"cap": 1.0, "entropy": 0.0})
    found = answer(dataclasses.replace(world, positions=world.positions[~silent]), uncapped)
    rows = found["strategy_weights"]
    parts = (rows["weight"] * rows["position"]).groupby([rows["decision_at"], rows["symbol"]]).sum()
    assert exposures(found, "softmax").to_numpy() == pytest.approx(parts.to_numpy(), abs=1e-15)


def test_the_best_single_strategy_has_all_and_without_gates_more_is_held(whole):
    rows = whole["strategy_weights"].merge(whole["strategy_gates"][[*KEY, "is_adopted"]])
    best = rows[rows["is_adopted"]].sort_values("score", kind="stable", ascending=False)
    best = best.groupby(["decision_at", "symbol"])["position"].first()
    single = exposures(whole, BEST_SINGLE)
    assert single[best.index].tolist() == best.tolist()
    assert (single.drop(best.index) == 0).all()
    assert exposures(whole, NO_GATES).mean() > exposures(whole, "softmax").mean()


def test_regrets_stay_below_their_bounds_and_need_two_strategies(world, whole):
    rows = whole["weighting_regrets"]
    adopted = whole["strategy_gates"].groupby(["decision_at", "symbol"])["is_adopted"].sum()
    assert len(rows) == (adopted > 1).sum() > 0
    assert rows["strategies"].tolist() == adopted[adopted > 1].tolist()
    assert set(rows["method"]) == {"hedge"}
    assert (rows["regret"] <= rows["bound"]).all()
    assert rows["spans"].max() == world.windows["is_disjoint"].sum()


def test_a_weighting_that_no_file_has_is_refused(world):
    with pytest.raises(UnknownPlugin, match="no 'voting'; it has: bayesian, equal_weight"):
        answer(world, asking({"method": "voting"}))


def test_a_score_can_be_that_of_the_regime_and_no_later_row_changes_it(world, whole):
    policy = asking(score={"regime_prior": 60.0})
    found = answer(world, policy)
    of_regime, plain = (table["strategy_weights"].set_index(KEY)["score"] for table in (found, whole))
    assert (of_regime.isna() == plain.isna()).all()
    assert found["strategy_gates"].equals(whole["strategy_gates"])  # gates ask for the whole record
    regimes = world.regimes.set_index("decision_at")["regime"]
    moved = (of_regime != plain) & plain.notna()
    assert moved.groupby(moved.index.get_level_values("decision_at").map(regimes)).any().all()
    # The same spans and another regime give another score.
    span = [INSTANTS[place] for place in (148, 152)]
    before, after = (of_regime.xs(instant, level="decision_at") for instant in span)
    assert regimes[span[0]] != regimes[span[1]]
    assert plain.xs(span[0], level="decision_at").equals(plain.xs(span[1], level="decision_at"))
    assert (before != after).any()
    cut = answer(known_by(world, INSTANTS[151]), policy)
    expected = {name: table[table["decision_at"] <= INSTANTS[151]] for name, table in found.items()}
    assert_same_bits(without_state(cut), without_state(expected))


def test_with_a_prior_beyond_all_records_the_regime_counts_for_nothing(world, whole):
    found = answer(world, asking(score={"regime_prior": 1e15}))
    assert found["strategy_weights"]["score"].to_numpy() == pytest.approx(
        whole["strategy_weights"]["score"].to_numpy(), nan_ok=True, abs=1e-9
    )


def test_a_limit_on_change_slows_the_weights(world, whole):
    found = answer(world, asking({"change": 0.02}))

    def moved(answered):
        rows = answered["strategy_weights"]
        wide = rows.pivot_table("weight", "decision_at", ["symbol", "strategy"]).diff().abs()
        return wide.sum(axis=1).sum()

    assert moved(found) < moved(whole)
