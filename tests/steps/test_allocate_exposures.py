"""The walk over decisions: accounting, prefix invariance, stops, fallbacks, and promises about weights."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from python_steps import plugins, policy
from python_steps.allocate_exposures import allocate
from python_steps.allocation_inputs import AllocationInputs

_, POLICY = policy.load("global")
SOURCES = Path(__file__).parents[2] / "models" / "raw" / "sources.yml"
KEYS = {
    "target_exposures": ["decision_at", "symbol"],
    "weight_waterfall": ["decision_at", "symbol", "stage_number"],
    "allocation_log": ["decision_at"],
    "stop_conditions": ["decision_at", "condition"],
    "constraint_prices": ["decision_at", "stage", "limit_name"],
    "holdings_taken": ["decision_at", "symbol"],
    "risk_contributions": ["decision_at", "symbol"],
}
COSTS = {"crypto": 0.0015, "equity": 0.0006, "fx": 0.00015}


def with_policy(**changes):
    """The policy `global` with some keys changed, by dotted name with two underscores."""
    content = POLICY.model_dump(mode="json")
    for name, value in changes.items():
        *path, last = name.split("__")
        place = content
        for step in path:
            place = place[step]
        place[last] = value
    return policy.Policy.model_validate(content)


def run(inputs, wanted=POLICY):
    return allocate(inputs, wanted, "p", "r", 261.0)


def make_world(size=5, rows=200, first=140, seed=0, is_live=False):
    """A made-up market in which orders fill late, lapse and are superseded, and data fail."""
    rng = np.random.default_rng(seed)
    at = pd.bdate_range("2015-01-01", periods=rows) + pd.Timedelta(hours=14)
    symbols = [f"S{place:02d}" for place in range(size)]
    classes = [["crypto", "equity", "fx"][place % 3] for place in range(size)]
    returns = rng.normal(0, 0.01, (rows, size)) + rng.normal(0, 0.004, (rows, 1))
    returns[0] = 0
    index = np.cumprod(1 + returns, axis=0)
    grid = pd.DataFrame({"decision_at": np.repeat(at, size), "symbol": symbols * rows, "clock": "global"})
    marks = grid.assign(mark_index=index.ravel())
    simple = returns.copy()
    simple[0] = np.nan
    made = grid[grid["decision_at"] >= at[first]].assign(portfolio="p")
    view = np.abs(rng.normal(4e-4, 2e-4, len(made))) * np.where(rng.random(len(made)) < 0.25, -1, 1)
    error = 1.5e-4
    return AllocationInputs(
        decisions=pd.DataFrame(
            {
                "portfolio": "p",
                "decision_at": at[first:],
                "rebalance_date": [(instant + pd.offsets.BDay(1)).date() for instant in at[first:]],
                "decision_number": np.arange(first, rows),
                "is_backtest": [True] * (rows - first - 1) + [not is_live],
            }
        ),
        assets=pd.DataFrame(
            {
                "symbol": symbols,
                "asset_class": classes,
                "member_from": pd.NaT,
                "member_until": [None] * size,
                "known_at": pd.NaT,
            }
        ),
        marks=marks,
        decision_returns=grid.assign(simple_return=simple.ravel()),
        order_fills=make_fills(rng, at, symbols, classes, index),
        data_quality=made.assign(is_excluded=rng.random(len(made)) < 0.03, reason=""),
        market_conditions=made.drop_duplicates("decision_at").assign(condition="staleness", value=0.0),
        expected_returns=made.assign(
            ensemble_view=view,
            standard_error=error,
            shrunk_view=np.maximum(0, 1 - (error / view) ** 2) * view,
        ),
        regimes=pd.DataFrame({"decision_at": at, "regime": "risk_on"}),
        confidences=pd.DataFrame({"portfolio": "p", "decision_at": at, "confidence": 0.5}),
        resets=pd.DataFrame({"portfolio": [], "condition": [], "reset_at": [], "reset_by": [], "reason": []}),
    )


def make_fills(rng, at, symbols, classes, index):
    rows = []
    for row in range(len(at) - 2):
        for place, symbol in enumerate(symbols):
            status = rng.choice(["filled", "superseded", "lapsed"], p=[0.86, 0.07, 0.07])
            later = {"filled": 1 + int(rng.random() < 0.3), "superseded": 1, "lapsed": 2}[status]
            filled = status == "filled"
            rows.append(
                {
                    "clock": "global",
                    "symbol": symbol,
                    "decision_at": at[row],
                    "status": status,
                    "fill_index": index[row, place] * (1 + rng.normal(0, 0.003)) if filled else None,
                    "cost_rate": COSTS[classes[place]] if filled else None,
                    "known_at": at[row + later],
                    "fill_session": at[row + 1].normalize(),
                }
            )
    return pd.DataFrame(rows)


def only(frame, until):
    return frame[frame["decision_at"] <= until]


def test_every_table_has_the_columns_of_its_source_in_order():
    tables = yaml.safe_load(SOURCES.read_text())["sources"][1]["tables"]
    wanted = {table["name"]: [column["name"] for column in table["columns"]] for table in tables}
    for inputs in (make_world(), replace(make_world(), decisions=make_world().decisions.iloc[:0])):
        for name, table in run(inputs).items():
            assert list(table.columns) == wanted[name], name


def test_weights_sum_to_one_are_finite_long_only_and_the_waterfall_adds_up():
    tables = run(make_world())
    exposures = tables["target_exposures"]
    assert np.isfinite(exposures["weight"]).all()
    assert (exposures["weight"] >= -1e-12).all()
    np.testing.assert_allclose(exposures.groupby("decision_at")["weight"].sum(), 1.0, atol=1e-12)
    sums = tables["weight_waterfall"].groupby(["decision_at", "symbol"])["weight_change"].sum()
    np.testing.assert_allclose(
        sums, exposures.set_index(["decision_at", "symbol"])["weight"].loc[sums.index], atol=1e-12
    )
    assert (tables["weight_waterfall"].groupby(["decision_at", "symbol"]).size() == 6).all()
    assert {"solved"} <= set(tables["allocation_log"]["status"])


def test_every_limit_holds_unless_the_log_says_it_was_forced():
    inputs = make_world(size=9, rows=190)
    tables = run(inputs, with_policy(smoothing=1.0, limits__volatility=0.04, limits__turnover=0.08))
    classes = dict(zip(inputs.assets["symbol"], inputs.assets["asset_class"], strict=True))
    log = tables["allocation_log"].set_index("decision_at")
    touched = set()
    for at, rows in tables["target_exposures"].groupby("decision_at"):
        held = rows[rows["symbol"] != "CASH"]
        excused = json.loads(log.loc[at, "conflicts"])
        touched |= set(json.loads(log.loc[at, "binding"]))
        for _, row in held.iterrows():
            name = row["symbol"]
            if f"change {name}" not in excused:
                assert abs(row["weight"] - row["previous_weight"]) <= 0.05 + 1e-12
            if f"asset {name}" not in excused:
                assert row["weight"] <= 0.2 + 1e-12
        by_class = held.groupby(held["symbol"].map(classes))["weight"].sum()
        for name, limit in POLICY.limits.asset_classes.items():
            assert by_class[name] <= limit + 1e-12 or f"class {name}" in excused
        assert log.loc[at, "turnover"] <= 0.08 + 1e-12 or "turnover" in excused
        assert log.loc[at, "volatility"] <= 0.04 + 1e-9 or "volatility" in excused
    assert {"volatility", "turnover"} <= touched


def recomputed(inputs, tables):
    """Net asset values from published target units, fills and marks alone."""
    marks = inputs.marks.set_index(["decision_at", "symbol"])["mark_index"]
    fills = inputs.order_fills.set_index(["decision_at", "symbol"])
    targets = tables["target_exposures"][tables["target_exposures"]["symbol"] != "CASH"]
    targets = targets.set_index(["decision_at", "symbol"])["target_units"].sort_index()
    cash, held, booked, values = 1.0, {}, set(), []
    for at in sorted(tables["allocation_log"]["decision_at"]):
        for key, units in targets[targets.index.get_level_values(0) < at].items():
            if key in booked or key not in fills.index or fills.loc[key, "known_at"] > at:
                continue
            booked.add(key)
            if fills.loc[key, "status"] == "filled":
                change = units - held.get(key[1], 0.0)
                paid = change + abs(change) * fills.loc[key, "cost_rate"]
                cash -= paid * fills.loc[key, "fill_index"]
                held[key[1]] = units
        values.append(cash + sum(units * marks[at, symbol] for symbol, units in held.items()))
    return np.array(values)


def test_net_asset_value_is_what_units_fills_and_marks_make_it():
    inputs = make_world(rows=180)
    tables = run(inputs)
    log = tables["allocation_log"]
    np.testing.assert_allclose(log["nav"], recomputed(inputs, tables), rtol=0, atol=1e-12)
    np.testing.assert_allclose(log["gross_return"] - log["cost"], log["net_return"], rtol=0, atol=1e-15)
    before = log["nav"].shift(fill_value=1.0)
    np.testing.assert_allclose(before * (1 + log["net_return"]), log["nav"], rtol=0, atol=1e-14)
    assert (log["cost"] >= 0).all()
    assert log["cost"].sum() > 0
    exposures = tables["target_exposures"]
    value = (exposures["held_units"] * exposures["mark_index"]).groupby(exposures["decision_at"]).sum()
    np.testing.assert_allclose(value, log["nav"], rtol=0, atol=1e-14)
    wanted = exposures["weight"] * exposures["decision_at"].map(log.set_index("decision_at")["nav"])
    np.testing.assert_allclose(
        exposures["target_units"] * exposures["mark_index"], wanted, rtol=0, atol=1e-13
    )


def small_world(statuses, marks, fill_indices, known_after=1):
    """One stock, held from the start at 20 %, with the outcome of each decision's order given."""
    inputs = make_world(size=2, rows=140 + len(marks))
    at = sorted(inputs.decisions["decision_at"])
    path = pd.DataFrame({"decision_at": at, "mark_index": marks, "clock": "global", "symbol": "S01"})
    fills = [
        {
            "clock": "global",
            "symbol": "S01",
            "decision_at": at[row],
            "status": status,
            "fill_index": fill_indices[row] if status == "filled" else None,
            "cost_rate": 0.01 if status == "filled" else None,
            "known_at": at[row + known_after],
        }
        for row, status in enumerate(statuses)
        if status is not None and row + known_after < len(at)
    ]
    columns = list(make_world(rows=150).order_fills.columns)
    inputs = replace(
        inputs,
        marks=path,
        order_fills=pd.DataFrame(fills, columns=columns),
        data_quality=inputs.data_quality.assign(is_excluded=False),
        expected_returns=inputs.expected_returns.iloc[:0],
    )
    return held(inputs, {"S01": 0.2})


def held(inputs, weights, number=0):
    """The same world, in which one decision, by its number, was told what is held."""
    at = inputs.decisions["decision_at"].sort_values().iloc[number]
    rows = pd.DataFrame(weights.items(), columns=["symbol", "weight"])
    return replace(inputs, holdings=rows.assign(decision_at=at))


def test_a_fill_earns_from_its_price_and_pays_its_cost():
    inputs = small_world(["filled", "filled", None], [1.0, 1.1, 1.2], [1.05, 1.0, None])
    tables = run(inputs)
    first = tables["target_exposures"].query("symbol == 'S01'").iloc[0]
    assert first["held_units"] == 0.2
    assert first["weight"] == pytest.approx(
        0.15, abs=1e-12
    )  # no view: 0.7 x 0.2 is held back by the change limit
    assert json.loads(tables["allocation_log"]["binding"].iloc[0]) == ["change S01"]
    log = tables["allocation_log"].iloc[1]
    gross = 0.2 * 0.1 + (0.15 - 0.2) * (1.1 - 1.05)
    cost = 0.01 * 0.05 * 1.05
    assert log["gross_return"] == pytest.approx(gross, abs=1e-15)
    assert log["cost"] == pytest.approx(cost, abs=1e-15)
    assert log["nav"] == pytest.approx(1 + gross - cost, abs=1e-15)


def test_a_pending_order_counts_as_filled_at_the_mark_and_a_lapsed_one_as_never_given():
    pending = (
        run(small_world([None, None, None], [1.0, 1.0, 1.0], []))
        .get("target_exposures")
        .query("symbol == 'S01'")
    )
    np.testing.assert_allclose(pending["previous_weight"], [0.2, 0.15, 0.105], atol=1e-12)
    assert pending["held_units"].tolist() == [0.2] * 3
    lapsed = run(small_world(["lapsed"] * 3, [1.0] * 3, [])).get("target_exposures").query("symbol == 'S01'")
    np.testing.assert_allclose(lapsed["previous_weight"], [0.2] * 3, atol=1e-12)


def test_a_superseded_order_is_what_was_wanted_but_trades_nothing():
    tables = run(small_world(["superseded", "superseded", None], [1.0, 2.0, 2.0], []))
    rows = tables["target_exposures"].query("symbol == 'S01'")
    assert rows["held_units"].tolist() == [0.2] * 3
    assert rows["previous_weight"].iloc[1] == pytest.approx(0.15 * 2 / 1.2, abs=1e-12)
    assert tables["allocation_log"]["cost"].sum() == 0


def test_an_outcome_is_booked_by_the_first_decision_that_knows_it():
    tables = run(small_world(["filled", None, None], [1.0, 1.0, 1.0], [1.0], known_after=2))
    rows = tables["target_exposures"].query("symbol == 'S01'")
    np.testing.assert_allclose(rows["held_units"], [0.2, 0.2, 0.15], atol=1e-12)


def delisted(inputs, known=1, over=2):
    """S01 may not be held from the decision number `over` on, which is known at the decision `known`."""
    days = inputs.decisions["rebalance_date"].tolist()
    told = inputs.decisions["decision_at"].tolist()
    return replace(
        inputs, assets=inputs.assets.assign(member_until=[None, days[over]], known_at=[pd.NaT, told[known]])
    )


def test_a_delisted_asset_is_cash_at_the_mark_and_has_no_row_any_more():
    tables = run(delisted(small_world(["filled"] * 4, [1.0, 1.0, 1.1, 5.0], [1.0] * 4)))
    rows = tables["target_exposures"].query("symbol == 'S01'")
    assert len(rows) == 2
    held, before = rows["target_units"].iloc[1], rows["held_units"].iloc[1]
    log = tables["allocation_log"]
    paid = 0.01 * abs(held - before) + 0.01 * held * 1.1
    assert log["nav"].iloc[2] == pytest.approx(log["nav"].iloc[1] + held * 0.1 - paid, abs=1e-12)
    assert log["nav"].iloc[3] == log["nav"].iloc[2]
    unknown = run(delisted(small_world(["filled"] * 4, [1.0] * 4, [1.0] * 4), known=3))
    assert len(unknown["target_exposures"].query("symbol == 'S01'")) == 3


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_an_order_still_open_when_its_asset_is_delisted_is_void_also_in_a_walk_taken_up_again(cut):
    inputs = delisted(small_world(["filled"] * 5, [1.0] * 5, [1.0, 9.0, 1.0, 1.0, 1.0], known_after=2))
    whole = run(inputs)
    assert whole["allocation_log"]["cost"].tolist()[3:] == [0.0, 0.0]
    early = run(replace(inputs, decisions=inputs.decisions.iloc[:cut]))
    late = run(replace(inputs, decisions=inputs.decisions.iloc[cut:], past=early))
    assert_same_bits({name: pd.concat([early[name], late[name]]) for name in KEYS}, whole)


def test_what_is_held_and_has_no_mark_is_an_error_that_names_it():
    inputs = small_world([None] * 3, [1.0] * 3, [])
    with pytest.raises(ValueError, match="marks: no row for S01"):
        run(replace(inputs, marks=inputs.marks.iloc[:1]))


WALKS = {
    "hierarchical_risk_parity": POLICY,
    "mean_variance": with_policy(allocator="mean_variance", limits__volatility=0.08),
    "stops": with_policy(stops__drawdown=-0.01, stops__daily_loss=-0.004, stops__simulated_reset=4),
}


def assert_same_bits(found, wanted):
    for name, key in KEYS.items():
        left, right = (table[name].sort_values(key).reset_index(drop=True) for table in (found, wanted))
        pd.testing.assert_frame_equal(left, right, check_exact=True)
        for column in left.select_dtypes("float"):
            assert left[column].to_numpy().tobytes() == right[column].to_numpy().tobytes(), (name, column)


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("cut", [1, 17])
def test_a_walk_taken_up_again_gives_the_bits_of_one_that_was_not_interrupted(walk, cut):
    inputs, wanted = make_world(rows=175), WALKS[walk]
    whole = run(inputs, wanted)
    early = run(replace(inputs, decisions=inputs.decisions.iloc[:cut]), wanted)
    late = run(replace(inputs, decisions=inputs.decisions.iloc[cut:], past=early), wanted)
    assert_same_bits({name: pd.concat([early[name], late[name]]) for name in KEYS}, whole)


def test_one_decision_at_a_time_gives_the_bits_of_all_at_once_also_when_it_goes_live():
    inputs = make_world(rows=152, is_live=True)
    extra = inputs.decisions.assign(is_backtest=[True] * 6 + [False] * 6)
    inputs = replace(inputs, decisions=extra)
    whole, past = run(inputs, WALKS["stops"]), {}
    for row in range(len(extra)):
        one = run(replace(inputs, decisions=extra.iloc[[row]], past=past), WALKS["stops"])
        past = {name: pd.concat([past[name], one[name]]) if past else one[name] for name in KEYS}
    assert_same_bits(past, whole)


@pytest.mark.parametrize("told", [None, 6, 7, 8, 9, 11])
def test_a_late_action_pays_once_also_in_a_walk_taken_up_at_any_decision(told):
    """A split told late, while fills from its session on are known or still to come; also where the portfolio
    is told what is really held."""
    inputs = make_world(rows=156)
    if told is not None:
        inputs = held(inputs, {"S00": 0.1, "S02": 0.05, "S04": 0.2}, told)
    at = pd.DatetimeIndex(inputs.decisions["decision_at"])
    rows = [
        {"symbol": symbol, "session_date": at[day].normalize(), "growth": 2.0, "printed_at": at[day]}
        | {"known_at": at[day + late] - pd.Timedelta(hours=2)}
        for symbol, day, late in [("S00", 6, 1), ("S01", 6, 2), ("S02", 8, 3), ("S03", 9, 1), ("S04", 5, 3)]
    ]
    without, inputs = run(inputs), replace(inputs, late_actions=pd.DataFrame(rows))
    whole, past = run(inputs), {}
    for row in range(len(at)):
        one = run(replace(inputs, decisions=inputs.decisions.iloc[[row]], past=past))
        past = {name: pd.concat([past[name], one[name]]) if past else one[name] for name in KEYS}
    assert_same_bits(past, whole)
    bare, paid = (tables["allocation_log"]["gross_return"].to_numpy() for tables in (without, whole))
    assert np.array_equal(bare[:7], paid[:7])
    assert paid.sum() - bare.sum() > (0.02 if told is None else 0.01)


@pytest.mark.parametrize("walk", WALKS)
def test_rows_after_a_decision_change_no_bit_of_it_nor_does_the_order_of_rows(walk):
    inputs, wanted = make_world(rows=175), WALKS[walk]
    until = inputs.decisions["decision_at"].iloc[20]
    noise = make_world(size=7, rows=190, seed=9)
    early = replace(inputs, decisions=only(inputs.decisions, until))
    names = ["marks", "decision_returns", "data_quality", "market_conditions", "expected_returns", "regimes"]
    poisoned, cut = {}, {}
    for name in [*names, "confidences"]:
        past, later = only(getattr(inputs, name), until), getattr(noise, name)
        cut[name] = past
        poisoned[name] = pd.concat([later[later["decision_at"] > until], past]).sample(frac=1, random_state=1)
    known = inputs.order_fills[inputs.order_fills["known_at"] <= until]
    later = noise.order_fills[
        (noise.order_fills["known_at"] > until) & (noise.order_fills["decision_at"] > until)
    ]
    cut["order_fills"] = known
    later = later.assign(cost_rate=later["cost_rate"] * 100)
    poisoned["order_fills"] = pd.concat([later, known]).sample(frac=1, random_state=2)
    pending = inputs.order_fills[
        (inputs.order_fills["known_at"] > until) & (inputs.order_fills["decision_at"] <= until)
    ]
    poisoned["order_fills"] = pd.concat(
        [poisoned["order_fills"], pending.assign(fill_index=9.0, cost_rate=0.5)]
    )
    assert len(pending) > 0
    assert_same_bits(run(replace(early, **poisoned), wanted), run(replace(early, **cut), wanted))


def measured(inputs, condition, values):
    rows = pd.DataFrame(
        {
            "portfolio": "p",
            "decision_at": inputs.decisions["decision_at"],
            "condition": condition,
            "value": values,
        }
    )
    return replace(inputs, market_conditions=rows)


def condition_rows(tables, condition):
    return tables["stop_conditions"].query(f"condition == '{condition}'").reset_index(drop=True)


ONE_STOP = [
    ("staleness", 1.0, "hold"),
    ("divergence", 3.0, "hold"),
    ("volatility_surge", 2.5, "halve"),
    ("correlation_surge", 0.8, "halve"),
]


@pytest.mark.parametrize(("condition", "limit", "action"), ONE_STOP)
def test_a_stop_fires_exactly_at_its_limit_and_does_what_it_should(condition, limit, action):
    inputs = make_world(rows=152)
    below = measured(inputs, condition, [0.0] * 8 + [np.nextafter(limit, 0) - 1e-9, None, 0, 0])
    assert not condition_rows(run(below), condition)["is_latched"].any()
    tables = run(measured(inputs, condition, [0.0] * 8 + [limit, 0, 0, 0]))
    rows = condition_rows(tables, condition)
    assert rows["is_triggered"].tolist() == [False] * 8 + [True] + [False] * 3
    assert rows["is_latched"].tolist() == [False] * 8 + [True] * 4
    assert rows["action"].tolist() == ["none"] * 8 + [action] * 4
    at = rows["decision_at"].iloc[8]
    assert (rows["latched_at"].iloc[8:] == at).all()
    final = tables["target_exposures"].query("decision_at == @at and symbol != 'CASH'")
    if action == "hold":
        assert final["weight"].tolist() == final["previous_weight"].tolist()
    else:
        projected = tables["weight_waterfall"].query(
            "decision_at == @at and symbol != 'CASH' and stage_number == 5"
        )
        assert final["weight"].tolist() == (projected["weight_after"] / 2).tolist()


def test_a_missing_condition_is_reported_as_null_and_triggers_nothing():
    tables = run(measured(make_world(rows=145), "divergence", [None] * 5))
    rows = tables["stop_conditions"]
    assert condition_rows(tables, "divergence")["value"].isna().all()
    assert condition_rows(tables, "volatility_surge")["value"].isna().all()
    assert not rows["is_latched"].any()
    assert (rows.groupby("decision_at").size() == 8).all()


def falling(marks):
    """One stock at 20 % that is never traded, so that the value is 0.8 + 0.2 x mark."""
    return small_world(["lapsed"] * len(marks), marks, [])


def test_a_drawdown_of_exactly_the_limit_sends_all_to_cash_in_spite_of_the_change_limit():
    wanted = with_policy(stops__drawdown=-0.1, stops__daily_loss=-0.9)
    tables = run(falling([1.0, 0.5, 0.5]), wanted)
    rows = condition_rows(tables, "drawdown")
    assert rows["is_triggered"].tolist() == [False, True, True]
    final = tables["target_exposures"].query("symbol == 'S01'")["weight"].tolist()
    assert final[0] > 0
    assert final[1:] == [0.0, 0.0]
    calm = run(falling([1.0, 0.5 + 1e-9, 0.5 + 1e-9]), wanted)
    assert not condition_rows(calm, "drawdown")["is_latched"].any()


def test_a_daily_loss_of_exactly_the_limit_halves_once_though_a_surge_halves_too():
    inputs = falling([1.0, 0.75, 0.75])
    tables = run(measured(inputs, "volatility_surge", [0, 9.0, 9.0]))
    assert condition_rows(tables, "daily_loss")["is_triggered"].tolist() == [False, True, False]
    rows = tables["weight_waterfall"].query("symbol == 'S01'")["weight_after"].tolist()[6:12]
    assert rows[5] == rows[4] / 2
    calm = run(falling([1.0, 0.75 + 1e-9, 0.75]))
    assert not condition_rows(calm, "daily_loss")["is_latched"].any()


def test_holding_orders_exactly_the_units_that_are_held():
    marks = [1.0, *np.random.default_rng(0).uniform(0.9, 1.1, 49)]
    inputs = held(falling(marks), {"S01": 0.137})
    tables = run(measured(inputs, "staleness", 1.0))
    assert tables["target_exposures"].query("symbol == 'S01'")["target_units"].tolist() == [0.137] * 50


def test_hold_with_halve_is_half_the_previous_weights():
    inputs = falling([1.0, 0.75, 0.75])
    row = run(measured(inputs, "staleness", [0, 1.0, 0]))["target_exposures"].query("symbol == 'S01'").iloc[1]
    assert row["weight"] == row["previous_weight"] / 2


def test_a_backtest_latch_is_reset_after_its_decisions_and_the_drawdown_mark_is_rebased():
    wanted = with_policy(stops__drawdown=-0.1, stops__daily_loss=-0.9, stops__simulated_reset=3)
    tables = run(falling([1.0, 0.4, 0.4, 0.4, 0.4, 0.4]), wanted)
    rows = condition_rows(tables, "drawdown")
    assert rows["is_latched"].tolist() == [False, True, True, True, False, False]
    assert rows["reset_by"].iloc[4] == "simulated"
    assert rows["value"].iloc[4] == 0.0
    log = tables["allocation_log"]
    assert log["high_water_mark"].iloc[4] == log["nav"].iloc[4]
    inputs = falling([1.0, 0.4, 0.4, 0.4, 0.4, 0.4])
    early = run(replace(inputs, decisions=inputs.decisions.iloc[:3]), wanted)
    late = run(replace(inputs, decisions=inputs.decisions.iloc[3:], past=early), wanted)
    assert_same_bits({name: pd.concat([early[name], late[name]]) for name in KEYS}, tables)


def test_a_live_latch_waits_for_an_operator_and_the_first_live_decision_starts_clear():
    wanted = with_policy(stops__simulated_reset=1, stops__daily_loss=-0.9)
    inputs = measured(falling([1.0] * 8), "staleness", [0, 2.0, 2.0, 0, 2.0, 0, 0, 0])
    days = inputs.decisions["decision_at"].tolist()
    inputs = replace(inputs, decisions=inputs.decisions.assign(is_backtest=[True] * 3 + [False] * 5))
    reset = {"portfolio": "p", "condition": "staleness", "reset_by": "ann", "reason": "looked"}
    resets = pd.DataFrame([{**reset, "reset_at": days[4]}, {**reset, "reset_at": days[6]}])
    rows = condition_rows(run(replace(inputs, resets=resets), wanted), "staleness")
    assert rows["is_latched"].tolist() == [False, True, True, False, True, True, False, False]
    assert rows["reset_by"].fillna("").tolist() == ["", "", "simulated", "first_live", "", "", "ann", ""]
    rows = condition_rows(run(inputs, wanted), "staleness")
    assert rows["is_latched"].tolist() == [False, True, True, False, True, True, True, True]


def test_a_value_that_cannot_be_known_stops_everything_in_cash():
    tables = run(falling([1.0, np.nan, np.nan]))
    assert condition_rows(tables, "drawdown")["is_triggered"].tolist() == [False, True, True]
    late = tables["target_exposures"].query("symbol == 'CASH'").iloc[1:]
    assert late["weight"].tolist() == [1.0, 1.0]
    assert np.isfinite(tables["target_exposures"]["weight"]).all()
    assert tables["allocation_log"]["fallback_mode"].tolist()[1:] == ["cash", "cash"]


def test_an_excluded_asset_is_held_for_four_decisions_and_sold_at_the_fifth():
    inputs = make_world(rows=155)
    bad = (inputs.data_quality["symbol"] == "S01") & (
        inputs.data_quality["decision_at"] >= inputs.decisions["decision_at"].iloc[8]
    )
    tables = run(replace(inputs, data_quality=inputs.data_quality.assign(is_excluded=bad)))
    rows = tables["target_exposures"].query("symbol == 'S01'").iloc[8:]
    assert rows["excluded_for"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert rows["weight"].tolist()[:4] == rows["previous_weight"].tolist()[:4]
    assert rows["weight"].iloc[0] > 0
    assert rows["weight"].tolist()[4:] == [0.0] * 3
    assert "change S01" in tables["allocation_log"]["conflicts"].iloc[12]


def test_no_view_is_cash_and_says_so():
    inputs = make_world(rows=145)
    tables = run(replace(inputs, expected_returns=inputs.expected_returns.iloc[:0]))
    assert set(tables["allocation_log"]["status"]) == {"no_view"}
    assert "no strategy adopted" in tables["allocation_log"]["reason"].iloc[0]
    assert (tables["target_exposures"].query("symbol == 'CASH'")["weight"] == 1).all()
    assert len(tables["target_exposures"]) == 5 * 6
    shy = run(replace(inputs, expected_returns=inputs.expected_returns.assign(shrunk_view=0.0)))
    assert shy["allocation_log"]["reason"].iloc[0] == "no view above zero: cash"


def test_too_short_a_history_is_no_data_and_names_the_assets():
    inputs = make_world(rows=120, first=100)
    log = run(inputs)["allocation_log"]
    assert set(log["status"]) == {"no_data"}
    assert "S00" in " ".join(log["reason"])


@pytest.mark.parametrize("mode", ["hold_previous", "equal_weight", "cash"])
def test_an_allocator_that_fails_gives_way_to_the_fallback_of_the_policy(mode, monkeypatch):
    def fail(views, covariance, limits):
        raise RuntimeError("the solver says no")

    inputs = held(make_world(rows=145), {"S01": 0.1})
    inputs = replace(inputs, data_quality=inputs.data_quality.assign(is_excluded=False))
    monkeypatch.setattr(plugins.load("python_steps.allocators", "equal_weight"), "allocate", fail)
    tables = run(inputs, with_policy(allocator="equal_weight", fallback=mode))
    log = tables["allocation_log"].iloc[0]
    assert (log["status"], log["fallback_mode"]) == ("fallback", mode)
    assert log["reason"] == f"{mode}, because the solver says no"
    raw = tables["weight_waterfall"].query("stage == 'raw'").groupby("symbol")["weight_after"].first()
    # the class limits take equal weights of five assets as they are: crypto holds two of them, 0.30 at most
    wanted = {
        "hold_previous": [0, 0.1, 0, 0, 0],
        "cash": [0] * 5,
        "equal_weight": [0.15, 0.2, 0.2, 0.15, 0.2],
    }
    np.testing.assert_allclose(raw.drop("CASH"), wanted[mode], atol=1e-12)


def test_a_covariance_that_is_not_finite_is_a_fallback(monkeypatch):
    module = plugins.load("python_steps.covariances", "ledoit_wolf")
    monkeypatch.setattr(module, "estimate", lambda returns: np.full((5, 5), np.nan))
    log = run(make_world(rows=145))["allocation_log"]
    assert set(log["status"]) == {"fallback"}
    assert log["reason"].iloc[0] == "hold_previous, because the covariance is not finite"


def test_confidence_sizes_the_raw_weights_only_where_the_policy_says_so():
    inputs = make_world(rows=141)
    plain, scaled = run(inputs), run(inputs, with_policy(scale_by_confidence=True))
    raw = [
        tables["weight_waterfall"].query("stage == 'raw' and symbol != 'CASH'")["weight_after"]
        for tables in (plain, scaled)
    ]
    np.testing.assert_allclose(raw[1], raw[0] * 0.5, atol=1e-15)
    assert raw[0].sum() > 0


def test_dust_of_what_is_leaving_is_swept():
    inputs = held(small_world([None] * 3, [1.0] * 3, []), {"S01": 0.0025})
    weights = run(inputs)["target_exposures"].query("symbol == 'S01'")["weight"]
    assert weights.iloc[0] == 0.0


def test_assets_that_move_together_share_one_limit():
    inputs = make_world(size=4, rows=150)
    returns = inputs.decision_returns
    twin = returns["symbol"] == "S02"
    returns.loc[twin, "simple_return"] = returns.loc[returns["symbol"] == "S01", "simple_return"].to_numpy()
    tables = run(replace(inputs, decision_returns=returns), with_policy(limits__cluster__limit=0.1))
    raw = tables["weight_waterfall"].query("symbol in ('S01', 'S02') and stage == 'raw'")
    together = raw.groupby("decision_at")["weight_after"].sum()
    assert together.max() == pytest.approx(0.1, abs=1e-12)
    inputs.decision_returns.loc[twin, "simple_return"] *= -1
    apart = run(inputs, with_policy(limits__cluster__limit=0.1))["weight_waterfall"]
    raw = apart.query("symbol in ('S01', 'S02') and stage == 'raw'")
    assert raw.groupby("decision_at")["weight_after"].sum().max() > 0.2


def test_holdings_are_the_first_previous_weights():
    tables = run(held(make_world(rows=142), {"S00": 0.1, "S03": 0.05, "CASH": 0.85}))
    first = tables["target_exposures"].groupby("symbol")["previous_weight"].first()
    np.testing.assert_allclose(first[["S00", "S03", "CASH"]], [0.1, 0.05, 0.85], atol=1e-15)
    with pytest.raises(ValueError, match=r"holdings: S00 is 1\.5"):
        run(held(make_world(rows=142), {"S00": 1.5}))
    with pytest.raises(ValueError, match="holdings: XX has no bar"):
        run(held(make_world(rows=142), {"XX": 0.5}))


def test_a_portfolio_goes_on_from_what_it_is_told_and_keeps_its_value():
    inputs = make_world(rows=160)
    at = inputs.decisions["decision_at"].sort_values().tolist()
    plain, tables = run(inputs), run(held(inputs, {"S00": 0.1, "S03": 0.05, "CASH": 0.85}, 9))
    logs = [told["allocation_log"].set_index("decision_at")["nav"] for told in (plain, tables)]
    assert logs[0].loc[: at[9]].equals(logs[1].loc[: at[9]])  # what was told is no profit
    assert logs[0].loc[at[10]] != logs[1].loc[at[10]]
    rows = tables["target_exposures"].query("decision_at == @at[9]").set_index("symbol")
    np.testing.assert_allclose(rows["previous_weight"][["S00", "S03", "CASH"]], [0.1, 0.05, 0.85], atol=1e-15)
    assert rows["held_units"].drop("CASH").gt(0).sum() == 2
    taken = tables["holdings_taken"].set_index("symbol")
    assert set(taken["decision_at"]) == {at[9]}
    before = plain["target_exposures"].query("decision_at == @at[9]").set_index("symbol")["held_units"]
    known = taken["units_before"].reindex(before.index).fillna(0)
    np.testing.assert_allclose(known, before, rtol=1e-15)
    worth = (taken["units_after"] * taken["mark_index"]).sum()
    assert worth == pytest.approx(logs[1].loc[at[9]], rel=1e-12)


def test_orders_still_open_when_the_portfolio_is_told_what_is_held_are_void():
    inputs = small_world(["filled", None, None], [1.0, 1.0, 1.0], [2.0], known_after=2)
    log = run(inputs)["allocation_log"]
    assert log["cost"].iloc[2] > 0
    told = held(inputs, {"S01": 0.1}, 1)
    tables = run(replace(told, holdings=pd.concat([inputs.holdings, told.holdings])))
    assert (tables["allocation_log"]["cost"] == 0).all()
    assert tables["target_exposures"].query("symbol == 'S01'")["held_units"].tolist() == [0.2, 0.1, 0.1]


def test_a_row_that_stands_twice_is_refused():
    inputs = make_world(rows=145)
    with pytest.raises(ValueError, match="marks: S00 stands twice"):
        run(replace(inputs, marks=pd.concat([inputs.marks, inputs.marks.iloc[:1]])))


def test_a_past_that_is_not_past_is_refused():
    inputs = make_world(rows=145)
    with pytest.raises(ValueError, match="decisions: one is not later"):
        run(replace(inputs, past=run(inputs)))


def test_without_views_every_asset_has_a_weight_whatever_was_believed_or_held():
    """It stands beside the answer: other views change no bit of it, and nothing is held by it."""
    inputs = make_world()
    ablated = run(inputs)["ablated_weights"]
    assert set(ablated["method"]) == {"without_views"}
    last = ablated[ablated["decision_at"] == ablated["decision_at"].max()]
    assert (last["weight"] > 0).mean() > 0.9
    assert last["weight"].sum() <= 1 + 1e-9
    sceptic = inputs.expected_returns.assign(shrunk_view=0.0)
    found = run(replace(inputs, expected_returns=sceptic))
    assert (found["target_exposures"].query("symbol == 'CASH'")["weight"] == 1).all()
    pd.testing.assert_frame_equal(found["ablated_weights"], ablated, check_exact=True)


def test_an_allocator_that_needs_views_has_none_without_them():
    found = run(make_world(), with_policy(allocator="mean_variance"))
    assert (found["ablated_weights"]["weight"] == 0).all()
