"""What every learner promises, alone and inside its windows."""

import json

import numpy as np
import pandas as pd
import pytest

from python_steps.learn_forecasts import (
    FEATURE_IMPORTANCES,
    FITTED_MODELS,
    FORECASTS,
    TUNING_TRIALS,
    Learner,
    learn,
    to_signals,
    to_values,
)
from python_steps.learners._training import Training
from python_steps.plugins import UnknownPlugin, discover, missing

LEARNERS = discover("python_steps.learners")
TABLES = ("forecasts", "fitted_models", "feature_importances", "tuning_trials")
SEED = 20140101
SYMBOLS = ["AAPL", "BTC-USD", "EUR-USD", "MSFT"]
INSTANTS = pd.bdate_range("2016-01-01 14:00", periods=160).as_unit("us")
SPANS = {0: (0, 60, 65, 90), 1: (21, 81, 86, 111), 2: (42, 102, 107, 132), 3: (0, 20, 25, 50)}


@pytest.fixture(params=LEARNERS)
def learner(request):
    if lacking := missing("python_steps.learners", request.param):
        pytest.skip(f"{', '.join(lacking)} is not installed")
    return request.param


def make_training(features, target, **parameters) -> Training:
    """Five assets at each decision, each label known six decisions later."""
    rows = np.arange(len(target))
    return Training(
        names=tuple(f"f{place}" for place in range(features.shape[1])),
        features=features,
        target=target,
        decision=rows // 5,
        known=rows // 5 + 6,
        symbol=rows % 5,
        seed=np.random.SeedSequence(SEED),
        parameters=parameters,
    )


def fit(learner, features, target, **parameters):
    return LEARNERS[learner].fit(make_training(features, target, **parameters))


def make_features(seed: int, rows: int, columns: int) -> np.ndarray:
    """Noise, of which a twentieth is missing."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, columns))
    features[random.random(features.shape) < 0.05] = np.nan
    return features


def make_readings() -> pd.DataFrame:
    random = np.random.default_rng(6)
    keys = pd.MultiIndex.from_product(
        [["momentum", "reversal", "value"], SYMBOLS, INSTANTS], names=["signal", "symbol", "decision_at"]
    ).to_frame(index=False)
    keys["value"] = np.where(random.random(len(keys)) < 0.05, np.nan, np.tanh(random.normal(size=len(keys))))
    return keys.assign(clock="global")


def make_examples(readings: pd.DataFrame) -> pd.DataFrame:
    """Targets follow momentum; the last five train rows of each window have no known label."""
    momentum = (
        readings[readings["signal"] == "momentum"].set_index(["symbol", "decision_at"])["value"].fillna(0)
    )
    noise = np.random.default_rng(7).normal(size=len(momentum))
    label = (momentum + noise).rename("label").reset_index()
    parts = []
    for window_id, (train_from, train_until, test_from, test_until) in SPANS.items():
        rows = label[label["decision_at"].isin(INSTANTS[train_from:test_until])].copy()
        rows["is_train"] = rows["decision_at"] < INSTANTS[train_until - 5]
        rows["target"] = rows["label"].where(rows["is_train"])
        known_at = rows["decision_at"].map(dict(zip(INSTANTS[:-5], INSTANTS[5:], strict=True)))
        rows["label_known_at"] = known_at.where(rows["is_train"])
        known_at = rows["decision_at"].clip(lower=INSTANTS[test_from])
        parts.append(rows.assign(window_id=window_id, known_at=known_at))
    whole = pd.concat(parts, ignore_index=True).drop(columns="label")
    return whole.assign(clock="global", plan="default", session_date=whole["decision_at"].dt.date)


READINGS = make_readings()
EXAMPLES = make_examples(READINGS)
WINDOWS = pd.DataFrame(
    {
        "clock": "global",
        "plan": "default",
        "window_id": list(SPANS),
        "known_at": [INSTANTS[test_from] for _, _, test_from, _ in SPANS.values()],
    }
)


def answer(learner, examples=EXAMPLES, readings=READINGS, windows=WINDOWS):
    return learn(examples, to_signals(readings), windows, Learner(learner, learner, {}), "run", SEED)


def assert_same_bits(found, expected):
    for name in TABLES:
        pd.testing.assert_frame_equal(
            found[name].reset_index(drop=True), expected[name].reset_index(drop=True), check_exact=True
        )


def test_every_example_is_forecast_as_the_model_publishes_it(learner):
    """Examples have a known_at of their own, on test rows later than their window's."""
    starts = EXAMPLES["window_id"].map(WINDOWS.set_index("window_id")["known_at"])
    published = EXAMPLES.assign(known_at=np.maximum(EXAMPLES["decision_at"], starts))
    assert_same_bits(answer(learner, published), answer(learner))


def test_there_is_a_learner():
    assert "ridge" in LEARNERS


def test_an_unknown_learner_is_named_with_those_there_are():
    with pytest.raises(UnknownPlugin, match=r"no 'oracle'; it has: .*ridge"):
        answer("oracle")


def test_a_forecast_of_a_row_does_not_depend_on_the_rows_beside_it(learner):
    features = make_features(1, 301, 7)
    target = np.nan_to_num(features[:200, 2]) + np.random.default_rng(1).normal(size=200)
    fitted = fit(learner, features[:200], target)
    whole = fitted.predict(features)
    for size in (1, 2, 7, 200, 300):
        assert (fitted.predict(features[:size]) == whole[:size]).all()
    assert (fitted.predict(features[::-1]) == whole[::-1]).all()


def test_a_planted_signal_is_learned(learner):
    random = np.random.default_rng(2)
    features = random.normal(size=(1000, 5))
    target = features[:, 1] - 0.5 * features[:, 3] + random.normal(size=1000)
    fitted = fit(learner, features[:500], target[:500])
    assert np.corrcoef(fitted.predict(features[500:]), target[500:])[0, 1] > 0.5


def test_a_feature_that_never_moves_does_no_harm(learner):
    random = np.random.default_rng(3)
    features = random.normal(size=(300, 3))
    features[:, 1] = 0.1
    fitted = fit(learner, features, random.normal(size=300))
    assert (fitted.predict(features + np.array([0, 5, 0])) == fitted.predict(features)).all()
    assert fitted.importances()[1] == 0


def test_what_is_missing_is_usual_and_a_feature_that_never_was_there_says_nothing(learner):
    features = make_features(11, 400, 4)
    features[:, 3] = np.nan
    target = np.nan_to_num(features[:, 0]) + np.random.default_rng(11).normal(size=400)
    fitted = fit(learner, features, target)
    forecast = fitted.predict(features)
    assert np.isfinite(forecast).all()
    assert (fitted.predict(np.where(np.arange(4) == 3, 9.0, features)) == forecast).all()
    assert fitted.importances()[3] == 0
    gone = np.isnan(features[:, 0])
    there = np.where(gone, np.nanmean(features[:, 0]), features[:, 0])
    filled = np.column_stack([there, features[:, 1:]])
    assert fitted.predict(filled)[gone] == pytest.approx(forecast[gone], abs=1e-12)


def test_what_was_fitted_is_json_and_forecasts_the_same_bits_when_it_is_read_back(learner):
    features = make_features(4, 301, 4)
    fitted = fit(learner, features[:200], np.random.default_rng(4).normal(size=200))
    text = json.dumps(fitted.parameters(), allow_nan=False, sort_keys=True)
    loaded = LEARNERS[learner].load(json.loads(text))
    assert (loaded.predict(features) == fitted.predict(features)).all()
    assert (loaded.importances() == fitted.importances()).all()
    assert json.dumps(loaded.parameters(), sort_keys=True) == text


def test_the_published_row_of_a_model_forecasts_what_was_published(learner):
    found = answer(learner)
    wide = READINGS.pivot_table(index=["symbol", "decision_at"], columns="signal", values="value")
    for row in found["fitted_models"].itertuples():
        parameters = json.loads(row.parameters)
        said = found["forecasts"][found["forecasts"]["window_id"] == row.window_id]
        keys = pd.MultiIndex.from_frame(said[["symbol", "decision_at"]])
        features = wide[parameters["signals"]].reindex(keys).to_numpy()
        assert (LEARNERS[learner].load(parameters).predict(features) == said["forecast"]).all()


def test_importances_are_shares_and_the_planted_signal_has_the_largest(learner):
    found = answer(learner)["feature_importances"]
    assert list(found.columns) == FEATURE_IMPORTANCES
    assert found["importance"].between(0, 1).all()
    shares = found.pivot_table(index="window_id", columns="feature", values="importance")
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (shares.idxmax(axis=1) == "momentum").all()
    fitted = fit(learner, make_features(5, 200, 3), np.zeros(200))
    assert fitted.importances().sum() == pytest.approx(1) or not fitted.importances().any()


def test_a_parameter_it_does_not_have_is_refused_with_those_it_has(learner):
    with pytest.raises(ValueError, match="parameter 'depht' is unknown; expected one of "):
        fit(learner, make_features(5, 200, 3), np.zeros(200), depht=3)


def test_a_learner_that_chooses_says_what_it_tried_and_any_other_nothing(learner):
    found = answer(learner)["tuning_trials"]
    assert list(found.columns) == TUNING_TRIALS
    if learner != "selected_learner":
        assert found.empty
        return
    assert found.groupby("window_id")["is_chosen"].sum().eq(1).all()
    assert not found.duplicated(["window_id", "configuration"]).any()
    opened = found["window_id"].map(WINDOWS.set_index("window_id")["known_at"])
    assert (found["known_at"] == opened).all()


def test_a_window_is_fitted_alike_alone_and_among_others(learner):
    """So chance hangs on the names of learner, plan and window, and never on what was drawn before."""
    whole, alone = answer(learner), answer(learner, windows=WINDOWS[WINDOWS["window_id"] == 1])
    assert_same_bits(alone, {name: table[table["window_id"] == 1] for name, table in whole.items()})


def test_a_forecast_that_does_not_move_is_worth_nothing_whatever_its_size():
    """Rounding leaves its deviation a little above zero."""
    forecast = np.full(221, 0.1 + 0.2)
    assert not to_values(forecast, np.arange(221) < 220).any()


def test_chance_is_the_same_each_time_and_another_by_each_name():
    one = make_training(np.zeros((5, 1)), np.zeros(5))
    draws = [part.chance.random() for part in (one, one, one[np.arange(3)], one.seeded("a"), one.seeded(1))]
    assert draws[0] == draws[1] == draws[2]
    assert len(set(draws)) == 3


def test_the_same_input_gives_the_same_answer(learner):
    assert_same_bits(answer(learner), answer(learner))


def test_the_order_of_rows_and_symbols_does_not_matter(learner):
    shuffled = (part.sample(frac=1, random_state=9) for part in (EXAMPLES, READINGS, WINDOWS))
    assert_same_bits(answer(learner, *shuffled), answer(learner))


@pytest.mark.parametrize("cut", [65, 70, 90, 108, 120])
def test_later_rows_change_no_bit_of_an_earlier_forecast(learner, cut):
    """A signal that begins after the cut is among the later rows."""
    instant = INSTANTS[cut]
    late = READINGS[(READINGS["signal"] == "value") & (READINGS["decision_at"] > INSTANTS[109])]
    readings = pd.concat([READINGS, late.assign(signal="carry")])
    whole = answer(learner, readings=readings)
    part = answer(
        learner,
        EXAMPLES[EXAMPLES["decision_at"] <= instant],
        readings[readings["decision_at"] <= instant],
        WINDOWS[WINDOWS["known_at"] <= instant],
    )
    assert len(part["forecasts"]) > 0
    assert_same_bits(part, {name: table[table["known_at"] <= instant] for name, table in whole.items()})


def test_test_rows_teach_nothing(learner):
    """Neither their features nor, were it there by mistake, their target."""
    test_rows = ~EXAMPLES["is_train"]
    spoiled = EXAMPLES.assign(target=EXAMPLES["target"].mask(test_rows, 1e6))
    assert_same_bits(answer(learner, spoiled), answer(learner))


def test_values_are_bounded_and_known_with_decision_and_window(learner):
    forecasts = answer(learner)["forecasts"]
    assert list(forecasts.columns) == FORECASTS
    assert forecasts["value"].between(-1, 1).all()
    assert forecasts["value"].nunique() > 100
    opened = forecasts["window_id"].map(WINDOWS.set_index("window_id")["known_at"])
    assert (forecasts["known_at"] == np.maximum(forecasts["decision_at"], opened)).all()
    assert not forecasts.duplicated(["window_id", "symbol", "decision_at"]).any()


def test_every_example_of_a_window_gets_a_forecast_to_the_end_of_its_test_span(learner):
    forecasts = answer(learner)["forecasts"]
    keys = ["window_id", "symbol", "decision_at"]
    expected = EXAMPLES.loc[EXAMPLES["window_id"] != 3, keys]
    assert set(forecasts[keys].itertuples(index=False)) == set(expected.itertuples(index=False))
    assert (forecasts.groupby("window_id")["decision_at"].max() == INSTANTS[[89, 110, 131]]).all()


def test_a_window_with_too_few_examples_is_skipped_and_each_other_has_a_model(learner):
    models = answer(learner)["fitted_models"]
    assert list(models.columns) == FITTED_MODELS
    assert models["window_id"].tolist() == [0, 1, 2]
    assert models["rows_trained"].tolist() == [55 * len(SYMBOLS)] * 3
    assert models["model_id"].nunique() == 3


def test_another_target_gives_another_model(learner):
    first = EXAMPLES.index[EXAMPLES["is_train"]][0]
    changed = EXAMPLES.copy()
    changed.loc[first, "target"] += 1e-9
    before, after = answer(learner)["fitted_models"], answer(learner, changed)["fitted_models"]
    assert (before["model_id"] != after["model_id"]).tolist() == [True, False, False]


def test_nothing_to_fit_gives_empty_tables(learner):
    found = answer(learner, windows=WINDOWS.iloc[:0])
    assert all(len(found[name]) == 0 for name in TABLES)
    assert list(found["forecasts"].columns) == FORECASTS
