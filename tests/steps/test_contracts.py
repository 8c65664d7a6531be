"""The columns that each model declares are those that its SQL gives, in type and name.

dbt asks this of a run in full; the guards' own way of running compiled SQL casts instead, and would not
see it.
"""

import duckdb
import pytest

from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED
from python_steps import warehouse

Types = dict[str, str]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Types, Types]]:
    """Columns of each model with a contract, as declared and as given, on a warehouse without rows."""
    file = tmp_path_factory.mktemp("contracts") / PUBLISHED
    con = warehouse.connect(file)
    warehouse.create_tables(con)
    con.close()
    dbt = CompiledDbt(file)
    dbt.run()
    nodes = {node.name: node for node in dbt.manifest.nodes.values() if node.resource_type == "model"}
    con = warehouse.connect(file, read_only=True)
    try:
        return {
            name: (_declared(con, node.columns), _types(con, node.compiled_code))
            for name, node in sorted(nodes.items())
            if node.contract.enforced
        }
    finally:
        con.close()


def _declared(con: duckdb.DuckDBPyConnection, columns: dict[str, object]) -> Types:
    casts = (f'null::{said.data_type} as "{column}"' for column, said in columns.items())  # type: ignore[attr-defined]
    return _types(con, f"select {', '.join(casts)}")


def _types(con: duckdb.DuckDBPyConnection, query: str) -> Types:
    return {name: kind for name, kind, *_ in con.execute(f"describe {query}").fetchall()}


def test_every_contract_is_what_the_sql_gives(models: dict[str, tuple[Types, Types]]) -> None:
    assert len(models) > 100
    assert {name: sides for name, sides in models.items() if sides[0] != sides[1]} == {}
