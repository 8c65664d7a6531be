"""Knowing when to stop: limits, latches, releases, levels, and the same again in SQL."""

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import pipeline
from flows.guards.compiled import Failure
from flows.publish import PUBLISHED
from python_steps import limits, plugins, policy, warehouse
from python_steps.least_distance import volatility
from python_steps.stops import ACTIONS, FIRST_LIVE, Reset, Stops, Verdict, stopped
from tests.steps.test_allocate_exposures import (
    KEYS,
    assert_same_bits,
    condition_rows,
    falling,
    held,
    make_world,
    measured,
    run,
    with_policy,
)
from tests.worlds import small

FAILS = 0.5  # a view at which the allocator of these tests has no answer
NEAR = np.nextafter


@pytest.fixture
def broken(monkeypatch):
    """An allocator that fails where it is shown the view FAILS."""
    module = plugins.load("python_steps.allocators", "equal_weight")
    answer = module.allocate

    def allocate(views, covariance, limits):
        if (views["ensemble_view"] == FAILS).any():
            raise RuntimeError("the solver says no")
        return answer(views, covariance, limits)

    monkeypatch.setattr(module, "allocate", allocate)


def failing(inputs, places):
    """The same inputs, with views at the decisions of these places at which the allocator fails."""
    at = inputs.decisions["decision_at"].iloc[list(places)]
    views = inputs.expected_returns.copy()
    views.loc[views["decision_at"].isin(at), ["ensemble_view", "shrunk_view"]] = FAILS
    quality = inputs.data_quality.assign(is_excluded=False)
    return replace(inputs, expected_returns=views, data_quality=quality)


def live_from(inputs, place):
    """The same inputs, live from the decision of this place on."""
    is_backtest = np.arange(len(inputs.decisions)) < place
    return replace(inputs, decisions=inputs.decisions.assign(is_backtest=is_backtest))


def released(inputs, condition, places):
    """The same inputs, with an operator's release at each of these decisions."""
    at = inputs.decisions["decision_at"].iloc[list(places)]
    row = {"portfolio": "p", "condition": condition, "reset_by": "ann", "reason": "looked"}
    resets = pd.DataFrame([{**row, "reset_at": instant} for instant in at])
    return replace(inputs, resets=pd.concat([inputs.resets, resets]) if len(inputs.resets) else resets)


def one_by_one(inputs, wanted):
    """The walk, taken up again at every decision."""
    past: dict[str, pd.DataFrame] = {}
    for row in range(len(inputs.decisions)):
        one = run(replace(inputs, decisions=inputs.decisions.iloc[[row]], past=past), wanted)
        past = {name: pd.concat([past[name], one[name]]) if past else one[name] for name in KEYS}
    return past


@pytest.mark.parametrize("limit", [0.5, 1 / 3, 0.1 + 0.2])
def test_missing_data_holds_exactly_at_its_limit_and_not_just_below(limit):
    wanted = with_policy(stops__missing_rate=limit)
    inputs = make_world(rows=146)
    below = run(measured(inputs, "missing_rate", [0, limit - 1e-9, 0, None, 0, 0]), wanted)
    assert not condition_rows(below, "missing_rate")["is_latched"].any()
    for value in (limit, NEAR(limit, 0)):
        tables = run(measured(inputs, "missing_rate", [0, 0, value, 0, 0, 0]), wanted)
        rows = condition_rows(tables, "missing_rate")
        assert rows["is_triggered"].tolist() == [False, False, True, False, False, False]
        assert rows["action"].tolist() == ["none", "none", "hold", "hold", "hold", "hold"]
    held = tables["target_exposures"].query("symbol != 'CASH'")
    held = held[held["decision_at"] >= rows["decision_at"].iloc[2]]
    assert held["weight"].tolist() == held["previous_weight"].tolist()
    assert held["weight"].sum() > 0


def test_a_solver_that_fails_in_its_share_of_decisions_halves_from_the_next_decision_on(broken):
    wanted = with_policy(allocator="equal_weight", stops__solver_failures={"limit": 0.5, "decisions": 4})
    inputs = failing(make_world(rows=150), [2, 3])
    tables = run(inputs, wanted)
    rows = condition_rows(tables, "solver_failures")
    assert tables["allocation_log"]["status"].eq("fallback").tolist() == [
        place in (2, 3) for place in range(10)
    ]
    assert rows["value"].tolist() == [0, 0, 0, 0.25, 0.5, 0.5, 0.5, 0.25, 0, 0]
    assert rows["is_triggered"].tolist() == [False] * 4 + [True] * 3 + [False] * 3
    assert rows["action"].tolist() == ["none"] * 4 + ["halve"] * 6
    stages = (
        tables["weight_waterfall"]
        .query("symbol != 'CASH'")
        .pivot_table(index=["decision_at", "symbol"], columns="stage", values="weight_after")
    )
    halved = stages[stages.index.get_level_values(0) >= rows["decision_at"].iloc[4]]
    assert (halved["stops"] == halved["projected"] / 2).all()
    assert halved["stops"].sum() > 0


def test_a_share_that_binary_puts_just_below_its_limit_still_triggers(broken):
    limit = 0.1 + 0.2  # a little above 3 / 10
    wanted = with_policy(allocator="equal_weight", stops__solver_failures={"limit": limit, "decisions": 10})
    rows = condition_rows(run(failing(make_world(rows=146), [0, 1, 2]), wanted), "solver_failures")
    assert rows["value"].iloc[3] < limit
    assert rows["is_triggered"].tolist() == [False, False, False, True, True, True]


def test_few_decisions_are_no_share_of_many(broken):
    inputs = failing(make_world(rows=145), [0])
    rows = condition_rows(run(inputs, with_policy(allocator="equal_weight")), "solver_failures")
    assert rows["value"].tolist() == [0] + [1 / 21] * 4
    assert not rows["is_latched"].any()


def test_failures_before_a_release_do_not_count_after_it(broken):
    wanted = with_policy(allocator="equal_weight", stops__solver_failures={"limit": 0.5, "decisions": 4})
    inputs = live_from(failing(make_world(rows=150), [1, 2, 4]), 0)
    inputs = released(inputs, "solver_failures", [5])
    rows = condition_rows(run(inputs, wanted), "solver_failures")
    assert rows["value"].tolist() == [0, 0, 0.25, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert rows["is_latched"].tolist() == [False] * 3 + [True] * 2 + [False] * 5
    assert rows["reset_by"].fillna("").tolist() == [FIRST_LIVE] + [""] * 4 + ["ann"] + [""] * 4
    again = released(replace(inputs, resets=inputs.resets.iloc[:0]), "solver_failures", [4])
    rows = condition_rows(run(again, wanted), "solver_failures")
    assert rows["value"].tolist()[4:] == [0, 0.25, 0.25, 0.25, 0.25, 0]


def test_a_backtest_releases_missing_data_and_failures_after_its_decisions(broken):
    changes = {"stops__solver_failures": {"limit": 0.5, "decisions": 2}, "stops__simulated_reset": 3}
    wanted = with_policy(allocator="equal_weight", **changes)
    inputs = measured(failing(make_world(rows=150), [0]), "missing_rate", [0, 0, 0.9] + [0] * 7)
    tables = run(inputs, wanted)
    rows = condition_rows(tables, "missing_rate")
    assert rows["is_latched"].tolist() == [False] * 2 + [True] * 3 + [False] * 5
    assert rows["reset_by"].iloc[5] == "simulated"
    rows = condition_rows(tables, "solver_failures")
    assert rows["is_latched"].tolist() == [False] + [True] * 3 + [False] * 6
    assert rows["reset_by"].iloc[4] == "simulated"


def test_the_first_live_decision_starts_without_latches_and_without_past_failures(broken):
    changes = {"stops__solver_failures": {"limit": 0.5, "decisions": 4}}
    wanted = with_policy(allocator="equal_weight", **changes)
    inputs = live_from(failing(make_world(rows=150), [0, 1, 5]), 4)
    rows = condition_rows(run(inputs, wanted), "solver_failures")
    assert rows["is_latched"].tolist() == [False] * 2 + [True] * 2 + [False] * 6
    assert rows["value"].tolist() == [0, 0.25, 0.5, 0.5, 0, 0, 0.25, 0.25, 0.25, 0.25]
    assert rows["reset_by"].iloc[4] == FIRST_LIVE
    assert_same_bits(one_by_one(inputs, wanted), run(inputs, wanted))


@pytest.mark.parametrize("surge", ["volatility_surge", "correlation_surge"])
def test_a_surge_that_was_released_waits_until_it_was_calm(surge):
    limit = {"volatility_surge": 2.5, "correlation_surge": 0.8}[surge]
    edge = limit * (1 - 0.2)
    values = [limit, limit, limit, limit, edge, limit, NEAR(edge, 0) - 1e-9, limit, limit, limit]
    inputs = live_from(measured(make_world(rows=150), surge, values), 0)
    inputs = released(inputs, surge, [2])
    rows = condition_rows(run(inputs, with_policy(stops__hysteresis=0.2)), surge)
    assert rows["is_triggered"].tolist() == [True] * 4 + [False, True, False] + [True] * 3
    assert rows["is_latched"].tolist() == [True, True] + [False] * 5 + [True] * 3
    off = condition_rows(run(inputs), surge)
    assert off["is_latched"].all()  # without hysteresis it latches again at once
    assert off["latched_at"].iloc[2] == off["decision_at"].iloc[2]
    none = condition_rows(run(inputs, with_policy(stops__hysteresis=0.0)), surge)
    assert none["is_latched"].tolist() == [True, True, False, False, False] + [True] * 5


def test_hysteresis_speaks_of_surges_alone_and_only_of_those_that_were_latched():
    wanted = with_policy(stops__hysteresis=0.2, stops__simulated_reset=1)
    inputs = measured(make_world(rows=146), "staleness", [2.0] * 6)
    assert condition_rows(run(inputs, wanted), "staleness")["is_latched"].all()
    inputs = live_from(measured(make_world(rows=146), "volatility_surge", [0, 0, 9.0, 9.0, 9.0, 9.0]), 2)
    assert condition_rows(run(inputs, wanted), "volatility_surge")["is_latched"].tolist()[2:] == [True] * 4


def test_a_policy_from_before_says_nothing_of_what_it_did_not_know():
    told = with_policy().model_dump(mode="json")
    for name in ("missing_rate", "solver_failures", "deep_drawdown", "hysteresis", "defensive"):
        del told["stops"][name]
    del told["limits"]["regimes"]
    tables = run(
        measured(make_world(rows=145), "missing_rate", [1.0] * 5), policy.Policy.model_validate(told)
    )
    rows = tables["stop_conditions"]
    assert set(rows["condition"]) == ACTIONS.keys() - {"deep_drawdown", "missing_rate", "solver_failures"}
    assert not rows["is_latched"].any()


DEFENSIVE = {"stops__drawdown": -0.1, "stops__daily_loss": -0.9, "stops__deep_drawdown": -0.15}
DEFENSIVE["stops__defensive"] = {"symbols": ["S01"], "limit": 0.06}


def test_a_drawdown_keeps_what_is_defensive_and_a_deep_one_nothing():
    """One stock at 20 %: at half its price the value is 0.9, at a quarter 0.85."""
    wanted = with_policy(**DEFENSIVE)
    tables = run(falling([1.0, 0.5, 0.5, 0.25, 0.25]), wanted)
    weights = tables["target_exposures"].query("symbol == 'S01'")["weight"].tolist()
    assert weights[1:3] == [0.06, 0.06]
    assert weights[3:] == [0.0, 0.0]
    assert condition_rows(tables, "drawdown")["action"].tolist() == ["none"] + ["defend"] * 4
    assert condition_rows(tables, "deep_drawdown")["action"].tolist() == ["none"] * 3 + ["cash"] * 2
    near = run(falling([1.0, 0.5 + 1e-9, 0.25 + 1e-9]), wanted)
    assert not condition_rows(near, "deep_drawdown")["is_latched"].any()
    none = run(falling([1.0, 0.5]), with_policy(**{**DEFENSIVE, "stops__defensive": None}))
    assert none["target_exposures"].query("symbol == 'S01'")["weight"].tolist()[1] == 0.0
    assert condition_rows(none, "drawdown")["action"].tolist() == ["none", "cash"]


def test_a_value_that_cannot_be_known_is_all_out_though_something_is_defensive():
    tables = run(falling([1.0, np.nan]), with_policy(**DEFENSIVE))
    assert condition_rows(tables, "drawdown")["action"].tolist() == ["none", "cash"]
    assert condition_rows(tables, "deep_drawdown")["is_triggered"].tolist() == [False, True]
    assert tables["target_exposures"].query("symbol == 'CASH'")["weight"].iloc[1] == 1.0


def test_a_deep_drawdown_above_the_other_is_refused():
    with pytest.raises(ValueError, match=r"deep_drawdown -0\.1 is above drawdown -0\.2"):
        with_policy(stops__deep_drawdown=-0.1)


def test_the_most_all_may_weigh_in_a_regime_holds_from_its_first_decision_on_and_is_named():
    wanted = with_policy(limits__regimes={"risk_off": 0.25}, limits__cluster__limit=1.0)
    inputs = make_world(size=9, rows=170)
    moods = ["risk_on"] * 20 + ["risk_off"] * 5 + ["neutral"] * 5
    at = inputs.decisions["decision_at"].tolist()
    inputs = replace(inputs, regimes=pd.DataFrame({"decision_at": at, "regime": moods}))
    tables, free = run(inputs, wanted), run(inputs)
    sums = [_risky(found) for found in (tables, free)]
    assert sums[1].iloc[19:25].min() > 0.3
    assert sums[0].iloc[20:25].max() <= 0.25 + 1e-12
    assert sums[0].iloc[:20].tolist() == sums[1].iloc[:20].tolist()
    assert sums[0].iloc[25] > 0.25
    log = tables["allocation_log"]
    named = log["binding"].str.contains("sum in risk_off")
    assert named.iloc[20]
    assert named.tolist() == [
        mood == "risk_off" and total >= 0.25 - 1e-9 for mood, total in zip(moods, sums[0], strict=True)
    ]


def test_what_must_be_held_gives_way_to_the_limit_of_a_regime_and_that_is_forced():
    wanted = with_policy(limits__regimes={"risk_off": 0.1}, limits__change=0.02)
    inputs = make_world(size=6, rows=146)
    inputs = replace(
        inputs,
        regimes=inputs.regimes.assign(regime="risk_off"),
        data_quality=inputs.data_quality.assign(is_excluded=False),
    )
    tables = run(held(inputs, {f"S0{place}": 0.1 for place in range(6)}), wanted)
    assert "sum in risk_off" in tables["allocation_log"]["conflicts"].iloc[0]
    assert _risky(tables).max() <= 0.1 + 1e-12


@pytest.mark.parametrize("allocator", ["mean_variance", "equal_weight", "hierarchical_risk_parity"])
def test_the_allocator_is_told_of_the_limit_of_a_regime(allocator):
    wanted = with_policy(allocator=allocator, limits__regimes={"risk_on": 0.2})
    raw = run(make_world(rows=150), wanted)["weight_waterfall"].query("symbol != 'CASH' and stage == 'raw'")
    assert raw.groupby("decision_at")["weight_after"].sum().max() == pytest.approx(0.2, abs=1e-6)


def _risky(tables):
    return tables["target_exposures"].query("symbol != 'CASH'").groupby("decision_at")["weight"].sum()


WEIGHTS = st.lists(st.floats(0, 0.5), min_size=6, max_size=6)
CONDITIONS = st.lists(st.sampled_from(sorted(ACTIONS)), unique=True)


@settings(max_examples=300, deadline=None)
@given(WEIGHTS, WEIGHTS, CONDITIONS, st.floats(0, 1), st.integers(0, 5), st.floats(0.005, 0.05))
def test_stops_never_raise_a_weight_and_what_is_defensive_obeys_every_limit(
    projected, previous, latched, share, kept, target
):
    """The worse the level, the less is held: cash wins, and a shelter is within all limits."""
    symbols = [f"S{place}" for place in range(6)]
    wanted = with_policy(
        stops__defensive={"symbols": symbols[: kept + 1], "limit": share},
        stops__deep_drawdown=-0.5,
        limits__volatility=target,
    )
    rng = np.random.default_rng(kept)
    returns = rng.normal(0, 0.01, (260, 6)) @ np.array(np.eye(6) - 0.1)
    covariance = np.cov(returns, rowvar=False)
    bounds = limits.build(
        wanted,
        symbols,
        ["crypto", "equity", "fx"] * 2,
        returns,
        covariance,
        np.ones(6, bool),
        261.0,
        "neutral",
    )
    before, after = np.array(projected), np.array(previous)
    verdicts = [_latched(name, wanted.stops) for name in latched]
    final = stopped(before, after, verdicts, wanted.stops, bounds)
    level = max((verdict.level for verdict in verdicts), default=0)
    assert (final >= 0).all()
    most = after if "hold" in {verdict.action for verdict in verdicts} else before
    assert (final <= most + 1e-12).all()
    if level == 3:
        assert not final.any()
    if level == 2:
        assert not final[kept + 1 :].any()
        assert final.sum() <= share + 1e-9
        assert (final <= bounds.upper + 1e-12).all()
        assert all(final[group.members].sum() <= group.limit + 1e-9 for group in bounds.groups)
        assert volatility(final, bounds.factor) <= bounds.volatility * (1 + 1e-9)
    worse = stopped(before, after, [*verdicts, _latched("drawdown", wanted.stops)], wanted.stops, bounds)
    assert worse.sum() <= final.sum() + 1e-12
    assert not stopped(
        before, after, [*verdicts, _latched("deep_drawdown", wanted.stops)], wanted.stops, bounds
    ).any()


def _latched(condition, wanted):
    """A verdict of a condition that is in force, with the action it has under a policy with a shelter."""
    action = "defend" if condition == "drawdown" and wanted.defensive else ACTIONS[condition]
    return Verdict(condition, -0.3, 0.0, True, 1, None, action)


MOMENT = st.fixed_dictionaries(
    {
        "value": st.sampled_from([0.7, 0.79, 0.8, 0.9, 1.0, 1.2, float("nan"), 0.0]),
        "net": st.sampled_from([-0.06, -0.05, 0.0, 0.02, float("nan")]),
        "surge": st.sampled_from([None, 1.0, 1.9, 2.0, 2.4, 2.5, 9.0]),
        "missing": st.sampled_from([None, 0.0, 0.49, 0.5, 1.0]),
        "fell_back": st.booleans(),
        "released": st.lists(st.sampled_from(sorted(ACTIONS)), max_size=3),
        "is_backtest": st.booleans(),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MOMENT, min_size=1, max_size=40), st.sampled_from([None, 0.0, 0.2]), st.integers(1, 5))
def test_whatever_happens_a_latch_stays_until_it_is_released(moments, hysteresis, patience):
    wanted = with_policy(
        stops__hysteresis=hysteresis,
        stops__simulated_reset=patience,
        stops__deep_drawdown=-0.3,
        stops__solver_failures={"limit": 0.5, "decisions": 4},
    ).stops
    resets: dict[str, list[Reset]] = {}
    for at, moment in enumerate(moments, start=1):
        for name in moment["released"]:
            resets.setdefault(name, []).append(Reset(at, "ann"))
    stops, before, mark, was_live = Stops(), {}, 1.0, False
    for at, moment in enumerate(moments, start=1):
        asked = {"volatility_surge": moment["surge"], "missing_rate": moment["missing"]}
        verdicts = stops.judge(
            at, moment["is_backtest"], moment["value"], moment["net"], asked, wanted, resets
        )
        stops.fallbacks.append(moment["fell_back"])
        now = {verdict.condition: verdict for verdict in verdicts}
        assert now.keys() == ACTIONS.keys()
        is_first_live = not (moment["is_backtest"] or was_live)
        was_live |= is_first_live
        for name, verdict in now.items():
            old = before.get(name)
            if old is not None and old.latched_at is not None and verdict.reset_by is None:
                assert verdict.latched_at == old.latched_at
            elif verdict.latched_at is not None:
                assert verdict.latched_at == at
                assert verdict.is_triggered
            if verdict.reset_by == "ann":
                assert name in moment["released"] or not any(reset.at == at for reset in resets.get(name, []))
            if not moment["is_backtest"] and not is_first_live:
                assert verdict.reset_by in (None, "ann")
            if verdict.is_triggered and (hysteresis is None or "surge" not in name):
                assert verdict.latched_at is not None
            assert (verdict.action == "none") == (verdict.latched_at is None)
            assert (verdict.level == 0) == (verdict.latched_at is None)
        assert stops.high_water_mark >= mark or now["drawdown"].reset_by is not None
        if not (np.isfinite(moment["value"]) and moment["value"] > 0):
            assert max(verdict.level for verdict in verdicts) == 3
        before, mark = now, stops.high_water_mark


BUSY = {
    "stops__drawdown": -0.01,
    "stops__deep_drawdown": -0.015,
    "stops__daily_loss": -0.004,
    "stops__volatility_surge": 1.2,
    "stops__correlation_surge": 0.3,
    "stops__missing_rate": 0.15,
    "stops__solver_failures": {"limit": 0.3, "decisions": 6},
    "stops__hysteresis": 0.1,
    "stops__simulated_reset": 4,
    "limits__regimes": {"risk_off": 0.3, "neutral": 0.5},
}


def busy_world(is_live=False):
    """A world in which every condition triggers now and then."""
    inputs = make_world(rows=200, seed=3)
    rng = np.random.default_rng(5)
    at = inputs.decisions["decision_at"]
    drawn = {
        "volatility_surge": rng.choice([0.8, 1.0, 1.1, 1.3], len(at)),
        "correlation_surge": rng.choice([0.1, 0.28, 0.31], len(at)),
        "missing_rate": rng.choice([0.0, 0.1, 0.2], len(at), p=[0.8, 0.15, 0.05]),
        "staleness": rng.choice([0.0, 2.0], len(at), p=[0.97, 0.03]),
    }
    rows = [
        pd.DataFrame({"portfolio": "p", "decision_at": at, "condition": name, "value": values})
        for name, values in drawn.items()
    ]
    moods = pd.DataFrame(
        {"decision_at": at, "regime": rng.choice(["risk_on", "neutral", "risk_off"], len(at))}
    )
    inputs = failing(replace(inputs, market_conditions=pd.concat(rows), regimes=moods), range(0, 60, 4))
    inputs = released(inputs, "volatility_surge", range(0, 60, 7))
    inputs = released(inputs, "solver_failures", range(3, 60, 9))
    return live_from(inputs, 25) if is_live else inputs


@pytest.mark.parametrize("is_live", [False, True])
def test_a_busy_walk_taken_up_at_every_decision_gives_the_same_bits(broken, is_live):
    """Counts of failures, and surges that wait to be calm, are read back from what was written."""
    wanted = with_policy(
        allocator="equal_weight", stops__defensive={"symbols": ["S01", "S04"], "limit": 0.1}, **BUSY
    )
    inputs = busy_world(is_live)
    whole = run(inputs, wanted)
    rows = whole["stop_conditions"]
    latched = set(rows.loc[rows["is_latched"], "condition"])
    assert {
        "volatility_surge",
        "correlation_surge",
        "missing_rate",
        "solver_failures",
        "staleness",
    } <= latched
    surges = rows[rows["condition"].isin(["volatility_surge", "correlation_surge"])]
    assert (surges["is_triggered"] & ~surges["is_latched"]).any()  # some waited
    assert_same_bits(one_by_one(inputs, wanted), whole)


@pytest.fixture(scope="module")
def busy(small_world: small.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world decided again under a policy whose every stop strikes, live and in backtest."""
    file = tmp_path_factory.mktemp("busy") / PUBLISHED
    shutil.copy(small_world.whole, file)
    content = small_world.origin.policy.model_dump(mode="json")
    for name, value in BUSY.items():
        section, key = name.split("__")
        content[section][key] = value
    content["stops"]["defensive"] = {"symbols": ["AAA", "EUR-USD"], "limit": 0.1}
    wanted = policy.Policy.model_validate(content)
    con = warehouse.connect(file)
    try:
        told = [policy.to_json(wanted), policy.digest(wanted)]
        con.execute("update raw.policies set policy_json = $1, policy_hash = $2", told)
        con.execute("update raw.runs set policy_hash = $1", told[1:])
        for table in pipeline.ALLOCATED:
            con.execute(f"delete from steps.{table}")
        row = {"portfolio": small.PORTFOLIO, "reset_by": "ann", "reason": "looked"}
        at = [cut + dt.timedelta(minutes=1) for cut in small.CUTS.values()]
        resets = [{**row, "condition": name, "reset_at": instant} for name in ACTIONS for instant in at[::3]]
        warehouse.write(
            con,
            "raw.resets",
            pd.DataFrame(resets)[["portfolio", "condition", "reset_at", "reset_by", "reason"]],
        )
    finally:
        con.close()
    run_of = replace(small_world.origin.run_of(file), policy=wanted)
    module = plugins.load("python_steps.allocators", wanted.allocator)
    answer = module.allocate

    def allocate(views, covariance, limits):
        if int(float(views["shrunk_view"].sum()) * 1e9) % 4 == 0:
            raise RuntimeError("the solver says no")
        return answer(views, covariance, limits)

    with pytest.MonkeyPatch.context() as patch, pipeline.one_thread():
        patch.setattr(module, "allocate", allocate)
        pipeline.allocate(run_of, pipeline.new_decisions(run_of))
    small_world.dbt.on(file).run(select=["source:portfolio_warehouse.steps.stop_conditions+"])
    return file


CHECKED = ("recomputed_stops", "target_exposures", "allocation_log", "stop_conditions")


def _failures(world: small.World, file: Path) -> list[Failure]:
    return world.dbt.on(file).failures(select=list(CHECKED))


def _read(file: Path, query: str) -> pd.DataFrame:
    con = warehouse.connect(file, read_only=True)
    try:
        return con.execute(query).df()
    finally:
        con.close()


def test_sql_says_of_every_stop_what_the_walk_said(small_world: small.World, busy: Path) -> None:
    rows = _read(busy, "select * from main.stop_conditions")
    struck = rows[rows["is_latched"]].groupby("condition").size()
    assert set(struck.index) >= {*ACTIONS} - {"divergence"}
    assert set(rows["reset_by"].dropna()) == {"ann", "simulated", FIRST_LIVE}
    assert {0, 1, 2, 3} == set(_read(busy, "select distinct level from main.allocation_log")["level"])
    assert _failures(small_world, busy) == []


BREAKS = {
    "a latch forgotten": "is_latched = false, latched_at = null, action = 'none'"
    " where condition = 'volatility_surge' and decision_at ="
    " (select max(decision_at) from steps.stop_conditions"
    " where is_latched and condition = 'volatility_surge')",
    "a failure not counted": "value = value - 1 / 6 where condition = 'solver_failures' and value > 0",
    "a release by nobody": "reset_by = 'bob' where reset_by = 'ann'",
    "a limit that is not the policy's": "limit_value = 0.2 where condition = 'missing_rate'",
    "a drawdown from another mark": "value = value - 1e-9 where condition = 'drawdown' and value < 0",
}


@pytest.mark.parametrize("mistake", BREAKS)
def test_a_stop_that_is_not_what_follows_is_found(
    small_world: small.World, busy: Path, tmp_path: Path, mistake: str
) -> None:
    file = tmp_path / PUBLISHED
    shutil.copy(busy, file)
    con = warehouse.connect(file)
    con.execute(f"update steps.stop_conditions set {BREAKS[mistake]}")
    con.close()
    small_world.dbt.on(file).run(select=["stop_marks+"])
    assert "stops_agree" in {failure.kind for failure in _failures(small_world, file)}


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("logs.level = 3", "levels_obeyed"),
        ("logs.level = 2", "levels_obeyed"),
        ("logs.level = 0 and logs.regime = 'risk_off'", "limits_obeyed"),
    ],
)
def test_a_weight_above_what_its_level_or_regime_allows_is_found(
    small_world: small.World, busy: Path, tmp_path: Path, where: str, kind: str
) -> None:
    file = tmp_path / PUBLISHED
    shutil.copy(busy, file)
    con = warehouse.connect(file)
    con.execute(
        f"""
        update steps.target_exposures as exposures set weight = exposures.weight + 0.12
        from main.allocation_log as logs
        where logs.decision_at = exposures.decision_at and exposures.symbol in ('AAA', 'BBB', 'EUR-USD')
            and {where}
        """
    )
    con.close()
    assert kind in {failure.kind for failure in _failures(small_world, file)}
