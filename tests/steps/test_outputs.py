"""The side files say what the published rows say, in the shape the specification shows."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from flows import outputs, summary
from flows.requests import RunResult
from flows.validation import validation_document
from python_steps import warehouse
from tests.steps.small_warehouse import AS_OF, DECISIONS, WEIGHTS, publish_small_warehouse


@pytest.fixture(scope="module")
def evidence(tmp_path_factory) -> outputs.Evidence:
    folder = tmp_path_factory.mktemp("warehouse")
    publish_small_warehouse(folder)
    con = outputs.open_published(folder)
    yield outputs.gather(con, "global")
    con.close()


def test_exposures_have_the_shape_of_the_specification(evidence):
    assert json.loads(outputs.render(evidence)["exposures.json"]) == {
        "timestamp": "2026-01-28T14:00:00Z",
        "rebalance_date": "2026-01-29",
        "portfolio": "global",
        "exposures": WEIGHTS,
        "metadata": {"total_weight": 1.0, "confidence": 0.78, "regime": "risk_on"},
        "diagnostics": {
            "fallback_mode": None,
            "data_quality_excluded": ["ETH-USD"],
            "data_quality_reasons": {"ETH-USD": "2 hours late"},
            "portfolio_risk": {"volatility": 0.11, "var_95": 0.025, "es_95": 0.034},
            "stop_conditions": [],
        },
    }


def test_yaml_and_json_say_the_same(evidence):
    files = outputs.render(evidence)
    assert yaml.safe_load(files["exposures.yaml"]) == json.loads(files["exposures.json"])


def test_the_report_is_made_at_the_as_of_of_the_run_and_not_at_the_wall_clock(evidence):
    report = yaml.safe_load(outputs.render(evidence)["validation_report.yaml"])["validation_report"]
    assert report["generated_at"] == "2026-01-28T15:00:00Z"


def test_the_report_recomputed_by_hand(evidence):
    report = yaml.safe_load(outputs.render(evidence)["validation_report.yaml"])["validation_report"]
    returns = np.array([0.0, 0.02, -0.01, 0.03])
    assert report["walk_forward_results"] == {
        "sharpe_ratio": pytest.approx(0.01 / np.std(returns, ddof=1) * np.sqrt(261), rel=1e-12),
        "sortino_ratio": pytest.approx(0.01 / 0.005 * np.sqrt(261), rel=1e-12),
        "max_drawdown": pytest.approx(-0.01, rel=1e-12),
        "win_rate": pytest.approx(2 / 3),  # nothing was held at the first decision
    }
    assert report["overfit_metrics"] == {  # the gap of the whole set is undefined: the mean stands for it
        "train_test_gap": pytest.approx(0.2),
        "cv_stability": 0.92,
        "regime_consistency": 0.85,
    }
    assert [text for text in report["warnings"] if "fast" in text and "gap" in text]


@pytest.fixture(scope="module")
def report(evidence) -> dict[str, Any]:
    return yaml.safe_load(outputs.render(evidence)["validation_report.yaml"])["validation_report"]


def test_the_basis_names_span_windows_costs_trials_and_method(report):
    basis = report["basis"]
    assert basis["span"] == {
        "from": "2026-01-23T14:00:00Z",
        "until": "2026-01-28T14:00:00Z",
        "years": 0.01369,
    }
    assert basis["decisions"] == {"all": 4, "with_something_held": 3, "made_live": 1, "a_year": 261.0}
    assert basis["windows"] == {
        "plan": "default", "train": 252, "test": 63, "step": 21, "embargo": 5, "tested": 9,
    }  # fmt: skip
    assert basis["costs"] == {
        "schedule": "default",
        "basis_points_one_way": {"crypto": 15.0, "equity": 6.0, "fx": 1.5},
        "paid": 0.0,
    }
    assert basis["trials"] == 14
    assert (basis["intervals"]["level"], basis["intervals"]["draws"]) == (0.95, 500)
    assert basis["assets"] == {"crypto": 2, "equity": 1, "fx": 1}


def test_an_interval_says_how_far_its_record_goes(report):
    assert report["intervals"]["sharpe_ratio"] == {
        "estimate": 0.75, "lower": -0.25, "upper": 1.25, "decisions": 567,
        "until": "2025-12-01T14:00:00Z", "block_length": 6.543,
    }  # fmt: skip


def test_scenarios_recomputed_by_hand(report):
    results = report["walk_forward_results"]
    plain = {name: pytest.approx(value, rel=1e-3) for name, value in results.items()}
    assert report["scenarios"]["costs_1x"] == plain | {"decisions": 4}
    dearer = np.array([0.0, 0.02, -0.01, 0.03]) - 0.002
    sharpe = np.mean(dearer) / np.std(dearer, ddof=1) * np.sqrt(261)
    assert report["scenarios"]["costs_3x"]["sharpe_ratio"] == pytest.approx(sharpe, rel=1e-3)
    falls = [scenario["max_drawdown"] for scenario in list(report["scenarios"].values())[:3]]
    assert falls == sorted(falls, reverse=True)


def test_costs_risk_stress_and_capacity_stand_there_with_what_they_are(report):
    costs, risk, stress, capacity = (report[name] for name in ("costs", "risk", "stress", "capacity"))
    assert {name: costs[name] for name in ("fee", "slippage", "impact")} == {
        "fee": 0.0004, "slippage": 0.0012, "impact": 0.0,
    }  # fmt: skip
    assert "all 4 decisions; orders are taken to move no price" in costs["said"]
    assert risk["volatility"] == 0.11
    assert risk["backtests"]["var_95"]["exceeded"] == 7  # not the one that is known after the decision
    assert stress["equity_down_20"] == {"profit": -0.04}
    assert stress["worst_1"]["until"] == "2025-12-01T14:00:00Z"
    assert capacity["record"]["peak_assets"] == 4e8
    assert capacity["record"]["traded_with_known_volume"] == 0.25
    assert capacity["record"]["by_assets"] == {"1e+06": {"annual_return": 0.1, "sharpe_ratio": 0.9}}
    assert all("said" in report[name] for name in ("costs", "risk", "stress", "capacity", "benchmarks"))


def test_a_benchmark_counts_from_where_the_portfolio_held_something_and_where_profits_are_known(report):
    """The first decision held nothing, and the last profit of the benchmark is known after the decision."""
    found = report["benchmarks"]
    assert found["equal_weight"]["max_drawdown"] == pytest.approx(-0.03)
    assert found["equal_weight"]["cost"] == 0.002
    assert found["equal_weight"]["interval"]["upper"] == 1.5
    assert found["portfolio"]["max_drawdown"] == pytest.approx(-0.01)


def test_ways_to_weigh_strategies_are_compared_with_the_one_in_force_where_profits_are_known(report):
    """Known by the decision are the profits of the first three; the first held nothing."""
    found = report["weightings"]
    assert found["in_force"] == "softmax"
    assert found["span"]["decisions"] == 2
    assert found["methods"]["softmax"]["max_drawdown"] == -0.01
    assert found["methods"]["hedge"]["max_drawdown"] == -0.02
    assert found["methods"]["hedge"]["cost"] == 0.002
    assert found["methods"]["hedge"]["information_ratio"]["upper"] == 1.25
    assert "information_ratio" not in found["methods"]["softmax"]
    assert found["regrets"] == {"hedge": {"assets": 2, "spans": 9, "regret": 1.5, "bound": 20.0}}


def test_plans_stand_side_by_side_and_a_learner_under_its_own_name(report):
    assert report["plans"]["sharpe_ratios"] == {
        "fast": {"default": 0.5, "short": 0.75},
        "ridge": {"default": None, "short": -0.5},
    }
    span = {"from": "2024-01-01T14:00:00Z", "until": "2025-12-01T14:00:00Z"}
    assert report["plans"]["spans"]["default"] == {"windows": 9, "decisions": 567} | span
    assert report["plans"]["spans"]["expanding"] is None


def test_a_strategy_has_its_newest_known_record_with_interval_trades_and_what_trials_leave(report):
    fast = report["strategies"]["fast"]
    assert fast["test_sharpe"] == 0.5  # neither the record before it, nor the one known after the decision
    assert fast["interval"] == {"lower": -0.25, "upper": 1.25}
    assert (fast["record"]["windows"], fast["record"]["trades"], fast["dsr"]) == (9, 42, 0.8)
    assert fast["test_sharpe_if"] == {"costs_2x": 0.25}


def test_a_signal_has_its_newest_known_record_pooled_over_spans_that_tile_time(report):
    signals = report["signals"]
    assert (signals["horizon"], signals["windows"]) == (5, 9)
    assert signals["fast"] == {
        "ic": 0.02,
        "interval": {"lower": -0.01, "upper": 0.05},
        "rank_ic": 0.03,
        "decay": {5: 0.02, 21: 0.01},
        "turnover": 0.175,
        "most_alike": {"signal": "slow", "correlation": -0.5},
    }
    assert signals["slow"]["most_alike"] == {"signal": "fast", "correlation": -0.5}


def test_what_is_undefined_is_null_with_its_reason_and_nothing_else_is(report):
    assert report["undefined"] == {
        "intervals.expected_return": "the returns have no deviation",
        "scenarios.delayed_day.sharpe_ratio": "no decision",
        "scenarios.delayed_day.sortino_ratio": "no decision",
        "scenarios.delayed_day.max_drawdown": "no decision",
        "scenarios.delayed_day.win_rate": "no decision",
        "risk.mean_correlation": "one asset alone",
        "benchmarks.equal_weight.portfolio_beyond": "no record is closed yet",
        "weightings.methods.hedge.net_return_beyond": "no record is closed yet",
        "plans.spans.expanding": "no test span is known",
        "plans.sharpe_ratios.ridge.default": "returns do not deviate",
        "strategies.ridge.test_sharpe": "returns do not deviate",
        "strategies.ridge.interval": "the returns have no deviation",
        "signals.slow.interval": "fewer than three windows",
        "signals.slow.turnover": "no reading of two decisions in a row",
        "regimes.young.flips_per_year": "fewer than two decisions at which it knew anything",
    }
    nulls = {".".join(path) for path in _nulls(report)}
    assert nulls == set(report["undefined"])


def _nulls(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if value is None:
        yield path
    for name, part in value.items() if isinstance(value, dict) else ():
        yield from _nulls(part, (*path, name))


def test_the_report_says_that_prices_are_adjusted_and_that_only_survivors_are_there(report):
    assert report["data"]["adjustment"] == {"none": 3, "splits": 1}
    adjusted, survivors = report["data"]["notes"]
    assert adjusted.startswith("1 of 4 assets (equity) have prices adjusted for what came later (splits)")
    assert "all 4 are survivors" in survivors


def test_a_universe_in_which_an_asset_ended_is_not_called_survivors(evidence):
    ended = evidence.universe.assign(member_until=[pd.Timestamp("2026-01-27"), *[pd.NaT] * 3])
    document = validation_document(replace(evidence, universe=ended))["validation_report"]
    assert document["data"]["ended"] == {"crypto": 0, "equity": 1, "fx": 0}
    assert document["data"]["excluded"] == {"ETH-USD": "2 hours late"}
    assert not any("survivors" in note for note in document["data"]["notes"])


def test_an_end_announced_after_the_decision_is_not_known_to_its_report(tmp_path):
    file = publish_small_warehouse(tmp_path)
    con = warehouse.connect(file)
    con.execute("update main.memberships set member_until = '2026-01-27', known_at = $at", {"at": AS_OF})
    con.close()
    con = outputs.open_published(tmp_path)
    assert outputs.gather(con, "global").universe.member_until.isna().all()
    con.close()


def test_detectors_stand_side_by_side_and_the_one_that_decides_is_named(report):
    assert report["regimes"] == {
        "decides": "volatility_trend",
        "calm": {
            "regime": "risk_on",
            "probabilities": {"risk_on": 0.7, "neutral": 0.2, "risk_off": 0.1},
            "flips_per_year": 3.492,
            "agreement": {"old": 0.5},
        },
        "young": {
            "regime": "neutral",
            "probabilities": {"risk_on": 0.3333, "neutral": 0.3333, "risk_off": 0.3333},
            "flips_per_year": None,
            "agreement": {},
        },
    }


def test_an_earlier_decision_sees_no_later_return(tmp_path):
    publish_small_warehouse(tmp_path)
    con = outputs.open_published(tmp_path)
    assert outputs.gather(con, "global", DECISIONS[1]).past.net_return.tolist() == [0.0, 0.02]
    con.close()


def test_the_same_rows_give_the_same_bytes_in_any_order(evidence):
    turned = replace(evidence, exposures=evidence.exposures[::-1], overfit=evidence.overfit)
    assert outputs.render(turned) == outputs.render(evidence)


def test_a_latched_stop_says_which_and_why(tmp_path):
    publish_small_warehouse(tmp_path, is_stopped=True)
    con = outputs.open_published(tmp_path)
    document = outputs.exposures_document(outputs.gather(con, "global"))
    con.close()
    assert document["diagnostics"]["stop_conditions"] == [
        {
            "condition": "drawdown",
            "value": -0.2,
            "limit": -0.2,
            "action": "cash",
            "latched_at": "2026-01-28T14:00:00Z",
        }
    ]


def test_the_summary_says_how_far_a_decision_is_degraded_and_nothing_when_it_is_not(evidence, tmp_path):
    publish_small_warehouse(tmp_path, is_stopped=True)
    con = outputs.open_published(tmp_path)
    stopped = outputs.gather(con, "global")
    con.close()
    result = RunResult("first", "global", AS_OF, "stopped", 4, DECISIONS[-1], WEIGHTS, [])
    said = []
    for one in (stopped, evidence):
        console = Console(width=120, record=True, file=io.StringIO())
        summary.show(one, result, console)
        said.append(console.export_text())
    assert "Level 2 of 3: cash, with defensive assets where the policy names any" in said[0]
    assert "Stop in force: drawdown (-0.20, limit -0.2): cash" in said[0]
    assert "Level" not in said[1]


def test_files_are_written_whole_and_leave_no_draft(evidence, tmp_path):
    files = outputs.write(evidence, tmp_path / "out")
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(files)
    assert [file.read_bytes() for file in files] == list(outputs.render(evidence).values())


def test_what_is_not_published_is_named(tmp_path):
    with pytest.raises(outputs.NothingPublished, match="nothing is published in"):
        outputs.open_published(tmp_path)
    publish_small_warehouse(tmp_path)
    con = outputs.open_published(tmp_path)
    with pytest.raises(outputs.NothingPublished, match="no decision of production"):
        outputs.gather(con, "production")
    with pytest.raises(outputs.NothingPublished, match="no decision at 2026-01-28T15:00:00Z of global"):
        outputs.gather(con, "global", AS_OF)
    con.close()


def test_ratios_without_deviation_or_loss_are_undefined_and_not_infinite():
    assert outputs.annual_sharpe(np.array([0.01, 0.01]), 261) is None
    assert outputs.annual_sharpe(np.array([0.01]), 261) is None
    assert outputs.sortino(np.array([0.01, 0.02]), 261) is None
    assert outputs.win_rate(np.array([0.0]), np.array([False])) is None


def test_a_loss_in_the_first_period_is_a_drawdown():
    assert outputs.max_drawdown(np.array([-0.5])) == -0.5


def test_sortino_of_the_published_example():
    """Red Rock Capital: downside deviation 2.264 %, ratio 4.417."""
    returns = np.array([17, 15, 23, -5, 12, 9, 13, -4]) / 100
    assert outputs.sortino(returns, 1) == pytest.approx(4.417, abs=5e-4)


def test_the_summary_names_assets_classes_changes_belief_and_files(evidence):
    result = RunResult(
        "first", "global", AS_OF, "done", 4, DECISIONS[-1], WEIGHTS, [Path("out/exposures.json")]
    )
    console = Console(width=120, record=True, file=io.StringIO())
    summary.show(evidence, result, console)
    text = console.export_text()
    for said in (
        "4 decisions added",
        "AAPL",
        "By class: cash 55.0%, crypto 15.0%, equity 20.0%, fx 10.0%",
        "CASH -45.00%, AAPL +20.00%",
        "Confidence 0.78, regime risk_on",
        "Trials counted: 14",
        "Past after costs: 4 decisions, 2026-01-23 to 2026-01-28",
        "-0.25 to 1.25",
        "crypto 15, equity 6, fx 1.5",
        "of the decisions to 2025-12-01; it holds 0, so the past may be luck",
        "Stop conditions: none",
        "Warning: fast",
        "out/exposures.json",
    ):
        assert said in text
