"""A configuration is tried once, and whatever changes what it does makes it another one."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from flows import pipeline
from python_steps import policy as policies
from python_steps import warehouse
from python_steps.record_trials import STEPS, fresh_configurations, source_code, tried_under
from tests.worlds.small import World

PROJECT = STEPS.parent
STRATEGIES = pd.DataFrame(
    [
        ("always_long", "constant", "always_long", None, "yardstick", "long"),
        ("momentum_1m", "signal", "momentum_1m", None, "momentum", "long"),
        ("ridge", "learner", "ridge", "default", "learner", "long"),
        ("ridge_short", "learner", "ridge", "short", "learner", "long"),
    ],
    columns=["strategy", "kind", "source", "plan", "family", "direction"],
)
SHARED = "python_steps/learners/_standard.py"
SIGNAL, LEARNER = "macros/signals/momentum_1m.sql", "python_steps/learners/ridge.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the signals and the learners."""
    for folder in ("macros/signals", "python_steps/learners"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


def hashes(project: Path = PROJECT, plan: str = "default", clock: str = "global") -> dict[str, str]:
    folders = {"macros": project / "macros", "learners": project / "python_steps" / "learners"}
    fresh = fresh_configurations(STRATEGIES, set(), clock=clock, plan=plan, **folders)
    return dict(zip(fresh["strategy"], fresh["config_hash"], strict=True))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "whose"),
    [
        (SIGNAL, "sqrt(classes.bars_per_month)", "sqrt(classes.bars_per_quarter)", {"momentum_1m"}),
        (LEARNER, "ALPHA = 0.1", "ALPHA = 0.2", {"ridge", "ridge_short"}),
        (SHARED, "deviation > NO_DEVIATION", "deviation >= NO_DEVIATION", {"ridge", "ridge_short"}),
    ],
)
def test_another_parameter_is_another_configuration(
    project: Path, file: str, old: str, new: str, whose: set[str]
) -> None:
    edit(project / file, old, new)
    before, after = hashes(), hashes(project)
    assert {name for name in before if before[name] != after[name]} == whose


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SIGNAL, "Knows: closes of one quarter", "Knows: the closes of one quarter"),
        (SIGNAL, "        bars.symbol,", "    -- whose\n    bars.symbol,"),
        (LEARNER, "# Penalty per training row,", "# Per training row, a penalty,"),
        (LEARNER, "the plainest thing that can learn", "nothing plainer can learn"),
    ],
)
def test_another_comment_is_no_other_configuration(project: Path, file: str, old: str, new: str) -> None:
    edit(project / file, old, new)
    assert hashes(project) == hashes()


def test_parameters_make_another_configuration_and_a_caution_none() -> None:
    told = {"parameters": '{"alpha":1.0}', "caution": "young"}
    found = [
        fresh_configurations(STRATEGIES.assign(**columns), set(), clock="global", plan="default")
        for columns in ({"parameters": None}, told, {**told, "caution": None})
    ]
    plain, one, other = (list(table["config_hash"]) for table in found)
    assert one == other
    assert not set(one) & set(plain)


def test_another_clock_or_plan_is_another_configuration() -> None:
    found = [hashes(), hashes(plan="short"), hashes(clock="free")]
    assert len({one for each in found for one in each.values()}) == 3 * len(STRATEGIES)


def test_what_is_known_is_not_tried_again() -> None:
    known = {hashes()["ridge"]}
    fresh = fresh_configurations(STRATEGIES, known, clock="global", plan="default")
    assert set(fresh["strategy"]) == set(STRATEGIES["strategy"]) - {"ridge"}


def test_under_a_compared_plan_only_what_is_fitted_there_is_tried() -> None:
    assert set(tried_under(STRATEGIES, "short", is_compared=True)["strategy"]) == {"ridge_short"}
    own = tried_under(STRATEGIES, "default", is_compared=False)["strategy"]
    assert set(own) == {"always_long", "momentum_1m", "ridge"}


def test_a_signal_without_a_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no file has the macro signal__no_such_signal"):
        source_code("signal", "no_such_signal")


def test_everything_evaluated_is_counted_once_and_before_anything_is_weighed(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that fails as it weighs has counted what it tried."""
    file = small_world.rebuilt("trials")
    con = warehouse.connect(file)
    con.execute("delete from steps.trials")
    con.close()

    def fail(*_: object) -> None:
        raise RuntimeError("no weights")

    monkeypatch.setattr(pipeline, "weigh", fail)
    with pytest.raises(RuntimeError, match="no weights"):
        small_world.compute(file)
    con = warehouse.connect(file, read_only=True)
    tried = con.execute("select strategy, plan from steps.trials").fetchall()
    evaluated = con.execute("select strategy, coalesce(plan, 'short') from main.strategies").fetchall()
    con.close()
    assert sorted(tried) == sorted(evaluated)
    assert ("ridge_expanding", "expanding") in tried


def test_what_a_learner_tried_in_its_train_spans_counts_once_each(tmp_path: Path) -> None:
    """Two configurations, each tried in two windows, are two trials more, and none the second time."""
    name, policy = policies.load("global")
    at, file = pd.Timestamp("2017-03-01 14:00"), tmp_path / "tuned.duckdb"
    names = [json.dumps({"learner": "ridge", "settings": {"alpha": alpha}}) for alpha in (0.1, 1.0)]
    tuned = pd.DataFrame(
        [(w, name) for w in (0, 1) for name in names], columns=["window_id", "configuration"]
    )
    told = {"clock": "global", "plan": "default", "learner": "selected_learner", "folds": 4, "known_at": at}
    told |= {"mean_ic": 0.1, "lower_quartile_ic": 0.0, "is_chosen": False, "run_id": "r"}
    pnl = {"clock": "global", "strategy": "ridge", "symbol": "AAPL", "decision_at": at, "status": "filled"}
    tables = {
        "strategies": STRATEGIES,
        "assets": pd.DataFrame({"symbol": ["AAPL"], "asset_class": ["equity"]}),
        "clocks": pd.DataFrame({"clock": ["global"], "decisions_per_year": [261.0]}),
        "booked_pnl": pd.DataFrame([{**pnl, "net_return": 0.01}]),
        "walk_forward_windows": pd.DataFrame({"clock": ["global"], "plan": ["default"], "test_from": [at]}),
    }
    con = warehouse.connect(file)
    warehouse.create_tables(con)
    for table, rows in tables.items():
        con.register("rows", rows)
        con.execute(f"create table main.{table} as from rows")
    run = pipeline.Run(file, "r", name, policy, at, batch_until=1)
    plain = pipeline.count_trials(run, PROJECT / "macros")
    warehouse.write(con, "steps.tuning_trials", tuned.assign(**told))
    counted = [pipeline.count_trials(run, PROJECT / "macros") for _ in range(2)]
    con.close()
    assert plain > 0
    assert counted == [plain + 2, plain + 2]
