"""Random problems, good and bad, for every allocator: every limit kept, or a fallback that says why."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from python_steps import limits as bounds_of
from python_steps import plugins
from python_steps.allocation_answer import Answer, Situation, answer, risk_of, smoothed
from python_steps.least_distance import turnover, volatility
from python_steps.projection import project
from tests.steps.test_allocate_exposures import with_policy

PROBLEMS = 100  # for each allocator, so 1,100, and as many with shorts
KEPT = 1e-8
ALLOCATORS = plugins.discover("python_steps.allocators")
ESTIMATORS = plugins.discover("python_steps.covariances")
KINDS = ("crypto", "equity", "fx")


def returns_of(rng, size, *, is_huge):
    """Returns of assets, some of them pegs, twins, or with holes; at times too few or none."""
    rows = int(rng.choice([252, 130, 40, 2], p=[0.7, 0.24, 0.03, 0.03]))
    returns = (
        rng.normal(size=(rows, size)) * rng.uniform(1e-3, 0.05, size) + rng.normal(size=(rows, 1)) * 0.004
    )
    for at in range(size):
        trouble = rng.random()
        if trouble < 0.06:
            returns[:, at] = 0.0
        elif trouble < 0.14:
            returns[:, at] = returns[:, rng.integers(0, size)] * rng.choice([1.0, -1.0])
        elif trouble < 0.18:
            returns[rng.integers(0, rows), at] = np.nan
    if rng.random() < 0.04:
        returns[-1] = rng.choice([np.nan, np.inf, -np.inf])
    if is_huge:
        returns *= 1e160  # their squares are not finite
    return returns


def situation_of(rng, size):
    view = rng.normal(6e-4, 4e-4, size) * rng.choice([1.0, 100.0, 1e-9, -1.0], p=[0.75, 0.15, 0.05, 0.05])
    error = rng.uniform(0, 6e-4, size) * rng.choice([1.0, 1.0, 0.0])
    share = np.divide(error, view, out=np.full(size, np.inf), where=view != 0)
    shrunk = np.maximum(0.0, 1 - share**2) * view
    held = rng.dirichlet(np.full(size, 0.5)) * rng.choice([0.0, 0.5, 1.0, 1.02])
    excluded = rng.random(size) < rng.choice([0.0, 0.1, 1.0], p=[0.6, 0.36, 0.04])
    return Situation(
        symbols=[f"S{at:02d}" for at in range(size)],
        classes=rng.choice(KINDS, size).tolist(),
        previous=held,
        view=view,
        error=error,
        shrunk=shrunk,
        has_views=True,
        cost_rate=rng.choice([0.0, 6e-4, 0.5], size),
        excluded=excluded,
        barred=rng.random(size) < 0.05,
        confidence=rng.random(),
    )


def policy_of(rng, allocator):
    return with_policy(
        allocator=allocator,
        covariance=str(rng.choice(list(ESTIMATORS))),
        fallback=str(rng.choice(["hold_previous", "equal_weight", "cash"])),
        smoothing=float(rng.choice([0.3, 1.0])),
        limits__asset=float(rng.choice([0.05, 0.2, 1.0])),
        limits__asset_classes={kind: float(rng.choice([0.0, 0.1, 0.3, 1.0])) for kind in KINDS},
        limits__cluster={"correlation": 0.8, "decisions": 126, "limit": float(rng.choice([0.1, 0.4]))},
        limits__change=float(rng.choice([0.01, 0.05, 1.0])),
        limits__turnover=rng.choice([None, None, 0.02, 0.2]),
        limits__volatility=rng.choice([None, None, 0.02, 0.15]),
        limits__regimes={"risk_off": float(rng.choice([0.0, 0.4, 1.0]))},
    )


def with_shorts(rng, situation, policy):
    """The same problem, where some of what is held is short, half of the views expect a fall, and it may."""
    turned = rng.choice([-1.0, 1.0], len(situation.symbols))
    short = float(rng.choice([0.03, 0.2, 1.0]))
    limits = policy.limits.model_copy(
        update={
            "short": short,
            "gross": rng.choice([None, 0.8, 1.6]),
            "net": [None, (-0.1, 0.2), (0.0, 0.0), (-1.0, 1.0)][int(rng.integers(0, 4))],
        }
    )
    return (
        replace(
            situation,
            view=situation.view * turned,
            shrunk=situation.shrunk * turned,
            previous=situation.previous * rng.choice([-1.0, 1.0], len(turned)),
            allows_shorts=True,
        ),
        policy.model_copy(update={"allow_shorts": True, "limits": limits}),
    )


def broken(weights, situation, limits, forced):
    """Names of limits that weights break and nobody said were forced."""
    found = []
    for at, symbol in enumerate(situation.symbols):
        if weights[at] > limits.upper[at] + KEPT:
            found.append(f"asset {symbol}")
        if weights[at] < limits.lower[at] - KEPT:
            found.append(f"short {symbol}")
        if abs(weights[at] - situation.previous[at]) > limits.change + KEPT:
            found.append(f"change {symbol}")
    sizes = np.abs(weights)
    found += [group.name for group in limits.groups if sizes[group.members].sum() > group.limit + KEPT]
    if limits.net is not None and not limits.net[0] - KEPT <= weights.sum() <= limits.net[1] + KEPT:
        found.append("net")
    if limits.turnover is not None and turnover(weights, situation.previous) > limits.turnover + KEPT:
        found.append("turnover")
    if limits.volatility is not None and volatility(weights, limits.factor) > limits.volatility + KEPT:
        found.append("volatility")
    return [name for name in found if name not in forced]


def decide(seed, allocator, *, allow_shorts=False) -> tuple[Answer, list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    size = int(rng.choice([0, 1, 1, 2, 5, 12, 25], p=[0.02, 0.08, 0.05, 0.15, 0.3, 0.3, 0.1]))
    now, policy = situation_of(rng, size), policy_of(rng, allocator)
    if allow_shorts:
        now, policy = with_shorts(np.random.default_rng(seed + 1_000_000), now, policy)
    returns = returns_of(rng, size, is_huge=seed % 20 == 0)
    risk = risk_of(returns, ESTIMATORS[policy.covariance].estimate, now)
    seen = returns, risk.covariance, risk.measured
    regime = str(rng.choice(["risk_on", "risk_off"]))
    limits = bounds_of.build(policy, now.symbols, now.classes, *seen, 261.0, regime)
    said = answer(now, risk, limits, policy, ALLOCATORS[allocator])
    allowed = project(smoothed(said.raw, now, policy), now.previous, limits, now.excluded, now.barred)
    return said, broken(allowed.weights, now, limits, allowed.forced), allowed.weights


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # squares that are not finite
@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_random_problems_end_in_weights_that_keep_every_limit_or_in_a_reason(allocator):
    first = list(ALLOCATORS).index(allocator) * PROBLEMS
    statuses = Counter()
    for seed in range(first, first + PROBLEMS):
        said, broke, weights = decide(seed, allocator)
        assert np.isfinite(weights).all(), seed
        assert (weights >= 0).all(), seed
        assert weights.sum() <= 1 + KEPT, seed
        assert not broke, (seed, broke)
        assert said.reason, seed
        assert (said.status == "fallback") == (said.fallback_mode is not None), seed
        statuses[said.status] += 1
    assert statuses["solved"] >= 0.5 * PROBLEMS
    assert min(statuses["fallback"], statuses["no_data"], statuses["no_view"]) > 0


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_random_problems_with_shorts_keep_every_limit_too(allocator):
    first = list(ALLOCATORS).index(allocator) * PROBLEMS
    statuses, shorts = Counter(), 0
    for seed in range(first, first + PROBLEMS):
        said, broke, weights = decide(seed, allocator, allow_shorts=True)
        assert np.isfinite(weights).all(), seed
        assert not broke, (seed, broke)
        assert said.reason, seed
        assert (said.status == "fallback") == (said.fallback_mode is not None), seed
        statuses[said.status] += 1
        shorts += int((said.raw < 0).any())
    assert statuses["solved"] >= 0.4 * PROBLEMS
    assert shorts >= 0.3 * PROBLEMS
