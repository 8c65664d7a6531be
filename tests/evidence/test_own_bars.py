"""Five assets that nobody has heard of, from a file in an empty folder, to exposures, and on by one day."""

import json

import pandas as pd
import pytest

from tests.evidence.conftest import HOLDINGS, OWN_ASSETS, query

DECIDED = (
    *("target_exposures", "weight_waterfall", "allocation_log", "stop_conditions", "strategy_gates"),
    *("strategy_weights", "expected_returns", "overfit_metrics", "confidences", "portfolio_returns"),
)


def test_assets_nobody_has_heard_of_get_exposures(own):
    said = json.loads((own.first.folder / ".out" / "exposures.json").read_text())
    assert said["portfolio"] == "my"
    assert set(said["exposures"]) == {*OWN_ASSETS, "CASH"}
    assert abs(sum(said["exposures"].values()) - 1) <= 1e-9
    classes = query(own.after_first, "select symbol, asset_class from main.assets").set_index("symbol")
    assert classes["asset_class"].to_dict() == {symbol: kind for symbol, (kind, *_) in OWN_ASSETS.items()}


def test_of_assets_that_drift_something_is_held(own):
    risky = query(own.after_first, "select weight from main.target_exposures where symbol <> 'CASH'")[
        "weight"
    ]
    later = query(
        own.after_first,
        "select weight from main.target_exposures where symbol <> 'CASH' and decision_at >= '2019-04-01'",
    )["weight"]
    assert risky.max() > 0.02
    assert later.max() > 0.02


def test_json_prints_the_exposures_and_nothing_else_on_standard_output(own):
    assert json.loads(own.first.stdout)["exposures"].keys() == {*OWN_ASSETS, "CASH"}
    for line in own.first.stderr.splitlines():
        assert json.loads(line)["event"]
    assert "Exposures of my" in own.again.stdout


def test_a_second_time_changes_nothing_and_says_so(own):
    assert own.again.code == 0, own.again.stderr
    assert "nothing new: no row was changed" in " ".join(own.again.stdout.split())
    assert own.hashes[1] == own.hashes[0]


def test_one_more_day_of_bars_adds_one_decision(own):
    assert own.next_day.code == 0, own.next_day.stderr
    assert own.hashes[2] != own.hashes[1]
    decided = "select decision_at from main.allocation_log order by decision_at"
    before, after = query(own.after_first, decided), own.next_day.query(decided)
    assert after["decision_at"].tolist() == [*before["decision_at"], pd.Timestamp("2019-06-20 14:00")]
    assert "1 decisions added" in " ".join(own.next_day.stdout.split())
    runs = own.next_day.query("select decisions_added from main.runs order by run_number")["decisions_added"]
    assert runs.tolist() == [len(before), 1]


def test_one_more_day_of_bars_leaves_every_earlier_decision_as_it_was(own):
    for table in DECIDED:
        rows = f"select * from main.{table} where decision_at <= '2019-06-19 14:00' order by all"
        pd.testing.assert_frame_equal(
            own.next_day.query(rows), query(own.after_first, rows), check_exact=True
        )


@pytest.mark.parametrize("number", [1, 2])
def test_the_newest_decision_of_a_run_starts_from_what_it_is_told_is_held(own, number):
    """The first run told it of 2019-06-19, the third of the day after; the second decided nothing."""
    rows = own.next_day.query(
        "select symbol, decision_at, previous_weight, held_units * mark_index / nav as share"
        " from main.target_exposures inner join main.allocation_log using (portfolio, decision_at)"
        f" where decision_at = '2019-06-{18 + number} 14:00'"
    ).set_index("symbol")
    expected = pd.Series(HOLDINGS).reindex(rows.index, fill_value=0.0)
    expected["CASH"] = 1 - sum(HOLDINGS.values())
    assert (rows["previous_weight"] - expected).abs().max() <= 1e-12
    assert (rows["share"] - expected).abs().max() <= 1e-12
    told = own.next_day.query("select decision_at, symbol, weight, run_id from raw.holdings order by all")
    assert len(told) == 2 * (len(HOLDINGS) + 1)
    assert told.groupby("decision_at")["weight"].sum().tolist() == pytest.approx([1, 1])
    assert told["run_id"].nunique() == 2
