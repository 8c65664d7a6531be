"""Five assets that nobody has heard of, from a file in an empty folder, to exposures, and on by one day."""

import json

import pandas as pd

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


def test_holdings_are_what_the_first_decision_starts_from(own):
    first = query(
        own.after_first,
        "select symbol, previous_weight, held_units * mark_index as money from main.target_exposures"
        " where decision_at = (select min(decision_at) from main.target_exposures)",
    ).set_index("symbol")
    expected = pd.Series(HOLDINGS).reindex(first.index, fill_value=0.0)
    expected["CASH"] = 1 - sum(HOLDINGS.values())
    assert (first["previous_weight"] - expected).abs().max() <= 1e-12
    assert (first["money"] - expected).abs().max() <= 1e-12
    # Without a view it is sold, a share of it at each decision, and that is charged for.
    sold = query(own.after_first, "select sum(cost) as cost from main.portfolio_returns")["cost"][0]
    assert sold > 0
