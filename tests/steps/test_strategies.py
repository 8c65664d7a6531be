"""What is tested: grids laid out, what policies name, and what a strategy holds by its parameters.

Each is asked of the models as dbt compiled them, on tables small enough to check by hand.
"""

import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from flows import landing, pipeline
from flows.publish import PUBLISHED
from python_steps import plugins, policy, study
from python_steps.errors import InputError
from python_steps.record_trials import fresh_tuned, record
from tests.worlds.small import World

DECLARED = [
    ("always_long", "constant", "always_long", None, None),
    ("momentum", "signal", "momentum_1m", None, '{"threshold": [0.25, 0.5], "shape": ["sign", "linear"]}'),
    ("plain", "signal", "plain", None, None),
    ("held", "signal", "held", None, '{"threshold": 0.1}'),
    ("ridge", "learner", "ridge", "default", '{"alpha": [0.01, 1.0]}'),
    ("lasso", "learner", "elastic_net", "default", '{"alpha": [0.5], "l1_ratio": 1.0}'),
]
COLUMNS = ["strategy", "kind", "source", "plan", "parameters"]
GRID = [
    "momentum__shape_linear__threshold_0.25",
    "momentum__shape_linear__threshold_0.5",
    "momentum__shape_sign__threshold_0.25",
    "momentum__shape_sign__threshold_0.5",
]
EVERYTHING = {"signals": "all", "learners": "all", "variants": True}
AT = pd.Timestamp("2020-01-06 14:00")


@pytest.fixture(scope="module")
def compiled(small_world: World) -> dict[str, str]:
    return small_world.dbt.compiled()


@pytest.fixture
def con(tmp_path: Path):
    opened = duckdb.connect(str(tmp_path / PUBLISHED), config={"threads": 1})
    yield opened
    opened.close()


def tell(con: duckdb.DuckDBPyConnection, **tables: pd.DataFrame) -> None:
    for name, frame in tables.items():
        con.register("frame", frame)
        con.execute(f"create or replace table main.{name} as from frame")


def make(con: duckdb.DuckDBPyConnection, compiled: dict[str, str], *models: str) -> pd.DataFrame:
    """The last of some models, made one after the other."""
    for model in models:
        con.execute(f"create or replace table main.{model} as {compiled[model]}")
    return con.execute(f"from main.{models[-1]}").df()


def strategies(con, compiled, *policies) -> pd.DataFrame:
    declared = pd.DataFrame(DECLARED, columns=COLUMNS, dtype="str")
    declared = declared.assign(family="f", direction="long", caution=pd.Series([None] * 6, dtype="str"))
    told = pd.DataFrame({"policy_json": [json.dumps(one) for one in policies]})
    tell(con, declared_strategies=declared, portfolios=told)
    models = ("named_plugins", "strategy_configurations", "strategies")
    return make(con, compiled, *models).set_index("strategy")


def test_each_combination_of_a_grid_is_a_strategy_beside_the_one_without(con, compiled):
    found = strategies(con, compiled, EVERYTHING)
    assert sorted(found.index[found["source"] == "momentum_1m"]) == ["momentum", *GRID]
    assert found.loc[GRID, "variant_of"].eq("momentum").all()
    assert found.loc[["momentum", "plain", "held"], "variant_of"].isna().all()
    assert found.loc[["momentum", "plain"], "parameters"].isna().all()
    assert json.loads(found.loc["held", "parameters"]) == {"threshold": 0.1}
    assert json.loads(found.loc[GRID[2], "parameters"]) == {"shape": "sign", "threshold": 0.25}
    assert len(found) == len(set(found.index)) == 13


def test_forecasts_go_by_the_learner_and_all_of_its_parameters(con, compiled):
    learner = strategies(con, compiled, EVERYTHING)["learner"].dropna().to_dict()
    assert learner == {
        "ridge": "ridge",
        "ridge__alpha_0.01": "ridge__alpha_0.01",
        "ridge__alpha_1.0": "ridge__alpha_1.0",
        "lasso": "elastic_net__l1_ratio_1.0",
        "lasso__alpha_0.5": "elastic_net__alpha_0.5__l1_ratio_1.0",
    }


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([{"signals": ["plain"], "learners": ["ridge"], "variants": False}], {"plain", "ridge"}),
        ([{"signals": "all", "learners": [], "variants": False}], {"momentum", "plain", "held"}),
        ([{"signals": [], "learners": "all", "variants": False}], {"ridge", "lasso"}),
        (
            [
                {"signals": ["plain"], "learners": [], "variants": False},
                {"signals": ["momentum_1m"], "learners": [], "variants": True},
            ],
            {"plain", "momentum", *GRID},
        ),
        ([{}], set()),
    ],
    ids=["named", "all signals", "all learners", "what any names", "one from before there were names"],
)
def test_what_no_policy_in_force_names_is_left_out(con, compiled, policies, expected):
    assert set(strategies(con, compiled, *policies).index) == {"always_long", *expected}


def test_a_score_below_its_threshold_is_nothing_and_a_sign_is_all(con, compiled):
    scores = [None, -0.9, 0.0, 0.2, 0.25, 0.7]
    held = {
        ("long", None): [0, 0, 0, 0.2, 0.25, 0.7],
        ("long", '{"threshold":0.25}'): [0, 0, 0, 0, 0.25, 0.7],
        ("long", '{"shape":"sign","threshold":0.25}'): [0, 0, 0, 0, 1, 1],
        ("long", '{"shape":"sign"}'): [0, 0, 0, 1, 1, 1],
        ("both", '{"shape":"sign","threshold":0.25}'): [0, -1, 0, 0, 1, 1],
        ("both", '{"alpha":0.25}'): [0, -0.9, 0, 0.2, 0.25, 0.7],
    }
    symbols = [f"S{number}" for number in range(len(scores))]
    bars = pd.DataFrame(
        {"clock": "c", "symbol": symbols, "decision_at": AT, "decision_number": 1, "known_at": AT}
    )
    rows = [(f"s{n}", *key) for n, key in enumerate(held)]
    told = pd.DataFrame(rows, columns=["strategy", "direction", "parameters"])
    said = bars.assign(score=scores)[["clock", "symbol", "decision_at", "score"]]
    said = said.dropna().merge(told["strategy"], how="cross")
    tell(con, decision_bars=bars, strategies=told, scores=said)
    found = make(con, compiled, "positions").pivot_table(
        index="strategy", columns="symbol", values="position"
    )
    assert found.to_numpy().tolist() == [list(map(float, row)) for row in held.values()]


def test_a_policy_takes_of_the_strategies_those_it_names_itself(con, compiled):
    found = strategies(con, compiled, EVERYTHING).reset_index()
    _, base = policy.load("global")
    narrow = base.model_copy(update={"signals": ("plain",), "learners": ("ridge",)})
    assert set(pipeline.chosen(found, narrow)["strategy"]) == {"always_long", "plain", "ridge"}
    wide = narrow.model_copy(update={"variants": True})
    assert set(pipeline.chosen(found, wide)["variant_of"].dropna()) == {"ridge"}


def test_where_a_policy_allows_shorts_each_strategy_has_a_twin_that_only_it_takes(con, compiled):
    shorts = {**EVERYTHING, "allow_shorts": True}
    found, plain = strategies(con, compiled, shorts).reset_index(), strategies(con, compiled, EVERYTHING)
    twins = found[found["direction"] == "both"]
    assert set(found["strategy"]) - set(twins["strategy"]) == set(plain.index)
    long = plain[plain["kind"] != "constant"].index
    assert set(twins["strategy"]) == {f"{name}__both" for name in long}
    assert set(twins["variant_of"].dropna()) == {f"{name}__both" for name in plain["variant_of"].dropna()}
    _, base = policy.load("global")
    wide = base.model_copy(update={"learners": "all", "variants": True})
    assert set(pipeline.chosen(found, wide)["strategy"]) == set(plain.index)
    both = wide.model_copy(update={"allow_shorts": True})
    assert set(pipeline.chosen(found, both)["strategy"]) == {*twins["strategy"], "always_long"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {"signals": ("momentun",)},
            "mine.yml: signals: 'momentun' is unknown; expected one of acceleration_3m, ",
        ),
        ({"learners": ("rigde",)}, "mine.yml: learners: 'rigde' is unknown; expected one of elastic_net, "),
    ],
)
def test_a_name_that_no_file_has_is_refused_with_those_there_are(names, message):
    _, base = policy.load("global")
    seeds = study.tables(study.read_study())
    with pytest.raises(InputError, match=message):
        landing.check_names("mine", base.model_copy(update=names), seeds)


def test_a_weighting_that_no_file_has_is_refused_with_those_there_are():
    base = policy.load("global")[1]
    named = base.model_copy(update={"weights": base.weights.model_copy(update={"method": "voting"})})
    expected = (
        "mine.yml: weights.method: 'voting' is unknown; expected one of bayesian, equal_weight, hedge, "
    )
    with pytest.raises(InputError, match=expected):
        landing.check_names("mine", named, study.tables(study.read_study()))


def test_a_learner_whose_extra_is_missing_is_refused_by_name_of_the_extra(monkeypatch):
    _, base = policy.load("global")
    monkeypatch.setattr(landing.plugins, "missing", lambda *named: list(plugins.extras(*named)))
    named = base.model_copy(update={"learners": ("ridge", "torch_net")})
    with pytest.raises(InputError, match=r"'torch_net' needs torch.*portfolio-warehouse\[torch\]"):
        landing.check_names("mine", named, study.tables(study.read_study()))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            '{"treshold": 0.2}',
            "momentum_1m: parameter 'treshold' is unknown; expected one of threshold, shape",
        ),
        ("[0.2]", "momentum_1m: parameters are not a JSON object"),
        ("{0.2}", "momentum_1m: parameters are not a JSON object"),
        ('{"threshold": []}', "momentum_1m: parameter 'threshold' has no value"),
    ],
)
def test_parameters_that_nothing_reads_are_refused(parameters, message):
    _, base = policy.load("global")
    seeds = study.tables(study.read_study())
    rows = seeds["strategies"].to_pylist()
    for row in rows:
        row["parameters"] = parameters if row["strategy"] == "momentum_1m" else row["parameters"]
    changed = {**seeds, "strategies": seeds["strategies"].from_pylist(rows)}
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        landing.check_names("mine", base, changed)


def test_what_a_learner_tried_inside_is_counted_once_for_all_windows():
    rows = [(w, json.dumps({"learner": "ridge", "settings": {"alpha": a}})) for w in (0, 1) for a in (1, 2)]
    tuned = pd.DataFrame(rows, columns=["window_id", "configuration"]).assign(learner="selected_learner")
    fresh = fresh_tuned(tuned, set(), clock="global", plan="default")
    assert len(fresh) == fresh["config_hash"].nunique() == 2
    assert fresh_tuned(tuned, set(fresh["config_hash"]), clock="global", plan="default").empty
    assert set(fresh["config_hash"]).isdisjoint(
        fresh_tuned(tuned, set(), clock="global", plan="short")["config_hash"]
    )
    pnl = pd.DataFrame(columns=["strategy", "symbol", "decision_at", "status", "net_return"])
    counted = record(
        fresh,
        pnl,
        clock="c",
        plan="p",
        test_from=AT,
        batch_id=1,
        run_id="r",
        as_of=AT,
        decisions_per_year=261,
    )
    assert counted["test_sharpe"].isna().all()


def test_the_quality_of_forecasts_is_that_computed_by_hand(con, compiled):
    """Three decisions fitted on, two tested, of one of which too few labels came in time."""
    random = np.random.default_rng(5)
    instants = pd.bdate_range("2020-01-06 14:00", periods=40).as_unit("us")
    keys = pd.MultiIndex.from_product([range(5), list("ABCDEF")], names=["place", "symbol"]).to_frame(
        index=False
    )
    keys["decision_at"] = instants[keys["place"]]
    said = keys.assign(
        clock="c",
        plan="p",
        learner="l",
        window_id=0,
        is_train=keys["place"] < 3,
        forecast=random.normal(size=30),
    )
    said["known_at"] = said["decision_at"].clip(lower=instants[3])
    said["forecast"] = said["forecast"].round(1)  # so that some are equal
    labels = keys.assign(clock="c", normalised_label=random.normal(size=30), known_at=instants[9])
    late = (labels["place"] == 4) & labels["symbol"].isin(list("ABCD"))
    labels.loc[late, "known_at"] = instants[15]
    window = {"clock": "c", "plan": "p", "window_id": 0, "test_from": instants[3], "used_until_number": 6}
    numbers = pd.DataFrame({"clock": "c", "decision_number": range(1, 41), "decision_at": instants})
    for as_of, rows in ((instants[13], 0), (instants[14], 1)):
        tell(
            con,
            walk_forward_windows=pd.DataFrame([window]),
            clock_instants=numbers,
            forecasts=said.sample(frac=1, random_state=2),
            labels=labels,
            run_bounds=pd.DataFrame({"as_of": [as_of]}),
        )
        found = make(con, compiled, "forecast_quality")
        assert len(found) == rows
    pairs = said.merge(labels[["place", "symbol", "normalised_label"]])
    tested = pairs[pairs["place"] == 3]
    fitted = [part for _, part in pairs[pairs["place"] < 3].groupby("place")]
    row = found.iloc[0]
    assert (row["decisions"], row["known_at"]) == (1, instants[14])
    assert row["information_coefficient"] == pytest.approx(
        np.corrcoef(tested["forecast"], tested["normalised_label"])[0, 1], abs=1e-9
    )
    assert row["rank_information_coefficient"] == pytest.approx(
        spearmanr(tested["forecast"], tested["normalised_label"]).statistic, abs=1e-9
    )
    assert row["in_sample_information_coefficient"] == pytest.approx(
        np.mean([np.corrcoef(part["forecast"], part["normalised_label"])[0, 1] for part in fitted]), abs=1e-9
    )
