"""A class without weight comes with the first thing that stopped it on its way, and with the figures."""

from dataclasses import replace

import pandas as pd
import pytest

from flows import outputs, summary
from flows.absences import absences
from flows.publish import published
from python_steps import warehouse
from tests.steps.small_warehouse import DECISIONS, publish_small_warehouse

AT = DECISIONS[-1]
MADE = {"portfolio": "global", "decision_at": AT, "known_at": AT, "run_id": "first"}
FX, COINS = ["EUR-USD"], ["BTC-USD", "ETH-USD"]
STAGES = ("risk_based", "views", "raw", "smoothed", "projected", "stops")


@pytest.fixture
def folder(tmp_path):
    publish_small_warehouse(tmp_path)
    return tmp_path


def why(folder, name, *, without, **rows):
    """The reason for one class, after these symbols lost all that explains a weight, and rows were added."""
    con = warehouse.connect(published(folder))
    gone = {"gone": without}
    con.execute("update main.target_exposures set weight = 0 where list_contains($gone, symbol)", gone)
    for table in ("strategy_gates", "strategy_weights", "expected_returns", "weight_waterfall"):
        con.execute(f"delete from main.{table} where list_contains($gone, symbol)", gone)
    for table, values in rows.items():
        con.register("told", pd.DataFrame([MADE | value for value in values]))
        con.execute(f"insert into main.{table} by name from told")
        con.unregister("told")
    con.close()
    con = outputs.open_published(folder)
    found = absences(outputs.gather(con, "global"))
    con.close()
    return found.get(name)


def gate(symbol, strategy, reason, *, is_pooled=False):
    told = {"symbol": symbol, "strategy": strategy, "reason": reason, "is_adopted": reason == "adopted"}
    judged = {"trades": 40, "windows": 8, "negative_windows": 1, "expected_net_return": 1e-4}
    return told | judged | {"is_pooled": is_pooled}


def believed(symbol, strategy, position):
    return {"symbol": symbol, "strategy": strategy, "weight": 0.5, "position": position}


def view(symbol, value, error, shrunk):
    return {"symbol": symbol, "ensemble_view": value, "standard_error": error, "shrunk_view": shrunk}


def waterfall(symbol, *after):
    changes = [b - a for a, b in zip((0.0, *after), after, strict=False)]
    return [
        {
            "symbol": symbol,
            "stage": stage,
            "stage_number": n + 1,
            "weight_change": changes[n],
            "weight_after": after[n],
        }
        for n, stage in enumerate(STAGES)
    ]


def test_a_class_that_is_held_needs_no_reason(folder):
    assert why(folder, "fx", without=[]) is None


def test_without_an_adopted_strategy_the_one_that_failed_fewest_gates_is_named(folder):
    gates = [
        gate("EUR-USD", "slow", "4 trades < 30; drawdown 31.0% > 25.0%"),
        gate("EUR-USD", "fast", "4 trades < 30", is_pooled=True),
    ]
    assert why(folder, "fx", without=FX, strategy_gates=gates) == (
        "no strategy is adopted for its only asset;"
        " nearest: fast on all fx (luck-deflated Sharpe 0.82): 4 trades < 30"
    )


def test_an_adopted_strategy_without_a_position_is_named(folder):
    found = why(
        folder,
        "fx",
        without=FX,
        strategy_gates=[gate("EUR-USD", "fast", "adopted")],
        strategy_weights=[believed("EUR-USD", "fast", 0.0)],
        expected_returns=[view("EUR-USD", 0.0, 0.0, 0.0)],
    )
    assert found == "for 1 of 1 asset fast is adopted, but none of them has a position above zero"


def test_a_view_below_zero_is_not_called_a_missing_position(folder):
    found = why(
        folder,
        "fx",
        without=FX,
        strategy_gates=[gate("EUR-USD", "fast", "adopted")],
        strategy_weights=[believed("EUR-USD", "fast", 0.7)],
        expected_returns=[view("EUR-USD", -1e-4, 1e-4, 0.0)],
    )
    assert found == "for 1 of 1 asset fast is adopted, but no view is above zero"


def test_views_within_their_error_are_counted_and_the_strongest_is_shown(folder):
    found = why(
        folder,
        "crypto",
        without=COINS,
        strategy_gates=[gate(symbol, "fast", "adopted") for symbol in COINS],
        strategy_weights=[believed(symbol, "fast", 0.5) for symbol in COINS],
        expected_returns=[view("BTC-USD", 3e-4, 4e-4, 0.0), view("ETH-USD", 1e-4, 4e-4, 0.0)],
    )
    assert found == (
        "2 views above zero, all within their error; nearest: BTC-USD,"
        " 3.00 bp a decision with an error of 4.00"
    )


@pytest.mark.parametrize(
    ("after", "what"),
    [
        ((0.1, 0.05, 0.05, 0.05, 0.05, 0.0), "a stop condition took the weight"),
        ((0.1, 0.05, 0.05, 0.02, 0.0, 0.0), "the limits on change took the weight"),
        ((0.1, 0.05, 0.0, 0.0, 0.0, 0.0), "the limits of the policy took the weight"),
        ((0.0,) * 6, "hierarchical_risk_parity takes none of them (solved)"),
    ],
)
def test_a_believed_view_without_weight_names_the_stage_that_took_it(folder, after, what):
    found = why(
        folder,
        "fx",
        without=FX,
        strategy_gates=[gate("EUR-USD", "fast", "adopted")],
        strategy_weights=[believed("EUR-USD", "fast", 0.5)],
        expected_returns=[view("EUR-USD", 3e-4, 1e-4, 2e-4)],
        weight_waterfall=waterfall("EUR-USD", *after),
    )
    assert found == f"1 view above zero beyond error, but {what}"


def test_a_class_left_out_for_its_data_says_so_before_anything_else(folder):
    con = warehouse.connect(published(folder))
    con.execute("update main.target_exposures set is_excluded = true where symbol in ('BTC-USD', 'ETH-USD')")
    con.execute("update main.data_quality set reason = '2 hours late'")
    con.close()
    assert why(folder, "crypto", without=COINS) == "all 2 assets left out for their data (2 hours late)"


def test_a_class_of_the_policy_without_any_asset_says_so_and_the_summary_prints_it(folder):
    con = outputs.open_published(folder)
    evidence = outputs.gather(con, "global")
    con.close()
    is_kept = ~evidence.exposures.symbol.isin(FX)
    gone = replace(
        evidence,
        exposures=evidence.exposures[is_kept],
        chances=evidence.chances[evidence.chances.asset_class != "fx"],
    )
    assert summary.class_lines(gone).splitlines()[1:] == ["No fx: no asset of the class may be held"]
