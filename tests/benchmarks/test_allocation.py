"""How long one rebalance takes by each allocator, and mean-variance beside cvxpy built anew and skfolio."""

import time
import warnings

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from skfolio.model_selection import WalkForward, cross_val_predict
from skfolio.optimization import MeanRisk, ObjectiveFunction

from python_steps import plugins, scenarios
from python_steps.allocators import ask, mean_variance
from python_steps.covariances import covariance, ledoit_wolf
from python_steps.limits import Group, Limits
from tests.benchmarks.results import record, show
from tests.benchmarks.yardsticks import cpu_seconds

pytestmark = pytest.mark.benchmark

SIZES = (25, 100, 500)
REBALANCES = 4  # of skfolio's walk, over which its CPU is spread
SLOW = ("minimum_cvar",)  # of 500 assets and 1,000 scenarios: half a million coefficients


def make_case(size):
    rng = np.random.default_rng(size)
    symbols = [f"S{at:03d}" for at in range(size)]
    returns = (
        rng.normal(size=(252, size)) * rng.uniform(0.004, 0.02, size) + rng.normal(size=(252, 1)) * 0.004
    )
    kinds = np.array(["crypto", "equity", "fx"])[np.arange(size) % 3]
    view, error = rng.normal(3e-4, 4e-4, size), rng.uniform(1e-5, 2e-4, size)
    views = pd.DataFrame(
        {
            "ensemble_view": view,
            "standard_error": error,
            "shrunk_view": np.maximum(0, 1 - (error / view) ** 2) * view,
            "asset_class": kinds,
            "previous_weight": rng.dirichlet(np.ones(size)) * 0.5,
            "cost_rate": 0.0006,
        },
        index=pd.Index(symbols, dtype=object),
    )
    matrix = estimated(returns)
    limits = Limits(
        symbols=tuple(symbols),
        upper=np.full(size, 0.2),
        classes=tuple(Group(f"class {kind}", kinds == kind, 0.4) for kind in np.unique(kinds)),
        clusters=(),
        change=0.05,
        turnover=None,
        volatility=None,
        factor=np.linalg.cholesky(matrix).T,
        risk_aversion=5.0,
    )
    return views, pd.DataFrame(matrix, views.index, views.index), limits, returns


def through_cvxpy(views, matrix, limits):
    """Mean-variance where the solver is not spoken to directly: the compiled problem of cvxpy."""
    scale = limits.risk_aversion * float(np.trace(matrix)) / len(views)
    program = mean_variance._program(views, matrix.to_numpy(), limits, scale)
    return mean_variance.through_cvxpy(program, limits)


def estimated(returns):
    return covariance(returns, ledoit_wolf.estimate)[1]


def rebuilt(views, matrix, limits):
    """Mean-variance as one would write it: a new problem each time, with the covariance in it."""
    weights = cp.Variable(len(views))
    trade = weights - views["previous_weight"].to_numpy()
    variance = cp.quad_form(weights, cp.psd_wrap(matrix.to_numpy()))
    unit = 5 * np.trace(matrix.to_numpy()) / len(views)
    reward = views["shrunk_view"].to_numpy() @ weights - 2.5 * variance - 0.0006 / 5 * cp.norm1(trade)
    rules = [weights >= 0, weights <= limits.upper]
    rules += [cp.sum(weights[np.flatnonzero(group.members)]) <= group.limit for group in limits.groups]
    problem = cp.Problem(cp.Maximize(reward / unit), rules)
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return weights.value


def walk_forward(returns):
    """CPU of one rebalance in skfolio's walk: it estimates and solves anew, with the same bounds."""
    rows = np.vstack([returns, returns[:REBALANCES]])
    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY, risk_aversion=2.5, max_weights=0.2
    )
    walk = WalkForward(test_size=1, train_size=len(returns))
    begun = time.process_time()
    cross_val_predict(model, pd.DataFrame(rows), cv=walk)
    return (time.process_time() - begun) / REBALANCES


def ratios(found):
    """Mean-variance, with the covariance, over what stands beside it, by size."""
    directly, compiled = ("mean_variance", "(covariance)"), ("mean_variance, compiled by cvxpy",)
    lines = []
    for way, ours, peer in (
        ("by the solver's own update", directly, "(cvxpy rebuilt)"),
        ("with cvxpy in the loop", compiled, "(cvxpy rebuilt)"),
        ("by the solver's own update", directly, "(skfolio walk-forward)"),
    ):
        shares = [f"1/{found[peer, size] / sum(found[one, size] for one in ours):.1f}" for size in SIZES]
        lines.append(f"Mean-variance {way} over {peer.strip('()')}: {', '.join(shares)}.")
    return lines


def test_what_a_rebalance_takes(capsys):
    warnings.simplefilter("ignore")
    lines = [
        "| allocator | " + " | ".join(f"{size} assets" for size in SIZES) + " |",
        "| --- |" + " ---: |" * 3,
    ]
    found = {}
    for size in SIZES:
        views, matrix, limits, returns = make_case(size)
        drawn = pd.DataFrame(scenarios.draw(returns, 1), columns=views.index)
        for name, module in plugins.discover("python_steps.allocators").items():
            if size == 500 and name in SLOW:
                continue
            ask(module, views, matrix, limits, lambda drawn=drawn: drawn)  # compiled once
            found[name, size] = cpu_seconds(
                lambda module=module, case=(views, matrix, limits), drawn=drawn: ask(
                    module, *case, lambda: drawn
                )
            )
        case = (views, matrix, limits)
        through_cvxpy(*case)
        for name, act in {
            "(covariance)": lambda returns=returns: estimated(returns),
            "mean_variance, compiled by cvxpy": lambda case=case: through_cvxpy(*case),
            "(cvxpy rebuilt)": lambda case=case: rebuilt(*case),
        }.items():
            found[name, size] = cpu_seconds(act)
        found["(skfolio walk-forward)", size] = walk_forward(returns)
    for name in sorted({name for name, _ in found}):
        cells = [f"{found[name, size] * 1e3:.1f}" if (name, size) in found else "" for size in SIZES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    about = "CPU ms of one rebalance, with limits by asset and class; in brackets what stands beside."
    with capsys.disabled():
        show(
            record(
                "Allocation",
                [about, "", *lines, "", *ratios(found)],
                "cvxpy",
                "clarabel",
                "skfolio",
                "scikit-learn",
            )
        )
    for size in SIZES:  # the ratios are printed; they depend on the solver, which takes most of the time
        ours, peer = found["mean_variance", size], found["(cvxpy rebuilt)", size]
        assert ours < found["mean_variance, compiled by cvxpy", size] < peer, size
        assert ours + found["(covariance)", size] < found["(skfolio walk-forward)", size], size
