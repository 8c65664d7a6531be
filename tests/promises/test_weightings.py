"""What every weighting promises, whatever it is called; and of each by hand what only it promises."""

import numpy as np
import pytest

from python_steps import plugins
from python_steps.policy import load
from python_steps.strategy_weighting import strategy_weights
from python_steps.weightings import Shown, bayesian, hedge, james_stein, stacking

WEIGHTINGS = plugins.discover("python_steps.weightings")
KNOBS = load("global")[1].weights
ROUNDING = 1e-12
# Softmax of these scores, three decisions long, as it was before there were other weightings.
SCORES = np.array([[0.9, -0.2, 0.35, 1.4, 0.1], [2.5, 0.1, -1.0, 0.4, np.nan], [0.3, 0.2, 0.1, 0.0, -0.1]])
ADOPTED = np.array([[1, 1, 1, 1, 0], [1, 0, 1, 1, 0], [0, 0, 1, 0, 0]], dtype=bool)
BEFORE = [
    ["0x1.59c08dff5a988p-2", "0x1.79a4cce6edad7p-5", "0x1.e70ed6649bb9dp-4", "0x1.fd4722caa0c34p-2", "0x0p0"],
    ["0x1p-1", "0x0p0", "0x0p0", "0x0p0", "0x0p0"],
    ["0x0p0", "0x0p0", "0x1p-1", "0x0p0", "0x0p0"],
]


@pytest.fixture(params=WEIGHTINGS)
def weighting(request):
    return WEIGHTINGS[request.param]


def show(sharpe, error=0.4, seed=0, spans=20, deviation=0.01) -> Shown:
    """Strategies that showed these annual Sharpes on each asset, and spans that scatter around them."""
    random = np.random.default_rng(seed)
    sharpe = np.asarray(sharpe, dtype=float)
    t_values = random.normal(sharpe[..., None] / 2, 1.0, (*sharpe.shape, spans))
    errors, variance = np.full(sharpe.shape, error), np.full(sharpe.shape, deviation**2)
    score = sharpe * 0.25 / (0.25 + errors**2) - 0.3
    return Shown(score, sharpe, errors, variance, t_values)


def make_case(seed, assets=6, strategies=9):
    """Sharpes, errors, variances and spans at random, some of them not known; and who is adopted."""
    random = np.random.default_rng(seed)
    shape = (assets, strategies)
    adopted = random.random(shape) < random.random((assets, 1))
    found = show(random.normal(0.5, 0.6, shape), seed=seed)
    t_values = np.where(random.random(found.spans.shape) < 0.2, np.nan, found.spans)
    error, variance = random.uniform(0.2, 0.8, shape), random.uniform(1e-5, 1e-3, shape)
    shown = found._replace(error=error, variance=variance, spans=t_values)
    unknown = [np.where(adopted, values, np.nan) for values in shown[:-1]]
    return Shown(*unknown, np.where(adopted[..., None], t_values, np.nan)), adopted


def part_of(shown, *places):
    return Shown(*(values[places[0]][:, places[1]] for values in shown))


def test_there_are_seven_weightings():
    named = {"softmax", "equal_weight", "james_stein", "hedge", "bayesian", "inverse_variance", "stacking"}
    assert named <= set(WEIGHTINGS)


@pytest.mark.parametrize("seed", range(8))
def test_shares_are_a_simplex_over_the_adopted(weighting, seed):
    shown, adopted = make_case(seed)
    shares = weighting.weigh(shown, adopted, KNOBS)
    assert shares.shape == adopted.shape
    assert (shares >= 0).all()
    assert (shares[~adopted] == 0).all()
    assert shares.sum(axis=1) == pytest.approx(adopted.any(axis=1).astype(float))


@pytest.mark.parametrize("seed", range(8))
def test_weights_obey_cap_and_floor_whatever_the_weighting(weighting, seed):
    shown, adopted = make_case(seed)
    target = weighting.weigh(shown, adopted, KNOBS)
    weights = strategy_weights(target, adopted, np.zeros(adopted.shape), KNOBS)
    survivors = (weights > 0).sum(axis=1)
    assert (weights <= KNOBS.cap + ROUNDING).all()
    assert weights.sum(axis=1) == pytest.approx(np.minimum(1.0, KNOBS.cap * survivors))


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_strategies_and_assets_does_not_matter(weighting, seed):
    shown, adopted = make_case(seed)
    random = np.random.default_rng(seed)
    rows, columns = (random.permutation(size) for size in adopted.shape)
    again = weighting.weigh(part_of(shown, rows, columns), adopted[rows][:, columns], KNOBS)
    expected = weighting.weigh(shown, adopted, KNOBS)[rows][:, columns]
    assert again == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_absent_strategies_and_other_assets_change_no_bit(weighting, seed):
    shown, adopted = make_case(seed)
    adopted[:, 4] = False
    rows, columns = np.array([3, 1]), np.delete(np.arange(adopted.shape[1]), 4)
    whole = weighting.weigh(shown, adopted, KNOBS)
    part = weighting.weigh(part_of(shown, rows, columns), adopted[rows][:, columns], KNOBS)
    assert part.tobytes() == whole[rows][:, columns].tobytes()


def test_a_span_that_nobody_knows_yet_changes_no_bit(weighting):
    shown, adopted = make_case(2)
    later = np.concatenate([shown.spans, np.full((*adopted.shape, 1), np.nan)], axis=2)
    expected = weighting.weigh(shown, adopted, KNOBS)
    assert (weighting.weigh(shown._replace(spans=later), adopted, KNOBS) == expected).all()


def test_the_same_input_gives_the_same_bits_and_is_left_as_it_was(weighting):
    shown, adopted = make_case(5)
    kept = [values.copy() for values in (*shown, adopted)]
    first = weighting.weigh(shown, adopted, KNOBS)
    weighting.weigh(*make_case(6), KNOBS)
    assert weighting.weigh(shown, adopted, KNOBS).tobytes() == first.tobytes()
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(kept, (*shown, adopted), strict=True))


def test_one_adopted_strategy_gets_all_and_none_nothing(weighting):
    shown, _ = make_case(1)
    shown = Shown(*(np.nan_to_num(values, nan=0.5) for values in shown))
    adopted = np.zeros((6, 9), dtype=bool)
    adopted[2, 3] = True
    shares = weighting.weigh(shown, adopted, KNOBS)
    assert shares[2, 3] == 1
    assert shares.sum() == 1


def test_before_any_span_is_known_what_reads_spans_is_equal(weighting):
    shown = show(np.full((1, 4), 0.5))._replace(spans=np.empty((1, 4, 0)))
    assert weighting.weigh(shown, np.ones((1, 4), dtype=bool), KNOBS) == pytest.approx(0.25)


@pytest.mark.parametrize("strategies", [4, 12])
def test_noise_is_weighed_nearly_equally(weighting, strategies):
    """Strategies without a difference: on average less than a third of the weight is where luck put it."""
    random = np.random.default_rng(7)
    measured = random.normal(0, 0.4, (300, strategies))
    shown = show(measured, seed=7)._replace(spans=random.normal(0, 1, (300, strategies, 20)))
    adopted = np.ones(measured.shape, dtype=bool)
    target = weighting.weigh(shown, adopted, KNOBS)
    weights = strategy_weights(target, adopted, np.zeros(adopted.shape), KNOBS)
    misplaced = np.abs(weights - 1 / strategies).sum(axis=1) / 2
    assert misplaced.mean() < 1 / 3


def test_on_clear_evidence_the_better_has_more_wherever_evidence_counts(weighting):
    sharpe = np.tile([0.2, 1.5, 0.2, 0.2], (40, 1))
    shown = show(sharpe, error=0.2, spans=60)
    variance = np.where(sharpe > 1, 0.5e-4, 1e-4)
    shares = weighting.weigh(shown._replace(variance=variance), sharpe > 0, KNOBS)
    if (shares != 0.25).any():
        assert (shares[:, 1, None] > np.delete(shares, 1, axis=1)).mean() > 0.95
        assert shares[:, 1].mean() > 0.28
    else:
        assert weighting is WEIGHTINGS["equal_weight"]


def test_softmax_has_the_bits_it_had_before_there_were_others():
    nothing = np.full(SCORES.shape, np.nan)
    shown = Shown(SCORES, nothing, nothing, nothing, nothing[..., None])
    weights = np.zeros(SCORES.shape)
    for _ in range(3):
        target = WEIGHTINGS["softmax"].weigh(shown, ADOPTED, KNOBS)
        weights = strategy_weights(target, ADOPTED, weights, KNOBS)
    assert weights.tolist() == [[float.fromhex(value) for value in line] for line in BEFORE]


def adversary(kind, shares_of, rounds, strategies):
    """Gains chosen against the weights: in `worst` who weighs most loses, in `turns` who leads."""
    random = np.random.default_rng(3)
    gained = np.zeros((1, strategies, 0))
    for number in range(rounds):
        weighed = shares_of(gained)
        said = {
            "worst": np.where(weighed == weighed.max(), -hedge.MOST, hedge.MOST),
            "turns": np.where(
                np.arange(strategies) == gained[0].sum(axis=1).argmax(), -hedge.MOST, hedge.MOST
            )[None],
            "swings": np.where((np.arange(strategies) + number) % 2 == 0, -9.0, 9.0)[None],
            "noise": random.normal(0, 3, (1, strategies)),
            "one": np.where(np.arange(strategies) == 1, 1.0, 0.0)[None],
        }
        gained = np.concatenate([gained, said[kind][..., None]], axis=2)
    return gained


@pytest.mark.parametrize("kind", ["worst", "turns", "swings", "noise", "one"])
@pytest.mark.parametrize("strategies", [2, 5, 20])
def test_the_regret_of_hedge_is_below_its_bound_against_any_adversary(kind, strategies):
    all_in = np.ones((1, strategies), dtype=bool)
    blank = np.zeros((1, strategies))

    def shares_of(gained):
        return hedge.weigh(Shown(blank, blank, blank, blank, gained), all_in, KNOBS)

    gained = adversary(kind, shares_of, 150, strategies)
    spans, regret, bound = hedge.regret(Shown(blank, blank, blank, blank, gained), all_in)
    played = [shares_of(gained[..., :t])[0] @ np.clip(gained[0, :, t], -3, 3) for t in range(150)]
    best = np.clip(gained, -3, 3).sum(axis=2).max()
    assert spans[0] == 150
    assert regret[0] == pytest.approx(best - sum(played))  # as played, span by span, by what weigh says
    assert regret[0] <= bound[0]
    assert bound[0] < 6 * 150  # and not because the bound is that of losing always


def test_follow_the_leader_would_break_the_bound_that_hedge_keeps():
    """The bound can be broken: all on the leader loses every span to whoever turns against it."""
    strategies, rounds = 2, 150
    leader = adversary("turns", lambda gained: np.zeros((1, strategies)), rounds, strategies)
    totals = np.concatenate([np.zeros((strategies, 1)), leader[0].cumsum(axis=1)], axis=1)
    won = sum(leader[0, np.argmax(totals[:, t]), t] for t in range(rounds))
    assert totals[:, -1].max() - won > hedge.bound(np.array(rounds), np.array(strategies))


def test_a_span_unknown_of_one_strategy_neither_helps_nor_harms_it():
    spans = np.array([[[2.0, np.nan], [1.0, 1.0], [0.0, 3.0]]])
    adopted = np.ones((1, 3), dtype=bool)
    blank = np.zeros((1, 3))
    filled = spans.copy()
    filled[0, 0, 1] = 2.0
    for module in (hedge, stacking):
        found = [module.weigh(Shown(blank, blank, blank, blank, s), adopted, KNOBS) for s in (spans, filled)]
        assert (found[0] == found[1]).all()


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("strategies", [4, 10, 40])
def test_james_stein_has_less_squared_error_than_what_was_measured(spread, strategies):
    random = np.random.default_rng(strategies)
    truth = random.normal(0, 1, strategies) * spread + 0.5
    measured = truth + random.normal(0, 0.5, (4_000, strategies))
    errors, adopted = np.full(measured.shape, 0.5), np.ones(measured.shape, dtype=bool)
    drawn = james_stein.shrunk(measured, errors, adopted)
    risks = [((values - truth) ** 2).sum(axis=1) for values in (drawn, measured)]
    gain = risks[1] - risks[0]
    assert gain.mean() > -2 * gain.std() / np.sqrt(len(gain))
    assert gain.mean() > 0 or spread == 3.0


def test_james_stein_takes_the_mean_where_errors_explain_all_and_keeps_what_they_do_not():
    adopted = np.ones((1, 5), dtype=bool)
    values = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    assert james_stein.shrunk(values, np.full((1, 5), 1.0), adopted) == pytest.approx(0.3)
    # B = 2 · 0.1² / 0.1 = 0.2
    found = james_stein.shrunk(values, np.full((1, 5), 0.1), adopted)
    assert found == pytest.approx(0.3 + 0.8 * (values - 0.3))


def test_the_posterior_of_a_short_record_is_nearer_to_one_half():
    shown = show([[1.0, 1.0, 0.0, -1.0]])._replace(error=np.array([[0.5, 1.0, 0.5, 0.5]]))
    found = bayesian.has_edge(shown, np.ones((1, 4), dtype=bool))
    # κ = 0.5: Φ(√0.5 · 1 / 0.5) = Φ(1.414)
    assert found[0, 0] == pytest.approx(0.92135, abs=1e-5)
    assert 0.5 < found[0, 1] < found[0, 0]
    assert found[0, 2] == 0.5
    assert found[0, 3] == pytest.approx(1 - found[0, 0])


@pytest.mark.parametrize("seed", range(6))
def test_stacking_finds_the_least_of_its_sum_of_squares(seed):
    random = np.random.default_rng(seed)
    gained = random.normal(0.3, 1, (30, 5)) * [1, 1, 1, 1, 0.2]
    found = stacking.stacked(gained)

    def loss(weights):
        misses = stacking.WANTED - gained @ weights
        return misses @ misses + stacking.RIDGE * np.sum((weights - 0.2) ** 2)

    others = random.dirichlet(np.ones(5) * 0.5, 4_000)
    near = found + 0.01 * (others - found)
    assert found.sum() == pytest.approx(1)
    assert loss(found) <= min(map(loss, [*others, *near])) + ROUNDING


def test_inverse_variance_is_one_over_variance():
    shown = show([[0.5, 0.5]])._replace(variance=np.array([[1e-4, 3e-4]]))
    found = WEIGHTINGS["inverse_variance"].weigh(shown, np.ones((1, 2), dtype=bool), KNOBS)
    assert found == pytest.approx(np.array([[0.75, 0.25]]))
