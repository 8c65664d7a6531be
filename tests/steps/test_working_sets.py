"""Mean-variance over a working set, by the solver directly, is the answer of cvxpy over all assets."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from python_steps.allocators import _quadratic, mean_variance
from tests.steps.test_projection import make_limits

CASES = [(seed, size) for size in (5, 40, 60, 150) for seed in range(3)]
LOOSE = 10.0  # a turnover that nothing reaches: with it, all assets go through cvxpy at once


def make_case(seed, size):
    """Assets that share three risks; some are held, and some hedge what the others have."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(size, 3)) * 0.008
    matrix = shared @ shared.T + np.diag(rng.uniform(0.003, 0.012, size) ** 2)
    symbols = [f"S{at:03d}" for at in range(size)]
    held = np.where(rng.uniform(size=size) < 0.4, rng.uniform(0, 1.5 / size, size), 0.0)
    views = pd.DataFrame(
        {
            "shrunk_view": rng.normal(1e-4, 4e-4, size),
            "previous_weight": held,
            "cost_rate": np.where(rng.uniform(size=size) < 0.3, 0.0, 0.0015),
        },
        index=symbols,
    )
    first = np.arange(size) < size // 2
    limits = make_limits(rng.choice([0.0, 0.1, 0.3], size), classes=[(first, 0.4), (~first, 0.5)])
    return views, pd.DataFrame(matrix, symbols, symbols), replace(limits, symbols=tuple(symbols))


@pytest.mark.parametrize(("seed", "size"), CASES)
def test_a_working_set_gives_what_all_assets_give(seed, size):
    views, matrix, limits = make_case(seed, size)
    ours = mean_variance.allocate(views, matrix, limits)
    whole = mean_variance.allocate(views, matrix, replace(limits, turnover=LOOSE))
    np.testing.assert_allclose(ours, whole, atol=2e-6)
    assert value(ours, views, matrix) >= value(whole, views, matrix) - 1e-10
    assert prices_of(ours, limits) == pytest.approx(prices_of(whole, limits), abs=1e-7)


def prices_of(weights, limits):
    """Of every limit; that of what may not be held at all is not told by the answer, and is left out."""
    allowed = [symbol for symbol, upper in zip(limits.symbols, limits.upper, strict=True) if upper > 0]
    names = [*(f"asset {symbol}" for symbol in allowed), *(group.name for group in limits.groups)]
    return {name: weights.attrs["prices"].get(name, 0.0) for name in names}


def value(weights, views, matrix):
    """What is maximised, per decision."""
    weights, rows = weights.to_numpy(), {name: views[name].to_numpy() for name in views}
    trading = rows["cost_rate"] @ np.abs(weights - rows["previous_weight"]) / mean_variance.HOLDING
    return rows["shrunk_view"] @ weights - 2.5 * weights @ matrix.to_numpy() @ weights - trading


def test_what_is_no_good_alone_is_held_as_a_hedge():
    """Fifty assets share a risk; one that has lost of late falls when they rise, and is in no first set."""
    size = 51
    load = np.append(np.full(50, 0.01), -0.01)
    matrix = np.outer(load, load) + np.diag(np.full(size, 1e-6))
    symbols = [f"S{at:02d}" for at in range(size)]
    views = pd.DataFrame(
        {"shrunk_view": np.append(np.full(50, 1e-4), -1e-6), "previous_weight": 0.0, "cost_rate": 0.0},
        index=symbols,
    )
    limits = replace(make_limits(np.full(size, 0.3)), symbols=tuple(symbols))
    program = mean_variance._program(views, matrix, limits, 5 * float(np.trace(matrix)) / size)
    sets = []

    def noted(part):
        sets.append(len(part.view))
        return _quadratic.directly(part)

    found = _quadratic.over_working_sets(program, noted, _quadratic.FEW)
    assert sets[0] == _quadratic.FEW < sets[-1]
    assert found.weights[-1] > 0.1


def test_the_same_program_has_the_same_bits_whatever_was_solved_before():
    views, matrix, limits = make_case(1, 150)
    first = mean_variance.allocate(views, matrix, limits)
    mean_variance.allocate(*make_case(2, 150))
    assert mean_variance.allocate(views, matrix, limits).to_numpy().tobytes() == first.to_numpy().tobytes()
