"""The worked example of a signal is a unit test of dbt: all of them hold, and every family has one."""

import csv

import pytest
import yaml

from flows.dbt import PROJECT, DbtError, Node
from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED
from python_steps import warehouse
from python_steps.study import SEEDS

EXAMPLES = {
    file.stem: yaml.safe_load(file.read_text("utf-8"))["unit_tests"]
    for file in sorted((PROJECT / "models/signals/examples").glob("*.yml"))
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What dbt says of each unit test, by name, on a fresh warehouse: the tables signals read, and no row."""
    file = tmp_path_factory.mktemp("examples") / PUBLISHED
    con = warehouse.connect(file)
    warehouse.create_tables(con)
    con.close()
    nodes: list[Node] = []
    dbt = CompiledDbt(file, on_node=nodes.append)
    dbt.run(select=["+signals"])
    try:
        dbt.test(select=["test_type:unit"])
    except DbtError as error:
        print(error)  # noqa: T201 - which row differs, for whoever reads why a test below failed
    return {node.name: node.status for node in nodes if node.kind == "unit_test"}


@pytest.mark.parametrize("signal", EXAMPLES)
def test_a_worked_example_holds(outcomes: dict[str, str], signal: str) -> None:
    for example in EXAMPLES[signal]:
        assert example["overrides"] == {"vars": {"only": signal}}
        assert outcomes[example["name"]] == "pass", example["description"]


def test_dbt_ran_every_example_and_nothing_else(outcomes: dict[str, str]) -> None:
    assert sorted(outcomes) == sorted(one["name"] for examples in EXAMPLES.values() for one in examples)


def test_every_family_of_signals_has_a_worked_example() -> None:
    with (SEEDS / "strategies.csv").open(newline="") as lines:
        signals = [row for row in csv.DictReader(lines) if row["kind"] == "signal"]
    families = {row["family"] for row in signals}
    assert families == {row["family"] for row in signals if row["source"] in EXAMPLES}
