"""What is chosen inside a train span: folds that walk forward, and a choice by what holds in most of them."""

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from python_steps.learners import selected_learner
from python_steps.learners.selected_learner import (
    EMBARGO,
    FEWEST_ROWS,
    FOLDS,
    SPACE,
    coefficients,
    fit,
    fitted_on,
    folds,
    information_coefficient,
    space,
)
from tests.promises.test_learners import make_features, make_training

HORIZON = 5  # decisions that a label reaches over; here it is known one later
POISON = 1e3


def span(seed: int = 3, decisions: int = 150, **parameters):
    """Five assets; the first feature earns something."""
    features = make_features(seed, 5 * decisions, 6)
    noise = np.random.default_rng(seed).normal(size=len(features))
    return make_training(features, 0.5 * np.nan_to_num(features[:, 0]) + noise, **parameters)


def poisoned(training, rows):
    target, features = training.target.copy(), training.features.copy()
    target[rows] = POISON
    features[rows] = -POISON
    seen = {"target": target, "features": features}
    return type(training)(**{**training.__dict__, **seen})


def test_folds_walk_forward_and_leave_out_what_was_not_known_an_embargo_before():
    training = span()
    laid = list(folds(training))
    assert len(laid) == FOLDS
    tested = np.sum([is_test for _, is_test in laid], axis=0)
    assert (tested == (training.decision >= 30)).all()
    for is_train, is_test in laid:
        begins = training.decision[is_test].min()
        assert training.known[is_train].max() == begins - EMBARGO
        assert training.decision[is_train].max() < begins - EMBARGO - HORIZON
        later = ~is_train & (training.decision < begins)
        assert (training.known[later] > begins - EMBARGO).all()


@pytest.mark.parametrize("name", list(space()))
def test_no_fold_learns_from_its_test_span_or_from_the_ten_decisions_before_it(name):
    training = span()
    for is_train, is_test in folds(training):
        begins = training.decision[is_test].min()
        spoiled = poisoned(training, training.decision >= begins - EMBARGO - HORIZON)
        (places, before), (others, after) = (
            fitted_on(one, is_train, space()[name]) for one in (training, spoiled)
        )
        assert places.tolist() == others.tolist()
        assert before.parameters() == after.parameters()


def test_a_fold_is_judged_before_the_next_one_is_known():
    """Poison from the second tested block on changes no bit of the first; from the first on it does."""
    training, one = span(), space()[next(iter(space()))]
    whole = coefficients(training, one)
    assert coefficients(poisoned(training, training.decision >= 60), one)[0] == whole[0]
    assert (coefficients(poisoned(training, training.decision >= 120), one)[:3] == whole[:3]).all()
    assert coefficients(poisoned(training, training.decision == 40), one)[0] != whole[0]


def test_the_choice_is_the_one_with_the_greatest_lower_quartile_and_the_plainest_among_equals(monkeypatch):
    names = list(space())
    said = dict.fromkeys(names, np.array([0.0, 0.1, 0.1, 0.1]))
    said[names[3]] = np.array([-0.2, 0.9, 0.9, -0.2])  # best on average
    said[names[5]] = said[names[7]] = np.array([0.2, 0.2, 0.2, 0.2])
    monkeypatch.setattr(selected_learner, "coefficients", lambda training, one: said[str(one)])
    fitted = fit(span())
    assert str(fitted.configuration) == names[5]
    tried = {one.configuration: one for one in fitted.tried}
    assert list(tried) == names
    assert [one.configuration for one in fitted.tried if one.is_chosen] == [names[5]]
    assert tried[names[3]].mean_ic == pytest.approx(0.35)
    assert tried[names[3]].lower_quartile_ic == pytest.approx(-0.2)
    assert tried[names[3]].folds == 4


def test_the_choice_is_fitted_on_the_whole_span():
    training = span()
    fitted = fit(training)
    places, again = fitted_on(training, np.ones(len(training), dtype=bool), fitted.configuration)
    assert fitted.fitted.parameters() == again.parameters()
    assert 0 in places
    assert (fitted.importances()[np.setdiff1d(np.arange(6), places)] == 0).all()


def test_a_span_too_short_for_folds_takes_the_plainest():
    training = span(decisions=4)
    assert len(training) < FEWEST_ROWS
    assert str(fit(training).configuration) == next(iter(space()))
    assert all(one.folds == 0 for one in fit(training).tried)


def test_the_space_names_settings_that_its_learners_have():
    assert set(SPACE) == set(selected_learner.MODULES)
    training = span()
    for one in space().values():
        fitted_on(training, np.ones(len(training), dtype=bool), one)
    assert len(space()) == 2 * sum(map(len, SPACE.values()))


def test_the_information_coefficient_is_the_mean_over_decisions_that_have_one():
    training = span(decisions=4)
    forecast = np.random.default_rng(1).normal(size=20)
    forecast[training.decision == 2] = 0.3  # does not move
    few = training[~((training.decision == 3) & (training.symbol > 1))]
    pairs = [(forecast[5 * d : 5 * d + 5], training.target[5 * d : 5 * d + 5]) for d in (0, 1)]
    by_hand = np.mean([np.corrcoef(*pair)[0, 1] for pair in pairs])
    assert information_coefficient(forecast[: len(few)], few) == pytest.approx(by_hand, abs=1e-15)
    assert information_coefficient(np.ones(20), training) == 0


def test_another_sampler_is_refused_and_optuna_names_its_extra(monkeypatch):
    with pytest.raises(ValueError, match="sampler 'luck' is unknown; expected one of grid, optuna"):
        fit(span(sampler="luck"))
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"needs its extra: portfolio-warehouse\[optuna\]"):
        fit(span(sampler="optuna"))


@pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
def test_optuna_looks_at_a_part_of_the_space_and_at_the_same_one_each_time():
    one, other = fit(span(sampler="optuna")), fit(span(sampler="optuna"))
    names = [tried.configuration for tried in one.tried]
    assert 1 < len(names) <= selected_learner.BUDGET < len(space())
    assert names == [name for name in space() if name in names]
    assert json.dumps(one.parameters()) == json.dumps(other.parameters())
    assert one.tried == other.tried
