"""Splits by label interval, their paths, and what they find out about a learner."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import python_steps.learners
from python_steps import warehouse
from python_steps.cross_validation import (
    clear_of,
    combinatorial_paths,
    combinatorial_splits,
    group_numbers,
    known_by,
)
from python_steps.estimate_overfit import CPCV_METRICS, estimate, yearly
from python_steps.learn_forecasts import Learner, to_signals
from python_steps.learners import ridge
from python_steps.learners._training import Training

DAY, NONE = np.timedelta64(1, "D"), np.timedelta64(0, "D")
DAYS = np.datetime64("2020-01-01") + np.arange(10)

# Knows every training row by heart, and says of any other the target of the nearest one of its asset.
NEAREST = '''
"""Says of a row the target of the training row nearest in time, asset by asset."""

import numpy as np


class Fitted:
    def __init__(self, features, target):
        self.features, self.target = features, target

    def predict(self, features):
        said = np.empty(len(features))
        for asset in np.unique(features[:, 0]):
            asked, known = features[:, 0] == asset, self.features[:, 0] == asset
            distance = np.abs(features[asked, 1][:, None] - self.features[known, 1])
            said[asked] = self.target[known][distance.argmin(axis=1)]
        return said


def fit(training):
    return Fitted(training.features, training.target)
'''


def label(x: str) -> np.ndarray:
    return np.array([mark == "." for mark in x.split()])


def test_the_ten_rows_of_the_docstring_are_what_the_functions_say():
    known_at = DAYS + 2 * DAY
    assert (clear_of(DAYS, known_at, DAYS[4], DAYS[7], NONE) == label(". . x x T T x x . .")).all()
    assert (clear_of(DAYS, known_at, DAYS[4], DAYS[7], DAY) == label(". . x x T T x x x .")).all()
    assert (known_by(known_at, DAYS[4]) == label(". . . x T T x x x x")).all()
    assert (known_by(known_at, DAYS[4] - DAY) == label(". . x x T T x x x x")).all()


def test_a_minute_decides_at_either_end():
    minute = np.timedelta64(1, "m")
    from_at, until_at = np.datetime64("2020-01-10T14:00"), np.datetime64("2020-01-17T20:00")
    early = np.full(3, from_at - np.timedelta64(9, "D"))
    ends = from_at + minute * np.array([-1, 0, 1])
    assert clear_of(early, ends, from_at, until_at, NONE).tolist() == [True, False, False]
    starts = until_at + minute * np.array([-1, 0, 1])
    late = starts + np.timedelta64(9, "D")
    assert clear_of(starts, late, from_at, until_at, NONE).tolist() == [False, False, True]
    assert clear_of(starts, late, from_at, until_at, minute).tolist() == [False, False, False]


def test_what_counts_is_the_label_interval_and_not_the_place_of_the_row():
    """A gap of a week in the rows purges nothing, and one label that is late by a month is purged."""
    decision_at = DAYS + np.where(np.arange(10) < 4, NONE, 7 * DAY)
    known_at = decision_at + 2 * DAY
    known_at[1] = decision_at[1] + 30 * DAY
    clear = clear_of(decision_at, known_at, decision_at[4], known_at[5], NONE)
    assert clear.tolist() == [True, False, True, True, False, False, False, False, True, True]


def test_six_groups_of_which_two_are_tested_make_fifteen_splits_and_five_paths():
    splits = list(combinatorial_splits(np.repeat(DAYS, 6), np.repeat(DAYS, 6), 6, 2, NONE))
    assert [split.number for split in splits] == list(range(15))
    assert [split.test_groups for split in splits] == list(itertools.combinations(range(6), 2))
    assert combinatorial_paths(6, 2).shape == (5, 6)


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 1), (5, 3), (8, 4)])
def test_every_path_tests_every_group_once_with_a_split_that_tests_it(groups, tested):
    chosen = list(itertools.combinations(range(groups), tested))
    paths = combinatorial_paths(groups, tested)
    assert all(group in chosen[split] for path in paths for group, split in enumerate(path))
    used = [(group, split) for path in paths for group, split in enumerate(path)]
    assert len(set(used)) == len(used) == len(chosen) * tested


def test_rows_of_one_decision_share_a_group_and_the_last_group_takes_the_rest():
    decision_at = np.repeat(DAYS, 3)
    group = group_numbers(decision_at, 4)
    assert group.reshape(10, 3).tolist() == [[g] * 3 for g in [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]]
    with pytest.raises(ValueError, match="10 decisions, at least 11 are expected"):
        group_numbers(decision_at, 11)


@pytest.mark.parametrize("embargo", [NONE, 5 * DAY])
def test_no_training_row_shares_an_instant_with_a_tested_group(embargo):
    """By brute force, on rows in no order with label intervals of any length."""
    random = np.random.default_rng(11)
    decision_at = np.datetime64("2020-01-01") + random.integers(0, 200, 300)
    known_at = decision_at + random.integers(1, 30, 300)
    group, trained = group_numbers(decision_at, 6), 0
    for split in combinatorial_splits(decision_at, known_at, 6, 2, embargo):
        assert not (split.is_train & split.is_test).any()
        assert (split.is_test == np.isin(group, split.test_groups)).all()
        for tested in split.test_groups:
            begins, ends = decision_at[group == tested].min(), known_at[group == tested].max()
            for row in range(300):
                instants = np.arange(decision_at[row], known_at[row] + DAY)
                meets = ((instants >= begins) & (instants <= ends)).any()
                follows = ends < decision_at[row] <= ends + embargo
                assert not (split.is_train[row] and (meets or follows))
        trained += split.is_train.sum()
    assert trained > 15 * 30


def test_the_order_of_rows_does_not_matter():
    random = np.random.default_rng(12)
    decision_at = np.repeat(np.datetime64("2020-01-01") + np.arange(60), 2)
    known_at = decision_at + random.integers(1, 9, 120)
    order = random.permutation(120)
    plain = combinatorial_splits(decision_at, known_at, 6, 2, DAY)
    shuffled = combinatorial_splits(decision_at[order], known_at[order], 6, 2, DAY)
    for one, other in zip(plain, shuffled, strict=True):
        assert (one.is_train[order] == other.is_train).all()
        assert (one.is_test[order] == other.is_test).all()


def test_examples_show_the_targets_that_a_walk_forward_may_learn_from(small_world):
    """The SQL of examples against known_by, on every row of every window."""
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        rows = con.execute("""
            select
                examples.is_train, labels.known_at, windows.embargo_at, labels.normalised_label,
                examples.decision_at < windows.test_from and assets.listed_at <= windows.known_at as is_before
            from main.examples as examples
            inner join main.walk_forward_windows as windows using (clock, plan, window_id)
            inner join main.assets as assets on assets.symbol = examples.symbol
            left join main.labels as labels
                on labels.clock = examples.clock and labels.symbol = examples.symbol
                and labels.decision_at = examples.decision_at
        """).df()
    finally:
        con.close()
    is_known = known_by(rows["known_at"].to_numpy(), rows["embargo_at"].to_numpy())
    may_learn = is_known & rows["is_before"] & rows["normalised_label"].notna()
    assert (may_learn == rows["is_train"]).all()
    assert 1000 < may_learn.sum() < len(rows) - 1000


# The step.

HORIZON, DECISIONS, ASSETS = 20, 240, [f"A{number:02}" for number in range(20)]


@pytest.fixture
def nearest(tmp_path, monkeypatch) -> str:
    """A learner that overfits as far as one can, found as any plug-in is."""
    (tmp_path / "nearest.py").write_text(NEAREST)
    monkeypatch.setattr(python_steps.learners, "__path__", [*python_steps.learners.__path__, str(tmp_path)])
    yield "nearest"
    sys.modules.pop("python_steps.learners.nearest", None)


def world(seed: int = 1) -> dict[str, pd.DataFrame]:
    """Random walks, whose labels over 20 decisions overlap; readings say the asset and the instant."""
    random = np.random.default_rng(seed)
    instants = pd.bdate_range("2016-01-01", periods=DECISIONS + HORIZON + 10).as_unit("us")
    instants += pd.Timedelta(hours=14)
    shocks = random.normal(size=(len(ASSETS), DECISIONS + HORIZON))
    summed = np.cumsum(np.pad(shocks, ((0, 0), (1, 0))), axis=1)
    target = (summed[:, HORIZON:] - summed[:, :-HORIZON])[:, :DECISIONS] / np.sqrt(HORIZON)
    rows = pd.MultiIndex.from_product([ASSETS, range(DECISIONS)], names=["symbol", "place"]).to_frame(
        index=False
    )
    rows["decision_at"] = instants[rows["place"]]
    rows["label_known_at"] = instants[rows["place"] + HORIZON]
    test_from, embargo_at = instants[-1], instants[-6]
    examples = rows.assign(
        clock="global", plan="default", window_id=0, target=target.ravel(), is_train=True, known_at=test_from
    )
    readings = pd.concat(
        rows.assign(clock="global", signal=signal, value=value)
        for signal, value in (
            ("asset", rows["symbol"].map(ASSETS.index) / len(ASSETS)),
            ("time", rows["place"] / DECISIONS),
        )
    )
    window = {"clock": "global", "plan": "default", "window_id": 0, "test_from": test_from}
    window |= {"embargo_at": embargo_at, "known_at": test_from, "is_disjoint": True}
    return {"examples": examples, "readings": readings, "windows": pd.DataFrame([window])}


def said(learner: str, **tables: pd.DataFrame) -> pd.DataFrame:
    signals = to_signals(tables["readings"])
    return estimate(tables["examples"], signals, tables["windows"], Learner(learner, learner, {}), "run", 1)


def values(found: pd.DataFrame, unit: str, span: str, metric: str = "information_coefficient") -> pd.Series:
    is_wanted = (found["unit"] == unit) & (found["span"] == span) & (found["metric"] == metric)
    return found.loc[is_wanted].set_index("number")["value"]


def test_purging_takes_from_a_learner_by_heart_the_skill_it_never_had(nearest):
    """Unpurged: the same labels said to be known at once, with no embargo, so that nothing meets anything."""
    skill = {"purged": [], "unpurged": []}
    for seed in range(1, 6):
        told = world(seed)
        lying = told["examples"].assign(label_known_at=told["examples"]["decision_at"])
        at_once = told["windows"].assign(embargo_at=told["windows"]["test_from"])
        unpurged = said(nearest, examples=lying, readings=told["readings"], windows=at_once)
        for name, found in (("purged", said(nearest, **told)), ("unpurged", unpurged)):
            assert (values(found, "split", "train") > 0.999).all()
            skill[name].append(
                [
                    values(found, "split", "test").mean(),
                    values(found, "path", "test").mean(),
                    values(found, "path", "test", "label_sharpe").mean(),
                ]
            )
    purged, unpurged = (np.array(skill[name]) for name in ("purged", "unpurged"))
    assert (unpurged > [0.2, 0.2, 0.5]).all()
    assert (np.abs(purged.mean(axis=0)) < [0.05, 0.05, 0.2]).all()


def test_a_plain_learner_of_noise_shows_its_gap_and_one_of_a_signal_shows_skill():
    noise = said("ridge", **world())
    assert values(noise, "split", "train").mean() > values(noise, "split", "test").mean()
    told = world()
    target = told["examples"].set_index(["symbol", "decision_at"])["target"]
    hint = told["readings"][told["readings"]["signal"] == "time"].assign(signal="hint")
    random = np.random.default_rng(2)
    hint["value"] = np.tanh(target.loc[pd.MultiIndex.from_frame(hint[["symbol", "decision_at"]])].to_numpy())
    hint["value"] += random.normal(size=len(hint))
    skilled = said("ridge", **told | {"readings": pd.concat([told["readings"], hint])})
    assert (values(skilled, "split", "test") > 0.3).all()
    assert (values(skilled, "path", "test", "rank_information_coefficient") > 0.3).all()
    assert (values(skilled, "path", "test", "label_sharpe") > 1).all()


def test_each_split_and_path_has_each_metric_once():
    found = said("ridge", **world())
    assert list(found.columns) == CPCV_METRICS
    counts = found.groupby(["unit", "span", "metric"])["number"].agg(["count", "nunique"])
    assert counts["count"].equals(counts["nunique"].rename("count"))
    assert counts["count"].to_dict() == {
        ("path", "test", "information_coefficient"): 5,
        ("path", "test", "label_sharpe"): 5,
        ("path", "test", "rank_information_coefficient"): 5,
        ("split", "test", "information_coefficient"): 15,
        ("split", "test", "rank_information_coefficient"): 15,
        ("split", "train", "information_coefficient"): 15,
        ("split", "train", "rank_information_coefficient"): 15,
    }
    assert (found["known_at"] == world()["windows"]["known_at"].iloc[0]).all()
    assert (found.loc[found["unit"] == "path", "examples"] == DECISIONS * len(ASSETS)).all()
    assert np.isfinite(found["value"]).all()
    assert found["reason"].isna().all()


def test_a_split_is_fitted_on_its_training_rows_alone():
    """Other targets in the first group change nothing that splits which test it were trained on."""
    told = world()
    examples = told["examples"]
    first = examples["place"] < DECISIONS // 6
    spoiled = examples.assign(target=examples["target"].where(~first, 1e6 * (1 + examples["place"])))
    before, after = said("ridge", **told), said("ridge", **told | {"examples": spoiled})
    tests_it = list(range(5))
    pd.testing.assert_series_equal(
        values(before, "split", "train")[tests_it],
        values(after, "split", "train")[tests_it],
        check_exact=True,
    )
    rest = [number for number in range(15) if number not in tests_it]
    assert (values(before, "split", "train")[rest] != values(after, "split", "train")[rest]).all()


def test_the_numbers_of_a_path_are_those_computed_by_hand():
    told = world()
    rows = told["examples"].sort_values(["decision_at", "symbol"], ignore_index=True)
    wide = told["readings"].pivot_table(index=["decision_at", "symbol"], columns="signal", values="value")
    features, target = wide.to_numpy(), rows["target"].to_numpy()
    place, seed = np.arange(len(rows)), np.random.SeedSequence(1)
    seen = Training(("asset", "time"), features, target, place, place, place, seed)
    embargo = (told["windows"]["test_from"] - told["windows"]["embargo_at"]).to_numpy()[0]
    group = rows["place"].to_numpy() // 40
    forecast, value = np.empty(len(rows)), np.empty(len(rows))
    for split in combinatorial_splits(
        rows["decision_at"].to_numpy(), rows["label_known_at"].to_numpy(), 6, 2, embargo
    ):
        where = np.isin(group, np.flatnonzero(combinatorial_paths(6, 2)[3] == split.number))
        fitted = ridge.fit(seen[split.is_train])
        forecast[where] = fitted.predict(features[where])
        deviation = fitted.predict(features[split.is_train]).std()
        value[where] = np.tanh(forecast[where] / deviation)
    earned = (value * target).reshape(DECISIONS, len(ASSETS)).mean(axis=1)
    found = said("ridge", **told)
    by_hand = {
        "information_coefficient": np.corrcoef(forecast, target)[0, 1],
        "rank_information_coefficient": spearmanr(forecast, target).statistic,
        "label_sharpe": earned.mean() / earned.std(ddof=1),
    }
    for metric, expected in by_hand.items():
        assert values(found, "path", "test", metric)[3] == pytest.approx(expected, abs=1e-12)


def test_a_signal_that_begins_in_a_tested_group_is_no_feature_of_its_splits():
    told = world()
    time = told["readings"][told["readings"]["signal"] == "time"]
    late = time[time["place"] >= DECISIONS * 5 // 6].assign(signal="late")
    late["value"] = np.random.default_rng(4).normal(size=len(late))
    before = said("ridge", **told)
    after = said("ridge", **told | {"readings": pd.concat([told["readings"], late])})
    tests_it = [4, 8, 11, 13, 14]
    for span in ("train", "test"):
        one, other = values(before, "split", span), values(after, "split", span)
        assert (one == other).to_numpy().nonzero()[0].tolist() == tests_it


def test_a_target_known_after_the_embargo_teaches_and_tests_nothing():
    told = world()
    late = told["examples"]["place"] >= DECISIONS - 40
    shown_late = told["examples"].assign(
        label_known_at=told["examples"]["label_known_at"].where(~late, told["windows"]["test_from"].iloc[0])
    )
    found = said("ridge", **told | {"examples": shown_late})
    without = said("ridge", **told | {"examples": told["examples"][~late]})
    pd.testing.assert_frame_equal(found, without, check_exact=True)


def test_the_order_of_rows_changes_no_bit():
    told = world()
    shuffled = {name: table.sample(frac=1, random_state=3) for name, table in told.items()}
    pd.testing.assert_frame_equal(said("ridge", **shuffled), said("ridge", **told), check_exact=True)


def test_another_window_changes_no_bit_of_the_first():
    told = world()
    second = {"window_id": 7, "known_at": told["windows"]["known_at"].iloc[0] + pd.Timedelta(days=365)}
    more = {
        "examples": pd.concat([told["examples"], world(seed=9)["examples"].assign(**second)]),
        "windows": pd.concat([told["windows"], told["windows"].assign(**second)]),
    }
    both = said("ridge", **told | more)
    assert sorted(both["window_id"].unique()) == [0, 7]
    pd.testing.assert_frame_equal(
        both[both["window_id"] == 0], said("ridge", **told), check_exact=True, check_dtype=False
    )


def test_what_is_undefined_is_null_and_says_why():
    told = world()
    flat = said("ridge", **told | {"examples": told["examples"].assign(target=1.0)})
    assert flat["value"].isna().all()
    assert set(flat["reason"]) == {"forecast does not move", "value times target does not move"}
    few = said("ridge", **told | {"examples": told["examples"][told["examples"]["symbol"] == "A00"]})
    is_short = few["reason"] == "fewer than 100 rows to learn from"
    assert is_short.any()
    assert few.loc[is_short, "value"].isna().all()


@pytest.mark.parametrize(
    "is_kept",
    [
        lambda rows: rows["symbol"].eq("A00") & rows["place"].lt(99),
        lambda rows: rows["place"].lt(5),
        lambda rows: rows["place"].lt(0),
    ],
    ids=["99 examples", "five decisions", "none"],
)
def test_a_window_that_is_too_small_is_skipped(is_kept):
    told = world()
    found = said("ridge", **told | {"examples": told["examples"][is_kept]})
    assert len(found) == 0
    assert list(found.columns) == CPCV_METRICS


def test_one_window_a_year_is_taken_and_stays_taken():
    starts = pd.bdate_range("2016-03-01", "2018-12-31", freq="21B")
    windows = pd.DataFrame({"window_id": range(len(starts)), "test_from": starts})
    windows["is_disjoint"] = windows["window_id"] % 3 == 0
    taken = yearly(windows)
    assert taken["test_from"].dt.year.tolist() == [2016, 2017, 2018]
    assert taken["is_disjoint"].all()
    for count in range(1, len(windows)):
        known = yearly(windows.head(count))
        assert known["window_id"].tolist() == taken["window_id"].tolist()[: len(known)]


def test_the_small_world_holds_the_estimate_of_each_year(small_world):
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        found = con.execute("from main.cpcv_metrics").df()
        windows = con.execute("from main.walk_forward_windows").df()
    finally:
        con.close()
    assert set(found["learner"]) == {"ridge"}  # the only one of the plan that decides there
    keys = ["clock", "plan", "window_id"]
    placed = found.merge(windows[[*keys, "test_from"]], on=keys)
    assert len(placed) == len(found)
    assert (placed["known_at"] == placed["test_from"]).all()
    assert set(found.groupby(["plan", "window_id"]).size()) == {75}
    assert values(found, "split", "train").mean() > values(found, "split", "test").mean()
