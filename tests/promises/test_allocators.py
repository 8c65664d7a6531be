"""What every allocator promises, whatever it is called."""

import numpy as np
import pandas as pd
import pytest

from python_steps import plugins, scenarios
from python_steps.allocators import VIEW, ask, believed
from python_steps.covariances import repaired
from python_steps.least_distance import volatility
from python_steps.limits import Group, Limits

ALLOCATORS = plugins.discover("python_steps.allocators")
SLACK = 1e-6


def make_case(seed, size=9):
    """Views, covariance and limits of a small world; some views are negative, some uncertain."""
    rng = np.random.default_rng(seed)
    symbols = [f"S{at:02d}" for at in range(size)]
    returns = (
        rng.normal(size=(250, size)) * rng.uniform(0.004, 0.02, size) + rng.normal(size=(250, 1)) * 0.004
    )
    matrix = np.atleast_2d(np.cov(returns, rowvar=False))
    view, error = rng.normal(3e-4, 4e-4, size), rng.uniform(1e-5, 4e-4, size)
    kinds = np.array(["crypto", "equity", "fx"])[np.arange(size) % 3]
    views = pd.DataFrame(
        {
            "ensemble_view": view,
            "standard_error": error,
            "shrunk_view": np.maximum(0, 1 - (error / view) ** 2) * view,
            "asset_class": kinds,
            "previous_weight": rng.dirichlet(np.ones(size)) * 0.5,
            "cost_rate": 0.0006,
        },
        index=symbols,
    )
    limits = Limits(
        symbols=tuple(symbols),
        upper=np.full(size, 0.2),
        classes=tuple(Group(f"class {kind}", kinds == kind, 0.4) for kind in np.unique(kinds)),
        clusters=(Group("cluster S00+S01", np.arange(size) < 2, 0.3),) if size > 1 else (),
        change=0.05,
        turnover=None,
        volatility=None,
        factor=np.linalg.cholesky(matrix).T,
        risk_aversion=5.0,
    )
    return views, pd.DataFrame(matrix, symbols, symbols), limits


def allocate(allocator, views, matrix, limits, unit=1.0):
    """The allocator's weights; scenarios come from normal returns with the covariance, in another unit."""
    symbols = sorted(views.index)
    root = np.linalg.cholesky(matrix.loc[symbols, symbols].to_numpy() / unit**2)
    noise = [np.random.default_rng(int(symbol[1:])).normal(size=252) for symbol in symbols]
    returns = np.array(noise).T @ root.T
    drawn = pd.DataFrame(scenarios.draw(returns, 1), columns=symbols)[list(views.index)]
    return ask(allocator, views, matrix, limits, lambda: drawn * unit)


@pytest.fixture(params=ALLOCATORS)
def allocator(request):
    return ALLOCATORS[request.param]


def test_there_are_allocators_to_test():
    assert set(ALLOCATORS) >= {
        *("black_litterman", "equal_weight", "hierarchical_equal_risk", "hierarchical_risk_parity"),
        *("inverse_volatility", "maximum_diversification", "mean_variance", "minimum_cvar"),
        *("minimum_variance", "risk_budgeting", "risk_parity"),
    }


def test_a_file_says_which_variant_of_its_method_it_is(allocator):
    assert allocator.VARIANT
    assert isinstance(allocator.IS_RISK_BASED, bool)


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_long_only_finite_and_leave_the_rest_to_cash(allocator, seed):
    views, matrix, limits = make_case(seed)
    weights = allocate(allocator, views, matrix, limits)
    assert list(weights.index) == list(views.index)
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.sum() <= 1 + SLACK


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_symbols_does_not_matter(allocator, seed):
    views, matrix, limits = make_case(seed)
    shuffled = np.random.default_rng(seed).permutation(views.index)
    weights = allocate(allocator, views, matrix, limits)
    again = allocate(allocator, views.loc[shuffled], matrix.loc[shuffled, shuffled], limits)
    assert list(again.index) == list(shuffled)
    assert again.loc[weights.index].to_numpy().tobytes() == weights.to_numpy().tobytes()


def test_the_same_input_gives_the_same_bits_whatever_was_asked_before(allocator):
    views, matrix, limits = make_case(0)
    first = allocate(allocator, views, matrix, limits).to_numpy().tobytes()
    allocate(allocator, *make_case(1))
    assert allocate(allocator, views, matrix, limits).to_numpy().tobytes() == first


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [name for name, module in ALLOCATORS.items() if module.IS_RISK_BASED])
def test_what_is_risk_based_gives_what_the_error_of_a_view_leaves_and_renormalises_nothing(name, seed):
    allocator = ALLOCATORS[name]
    views, matrix, limits = make_case(seed)
    sure = views.assign(ensemble_view=1.0, standard_error=0.0, shrunk_view=(views["shrunk_view"] > 0) * 1.0)
    parity = allocate(allocator, sure, matrix, limits)
    found = allocate(allocator, views, matrix, limits)
    np.testing.assert_allclose(found, parity * believed(*views[list(VIEW)].to_numpy().T), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_unit_of_returns_does_not_matter(allocator, seed):
    views, matrix, limits = make_case(seed)
    if allocator.IS_RISK_BASED:
        scaled = views.assign(
            **{name: views[name] * 7 for name in ("ensemble_view", "standard_error", "shrunk_view")}
        )
        found = allocate(allocator, scaled, matrix * 49, limits, unit=7.0)
    else:  # view'w - a/2 w'Sw - cost'|trade| grows by 7 as a whole
        scaled = views.assign(shrunk_view=views["shrunk_view"] * 7, ensemble_view=views["ensemble_view"] * 7)
        scaled = scaled.assign(standard_error=views["standard_error"] * 7, cost_rate=views["cost_rate"] * 7)
        found = allocate(allocator, scaled, matrix * 49, Limits(**{**vars(limits), "risk_aversion": 5.0 / 7}))
    np.testing.assert_allclose(found, allocate(allocator, views, matrix, limits), atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_an_asset_without_a_view_changes_nothing_for_the_others(allocator, seed):
    views, matrix, limits = make_case(seed)
    views.loc["S04", ["ensemble_view", "standard_error", "shrunk_view", "previous_weight"]] = 0.0
    others = views.index.drop("S04")
    matrix.loc["S04", others], matrix.loc[others, "S04"] = 0.0, 0.0  # it is no hedge either
    without = allocate(allocator, views.loc[others], matrix.loc[others, others], limits)
    limits = Limits(**{**vars(limits), "factor": np.linalg.cholesky(matrix.to_numpy()).T})
    found = allocate(allocator, views, matrix, limits)
    assert found["S04"] <= SLACK
    np.testing.assert_allclose(found.loc[others], without, atol=2e-5)


def test_no_view_above_zero_is_all_cash(allocator):
    views, matrix, limits = make_case(0)
    views = views.assign(ensemble_view=-1e-4, shrunk_view=0.0, previous_weight=0.0)
    assert allocate(allocator, views, matrix, limits).abs().max() <= SLACK


def test_views_reach_the_weights(allocator):
    views, matrix, limits = make_case(0)
    limits = Limits(**{**vars(limits), "risk_aversion": 50.0})
    sure = views.assign(ensemble_view=1e-3, standard_error=1e-4, shrunk_view=0.99e-3, cost_rate=0.0)
    unsure = sure.assign(standard_error=9e-4, shrunk_view=0.19e-3)
    assert (
        allocate(allocator, unsure, matrix, limits).sum()
        < allocate(allocator, sure, matrix, limits).sum() - 0.05
    )


@pytest.mark.parametrize("size", [1, 2])
def test_one_or_two_assets_are_enough(allocator, size):
    views, matrix, limits = make_case(3, size)
    views = views.assign(ensemble_view=1e-3, standard_error=1e-4, shrunk_view=0.99e-3)
    assert allocate(allocator, views, matrix, limits).sum() > 0


def test_pegs_and_twins_do_no_harm(allocator):
    views, matrix, limits = make_case(0)
    rows = matrix.to_numpy().copy()
    rows[:, 1], rows[1, :] = rows[:, 0], rows[0, :]
    rows[1, 1], rows[2, :], rows[:, 2] = rows[0, 0], 0.0, 0.0
    weights = allocate(allocator, views, pd.DataFrame(repaired(rows), views.index, views.index), limits)
    assert np.isfinite(weights).all()
    assert weights.sum() <= 1 + SLACK


@pytest.mark.parametrize("seed", range(4))
def test_an_optimiser_obeys_every_limit_but_change(seed):
    for name, module in ALLOCATORS.items():
        if getattr(module, "IS_RISK_BASED", False):
            continue
        views, matrix, limits = make_case(seed)
        tight = Limits(**{**vars(limits), "turnover": 0.6, "volatility": 0.003})
        weights = allocate(module, views, matrix, tight).to_numpy()
        assert (weights <= limits.upper + SLACK).all(), name
        assert all(weights[group.members].sum() <= group.limit + SLACK for group in tight.groups), name
        assert volatility(weights, limits.factor) <= 0.003 + SLACK, name
        bought = np.maximum(weights - views["previous_weight"].to_numpy(), 0).sum()
        assert bought <= 0.6 + SLACK, name


def test_mean_variance_without_binding_limits_is_the_textbook_answer():
    views, matrix, limits = make_case(0)
    views = views.assign(shrunk_view=matrix.to_numpy() @ np.linspace(0.2, 0.6, 9), cost_rate=0.0)
    weights = ALLOCATORS["mean_variance"].allocate(views, matrix, limits)
    np.testing.assert_allclose(weights, np.linspace(0.2, 0.6, 9) / 5.0, atol=1e-5)


def test_mean_variance_stays_where_it_is_when_trading_costs_more_than_it_brings():
    views, matrix, limits = make_case(0)
    views = views.assign(previous_weight=0.1, cost_rate=1.0)
    weights = ALLOCATORS["mean_variance"].allocate(views, matrix, limits)
    np.testing.assert_allclose(weights, 0.1, atol=1e-5)


def test_mean_variance_that_cannot_be_solved_says_so():
    views, matrix, limits = make_case(0)
    impossible = Limits(**{**vars(limits), "turnover": 0.0001})
    with pytest.raises(RuntimeError, match="mean_variance: CLARABEL says"):
        ALLOCATORS["mean_variance"].allocate(views.assign(previous_weight=0.3), matrix, impossible)


def test_an_unknown_allocator_is_refused_with_the_names_there_are():
    with pytest.raises(LookupError, match="equal_weight, hierarchical_equal_risk, hierarchical_risk_parity"):
        plugins.load("python_steps.allocators", "crystal_ball")
