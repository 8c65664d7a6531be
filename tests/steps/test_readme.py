"""The README and the report ask only for tables and columns that exist; commands it names do, too."""

import re
from pathlib import Path

import duckdb
import pytest
import yaml
from typer.main import get_command

from flows import absences, difference_rows, docs, evaluation_rows, explanation_rows, outputs, page_rows
from flows.cli import app
from python_steps import warehouse

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
QUERIES = [
    query
    for block in re.findall(r"```sql\n(.*?)```", README, re.S)
    for query in block.split(";")
    if query.strip()
]
REPORTED = {
    name: query
    for module in (outputs, evaluation_rows, absences, docs, page_rows, explanation_rows, difference_rows)
    for name, query in vars(module).items()
    if name.endswith("_SQL")
}


@pytest.fixture(scope="module")
def empty_warehouse():
    """Every table of the contracts, without a row."""
    con = duckdb.connect()
    for schema in ("raw", "steps"):
        con.execute(f"create schema {schema}")
    for table, columns in warehouse.declared_columns().items():
        con.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    for file in sorted((PROJECT / "models").rglob("*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            columns = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in model["columns"])
            con.execute(f"create table main.{model['name']} ({columns})")
    yield con
    con.close()


def test_at_least_ten_questions_are_answered():
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_each_query_fits_the_tables_of_the_contracts(empty_warehouse, query):
    assert empty_warehouse.execute(query).fetchall() is not None


@pytest.mark.parametrize("query", REPORTED.values(), ids=list(REPORTED))
def test_each_query_of_the_report_fits_the_tables_of_the_contracts(empty_warehouse, query):
    names = set(re.findall(r"\$([a-z_]+)", query))
    parameters = dict.fromkeys(names)
    assert empty_warehouse.execute(query, parameters).fetchall() == []


def test_each_command_and_option_it_names_exists():
    commands = get_command(app).commands
    for line in re.findall(r"^\| `portfolio (.*?)` \|", README, re.M):
        for part in re.split(r"`, `portfolio ", line):
            name, *words = part.split()
            assert name in commands, name
            options = {option for parameter in commands[name].params for option in parameter.opts}
            assert {word.strip("[]") for word in words if word.strip("[").startswith("-")} <= options, part


def test_it_starts_with_the_two_commands():
    assert README.splitlines()[1:3] == [line for line in README.splitlines() if line.startswith("make ")][:2]
    assert [line.split("#")[0].split() for line in README.splitlines()[1:3]] == [
        ["make", "rebalance"],
        ["make", "test"],
    ]
