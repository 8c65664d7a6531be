"""The side files say what the published rows say, in the shape the specification shows."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from flows import outputs, summary
from flows.requests import RunResult
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
        "Stop conditions: none",
        "Warning: fast",
        "out/exposures.json",
    ):
        assert said in text
