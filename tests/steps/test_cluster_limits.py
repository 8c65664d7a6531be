"""The limit on what moves together is asked again in SQL, of the weights that are published."""

import shutil
from pathlib import Path

import pytest

from flows.publish import PUBLISHED
from python_steps import warehouse
from tests.worlds import small

# One moves as the other, and a third as both: each pair correlates wholly.
AS_ONE = "('AAA', 'BBB', 'KKK-USD')"


@pytest.fixture(scope="module")
def moving_as_one(small_world: small.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world's history, in which three assets have the same returns; nothing is held but these."""
    file = tmp_path_factory.mktemp("clusters") / PUBLISHED
    shutil.copy(small_world.whole, file)
    con = warehouse.connect(file)
    con.execute(
        f"""
        update main.decision_returns as returns set simple_return = same.simple_return
        from (select decision_at, simple_return from main.decision_returns where symbol = 'AAA') as same
        where same.decision_at = returns.decision_at and returns.symbol in {AS_ONE}
        """
    )
    con.execute("update steps.target_exposures set weight = 0 where symbol <> 'CASH'")
    con.close()
    return file


@pytest.mark.parametrize(
    ("weight", "conflicts", "action", "is_found"),
    [
        (0.15, "[]", "none", True),
        (0.4 / 3, "[]", "none", False),
        (0.15, '["cluster AAA+BBB+KKK-USD"]', "none", False),
        (0.15, "[]", "hold", False),
    ],
)
def test_a_cluster_above_its_limit_is_found_unless_something_lets_it(
    small_world: small.World,
    moving_as_one: Path,
    tmp_path: Path,
    weight: float,
    conflicts: str,
    action: str,
    is_found: bool,
) -> None:
    file = tmp_path / PUBLISHED
    shutil.copy(moving_as_one, file)
    con = warehouse.connect(file)
    con.execute(f"update steps.target_exposures set weight = $1 where symbol in {AS_ONE}", [weight])
    con.execute("update steps.allocation_log set conflicts = $1", [conflicts])
    con.execute("update steps.stop_conditions set action = $1", [action])
    con.close()
    found = small_world.dbt.on(file).failures(select=["target_exposures"])
    assert ("clusters_obeyed" in {failure.kind for failure in found}) == is_found


def test_what_stands_for_itself_is_in_no_cluster(
    small_world: small.World, moving_as_one: Path, tmp_path: Path
) -> None:
    file = tmp_path / PUBLISHED
    shutil.copy(moving_as_one, file)
    con = warehouse.connect(file)
    con.execute(f"update steps.target_exposures set weight = 0.15 where symbol in {AS_ONE}")
    con.execute(
        "update main.decision_returns set simple_return = -simple_return where symbol in ('BBB', 'KKK-USD')"
        " and epoch(decision_at)::bigint // 86400 % 2 = 0"
    )
    con.close()
    found = small_world.dbt.on(file).failures(select=["target_exposures"])
    assert "clusters_obeyed" not in {failure.kind for failure in found}
