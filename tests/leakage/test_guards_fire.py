"""A guard that was never seen to fire is not a guard: leaks are planted, and must be found by name."""

from pathlib import Path

import pytest

from flows.dbt import DbtError
from flows.guards.compare import Difference, differences
from flows.guards.compiled import CompiledDbt
from tests.leakage.mutants import mutant
from tests.worlds import small
from tests.worlds.small import CUTS, World

AT = CUTS["a minute before the restatement"]

WHOLE_HISTORY = """
{# How far a close is from its mean over the whole history, under an honest-looking known_at. #}
{% macro signal__whole_history() %}
    select symbol, session_date, tanh(close / avg(close) over (partition by symbol) - 1) as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
"""
STAGED = "models/staging/stg_bars.sql"
STATISTICS = "models/prices/bar_statistics.sql"


def test_a_signal_that_averages_over_the_whole_history_is_named(small_world: World, tmp_path: Path) -> None:
    leaky = mutant(tmp_path, {"macros/signals/whole_history.sql": ("", WHOLE_HISTORY)})
    (found,) = _found(small_world, leaky, ["+signals"])
    assert found.table == "main.signals"
    assert found.named["signal"] == ["whole_history"]
    assert "main.signals" in str(found)
    assert "signal whole_history" in str(found)


@pytest.mark.parametrize(
    ("file", "old", "new", "table", "symbol"),
    [
        pytest.param(
            STATISTICS,
            "            close,\n            max(version_known_at)",
            "            lead(close) over (partition by symbol, vintage order by bar_number) as close,\n"
            "            max(version_known_at)",
            "main.bar_statistics",
            "BBB",  # the restatement ends a vintage of AAA, and no close comes after that
            id="the next close",
        ),
        pytest.param(
            STAGED,
            "bars.batch_id <= bounds.batch_until",
            "bars.batch_id <= bounds.batch_until"
            " qualify bars.version = max(bars.version) over (partition by bars.symbol, bars.session_date)",
            "main.bars",
            small.RESTATED[0],
            id="the latest version only",
        ),
        pytest.param(
            STAGED,
            "    bars.known_at\nfrom",
            "    min(bars.known_at) over (partition by bars.symbol, bars.session_date) as known_at\nfrom",
            "main.bars",
            small.RESTATED[0],
            id="a restated bar under the first known_at",
        ),
    ],
)
def test_a_leak_in_prices_is_named(
    small_world: World, tmp_path: Path, file: str, old: str, new: str, table: str, symbol: str
) -> None:
    found = _found(small_world, mutant(tmp_path, {file: (old, new)}), ["+bar_statistics"])
    (named,) = [difference.named for difference in found if difference.table == table]
    assert symbol in named["symbol"]


def test_a_fill_at_the_bar_before_is_named(small_world: World, tmp_path: Path) -> None:
    leaky = mutant(
        tmp_path,
        {
            "models/windows/order_fills.sql": (
                "and orders.rebalance_date <= sessions.session_date",
                "and orders.decision_at::date <= sessions.session_date",
            )
        },
    )
    said = _refused(small_world, leaky, "order_fills")
    assert "not_before" in said
    assert "order_fills" in said
    assert "fill_at" in said


def test_a_label_known_after_the_embargo_is_named(small_world: World, tmp_path: Path) -> None:
    leaky = mutant(
        tmp_path,
        {
            "models/windows/examples.sql": (
                "rows_seen.is_to_learn and labels.known_at <= rows_seen.embargo_at",
                "rows_seen.is_to_learn",
            )
        },
    )
    said = _refused(small_world, leaky, "examples")
    assert "targets_withheld" in said
    assert "examples" in said


def test_another_window_length_is_no_leak(small_world: World, tmp_path: Path) -> None:
    harmless = mutant(
        tmp_path,
        {
            "macros/signals/momentum_1m.sql": ("bars.log_return_month", "bars.log_return_week"),
            STATISTICS: ("with\n    measured as", "-- Another comment.\nwith\n    measured as"),
        },
    )
    assert _found(small_world, harmless, ["+signals"]) == []


def _found(world: World, dbt: CompiledDbt, models: list[str]) -> list[Difference]:
    """What the cut-off guard finds in an edited project, at one cut."""
    files = {}
    for side, until in (("whole", None), ("cut", AT)):
        files[side] = world.rebuilt(f"{dbt.file.parent.name}_{side}", until=until)
        dbt.on(files[side]).run(select=models)
    return differences(files["whole"], files["cut"], AT)


def _refused(world: World, dbt: CompiledDbt, model: str) -> str:
    """What dbt's tests on a model of an edited project say."""
    file = world.rebuilt(f"{dbt.file.parent.name}_tested", until=AT)
    dbt.on(file).run(select=[f"+{model}"])
    with pytest.raises(DbtError) as refused:
        dbt.on(file).test(select=[model])
    return str(refused.value)
