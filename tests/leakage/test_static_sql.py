"""The static check of SQL: every way of writing a leak is named, and honest SQL is let pass."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from flows.dbt import Dbt
from flows.guards.static_sql import (
    EXPOSURES,
    ModelSql,
    Report,
    check_models,
    check_signal,
    compiled,
    declared,
    upstream,
)
from flows.publish import PUBLISHED
from python_steps import warehouse

SOURCES = {
    "raw.bars": [
        "batch_id",
        "row_number",
        "symbol",
        "session_date",
        "version",
        "opened_at",
        "closed_at",
        "available_at",
        "recorded_at",
        "known_at",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "vendor",
    ],
    "raw.asset_vendors": ["batch_id", "symbol", "vendor"],
    "raw.study": ["batch_id", "seed", "rows_json"],
    "raw.policies": ["batch_id", "portfolio", "policy_json"],
    "raw.runs": ["run_id", "run_number", "portfolio", "as_of", "batch_until"],
    "raw.assets": ["batch_id", "symbol", "venue", "member_from", "member_until", "known_at"],
    "steps.forecasts": [
        "clock",
        "plan",
        "learner",
        "window_id",
        "symbol",
        "decision_at",
        "value",
        "is_train",
        "known_at",
    ],
}
CASES = yaml.safe_load((Path(__file__).parent / "static_sql.yml").read_text("utf-8"))
WORLD = CASES["world"]
LEAKY = [(leak, sql) for leak, queries in CASES["leaky"].items() for sql in queries]
HONEST = CASES["honest"]


def _checked(sql: str) -> Report:
    models = {name: _model(text, name) for name, text in WORLD.items()} | {
        "looked_at": _model(sql, "looked_at")
    }
    return check_models(models, SOURCES, only=["looked_at"])


def _model(sql: str, name: str) -> ModelSql:
    words = set(re.findall(r"\w+", sql))
    return ModelSql(sql, tuple(one for one in WORLD if one in words and one != name))


@pytest.mark.parametrize(("leak", "sql"), LEAKY, ids=range(len(LEAKY)))
def test_a_leak_is_named_however_it_is_written(leak: str, sql: str) -> None:
    report = _checked(sql)
    assert {finding.leak for finding in report.findings} == {leak}, "\n".join(map(str, report.findings))
    assert {finding.place for finding in report.findings} == {"looked_at"}
    assert report.undecided == []


@pytest.mark.parametrize("sql", HONEST, ids=range(len(HONEST)))
def test_honest_sql_passes(sql: str) -> None:
    report = _checked(sql)
    assert report.findings == []
    assert report.undecided == []


def test_the_world_of_these_tests_is_honest() -> None:
    models = {name: _model(text, name) for name, text in WORLD.items()}
    report = check_models(models, SOURCES)
    assert report.findings == []
    assert sorted(report.looked_at) == sorted(WORLD)


@pytest.mark.parametrize(
    "sql",
    [
        "select symbol, avg(close) over (order by hash(session_date)) as value, known_at from prices",
        "select symbol, value, known_at from elsewhere",
        "select symbol, no_such_column, known_at from prices",
        "select symbol, , from where",
        "with recursive r as (select 1 as n union all select n + 1 from r) select n from r",
    ],
)
def test_what_cannot_be_decided_is_listed(sql: str) -> None:
    assert _checked(sql).undecided


def test_a_finding_names_the_line_of_the_compiled_sql() -> None:
    sql = (
        "select\n    symbol,\n    lead(close) over (\n    order by known_at) as x,\n    known_at\nfrom prices"
    )
    (found,) = _checked(sql).findings
    assert found.line == 3


def test_an_incremental_model_and_one_that_reads_itself_are_refused() -> None:
    built = replace(_model("select * from prices", "looked_at"), materialized="incremental")
    models = {name: _model(text, name) for name, text in WORLD.items()}
    assert [f.leak for f in check_models({**models, "looked_at": built}, SOURCES).findings] == ["build_state"]
    again = ModelSql("select symbol from looked_at")
    assert [f.leak for f in check_models({**models, "looked_at": again}, SOURCES).findings] == ["build_state"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, ModelSql], dict[str, list[str]]]:
    """The models of this project as dbt compiles them."""
    file = tmp_path_factory.mktemp("static") / PUBLISHED
    con = warehouse.connect(file)
    warehouse.create_tables(con)
    con.close()
    dbt = Dbt(file)
    dbt._invoke(["compile", "--select", "resource_type:model"], manifest=dbt.manifest)
    return compiled(dbt.manifest)


def test_the_project_has_no_leak_and_every_model_upstream_of_exposures_was_read(
    project: tuple[dict[str, ModelSql], dict[str, list[str]]],
) -> None:
    models, sources = project
    report = check_models(models, sources)
    assert report.findings == []
    assert report.undecided == []
    wanted = upstream([EXPOSURES], models)
    assert {"stg_bars", "signals", "examples", "strategy_pnl", "data_quality"} <= set(wanted)
    assert set(wanted) <= set(report.looked_at)


def test_every_declared_exception_is_still_needed(
    project: tuple[dict[str, ModelSql], dict[str, list[str]]],
) -> None:
    report = check_models(*project)
    assert sorted(map(str, report.exempted)) == sorted(map(str, declared()))
    bare = check_models(*project, exceptions=[])
    assert {(f.place, f.leak) for f in bare.findings} <= {(e.model, e.leak) for e in declared()}
    assert all(exempt.reason.strip() and exempt.provided for exempt in declared())


def test_an_exception_stands_only_while_its_condition_does(
    project: tuple[dict[str, ModelSql], dict[str, list[str]]],
) -> None:
    models, sources = project
    held = "bars.known_at < coalesce(vintages.until_at, '9999-01-01'::timestamp)"
    leaky = replace(models["vintage_bars"], sql=models["vintage_bars"].sql.replace(held, "true"))
    assert leaky.sql != models["vintage_bars"].sql
    found = check_models({**models, "vintage_bars": leaky}, sources).findings
    assert {(f.place, f.leak) for f in found} == {("vintage_bars", "restated_value")}


def test_a_signal_is_checked_by_itself(project: tuple[dict[str, ModelSql], dict[str, list[str]]]) -> None:
    models, sources = project
    honest = "select symbol, session_date, tanh(log_return_week) as value, known_at from main.bar_statistics"
    assert check_signal("mine", honest, models, sources).findings == []
    leaky = honest.replace("tanh(log_return_week)", "close / avg(close) over (partition by symbol)")
    (found,) = check_signal("mine", leaky, models, sources).findings
    assert (found.place, found.leak) == ("signal mine", "whole_sample")
