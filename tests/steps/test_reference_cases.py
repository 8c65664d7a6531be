"""Published and hand-checked figures, case by case: what we compute is what they say."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from python_steps import sharpe
from python_steps.allocators._risk_budgets import budget_weights
from python_steps.allocators.hierarchical_risk_parity import parity_weights
from python_steps.allocators.minimum_variance import least_variance
from python_steps.cross_validation import combinatorial_paths, combinatorial_splits, known_by
from tests.steps.test_projection import make_limits
from tests.worlds import judged
from tests.worlds.small import World

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("reference_cases.json").read_text("utf-8"))[
    "cases"
]
IN_SQL = [case for case in CASES if case["kind"] == "window_metrics"]
IN_PYTHON = [case for case in CASES if case["kind"] != "window_metrics"]
ANNUAL = ("sharpe", "sharpe_error", "sortino", "volatility")
DAY = np.timedelta64(1, "D")

Given = Mapping[str, Any]


def per_period(given: Given, name: str = "sharpe") -> float:
    """An annual ratio, per period."""
    return given[name] / math.sqrt(given["per_year"])


def shape(given: Given) -> tuple[float, float]:
    return given["skew"], given["kurtosis"]


def expected_maximum(given: Given) -> float:
    return sharpe.expected_maximum(given["trials"])


def minimum_backtest_length(given: Given) -> float:
    """Years, since the Sharpe is annual."""
    return float(sharpe.minimum_backtest_length(given["sharpe"], given["trials"]))


def sharpe_error(given: Given) -> float:
    return sharpe.sharpe_error(given["sharpe"], given["observations"], *shape(given))


def probabilistic_sharpe(given: Given) -> float:
    return sharpe.probabilistic_sharpe(per_period(given), 0, given["observations"], *shape(given))


def minimum_track_record(given: Given) -> float:
    """Years."""
    ratio, benchmark = per_period(given), per_period(given, "benchmark")
    return sharpe.minimum_track_record(ratio, benchmark, *shape(given)) / given["per_year"]


def deflated_benchmark(given: Given) -> float:
    return sharpe.deflated_benchmark(given["annual_variance"] / given["per_year"], given["trials"])


def deflated_sharpe(given: Given) -> float:
    variance = given["annual_variance"] / given["per_year"]
    return sharpe.deflated_sharpe(
        per_period(given), variance, given["trials"], given["observations"], *shape(given)
    )


def cscv_by_hand(given: Given) -> dict[str, Any]:
    """Logits of the halves, and the share of them that is overfit under either convention; ours is <= 0."""
    returns = np.array(given["returns"])
    logits = sharpe._cscv_logits(returns, given["blocks"], "mean", 2)
    return {
        "logits": sorted(logits),
        "at_most_zero": sharpe.cscv_pbo(returns, given["blocks"], "mean", minimum_configurations=2),
        "below_zero": float(np.mean(logits < 0)),
    }


def cscv_seeded(given: Given) -> float:
    returns = np.random.default_rng(given["seed"]).standard_normal((480, 20)) * 0.01
    returns[:, 3] += given["edge"]
    return sharpe.cscv_pbo(returns, blocks=given["blocks"])


def cscv_halves(given: Given) -> int:
    return len(sharpe._halves(given["blocks"]))


def days(given: Given) -> tuple[np.ndarray, np.ndarray]:
    """Decisions a day apart, and when the label of each is known."""
    decision_at = np.datetime64("2020-01-01") + np.arange(given["decisions"])
    return decision_at, decision_at + given["label_days"] * DAY


def cpcv(given: Given) -> dict[str, Any]:
    groups, tested = given["groups"], given["tested"]
    splits = list(combinatorial_splits(*days(given), groups, tested, given["embargo_days"] * DAY))
    paths = combinatorial_paths(groups, tested)
    train = [int(split.is_train.sum()) for split in splits]
    return {"splits": len(splits), "paths": len(paths), "train": train}


def walk_forward(given: Given) -> dict[str, Any]:
    decision_at, known_at = days(given)
    embargo_at = decision_at[given["test_place"]] - given["embargo_days"] * DAY
    return {"last_train_place": int(np.flatnonzero(known_by(known_at, embargo_at))[-1])}


def of_assets(given: Given) -> np.ndarray:
    """A covariance: as it stands, from deviations and correlations, or of the ten assets of the paper."""
    if "covariance" in given:
        return np.array(given["covariance"], dtype=float)
    if "seed" in given:
        draw = np.random.RandomState(given["seed"])
        x = draw.normal(0, 1, size=(10_000, 5))
        y = x[:, [2, 0, 4, 1, 1]] + draw.normal(0, 0.25, size=(10_000, 5))
        return np.cov(np.hstack([x, y]), rowvar=False)
    deviations = np.array(given["deviations"])
    return np.outer(deviations, deviations) * np.array(given["correlations"])


def risk_budgets(given: Given) -> dict[str, Any]:
    covariance, budgets = of_assets(given), np.array(given["budgets"])
    weights = budget_weights(covariance, budgets)
    shares = weights * (covariance @ weights)
    assert np.abs(shares / shares.sum() - budgets).max() <= 1e-8
    return {"weights": weights.tolist()}


def minimum_variance(given: Given) -> dict[str, Any]:
    covariance = of_assets(given)
    weights = least_variance(covariance, make_limits(np.ones(len(covariance))))
    found = {"weights": weights.tolist(), "volatility": math.sqrt(weights @ covariance @ weights)}
    return found if "deviations" in given else {"weights": found["weights"]}


def hierarchical_risk_parity(given: Given) -> dict[str, Any]:
    return {"weights": parity_weights(of_assets(given)).tolist()}


KINDS: dict[str, Callable[[Given], Any]] = {
    one.__name__: one
    for one in (
        *(
            expected_maximum,
            minimum_backtest_length,
            sharpe_error,
            probabilistic_sharpe,
            minimum_track_record,
        ),
        *(deflated_benchmark, deflated_sharpe, cscv_by_hand, cscv_seeded, cscv_halves, cpcv, walk_forward),
        *(risk_budgets, minimum_variance, hierarchical_risk_parity),
    )
}


@pytest.mark.parametrize("case", IN_PYTHON, ids=lambda case: case["id"])
def test_a_published_figure_is_ours(case: dict[str, Any]) -> None:
    found = KINDS[case["kind"]](case["given"])
    expected = case["expected"] if isinstance(case["expected"], dict) else {"": case["expected"]}
    found = found if isinstance(found, dict) else {"": found}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0, abs=case["tolerance"]), name


@pytest.fixture(scope="module")
def in_sql(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the SQL of window_metrics says of the returns of each case."""
    cases = {case["id"]: case["given"]["returns"] for case in IN_SQL}
    return judged.judge(small_world, tmp_path_factory.mktemp("judged"), cases)


@pytest.mark.parametrize("case", IN_SQL, ids=lambda case: case["id"])
def test_a_figure_is_that_of_window_metrics(in_sql: pd.DataFrame, case: dict[str, Any]) -> None:
    row = in_sql.loc[case["id"]]
    assert row["returns"] == len(case["given"]["returns"])
    for metric, expected in case["expected"].items():
        found = row[metric] / math.sqrt(row["periods"]) if metric in ANNUAL else row[metric]
        if expected is None:
            assert np.isnan(found), metric
        else:
            assert found == pytest.approx(expected, rel=0, abs=case["tolerance"]), metric


def test_noise_is_overfit_half_of_the_time() -> None:
    random = np.random.default_rng(8)
    found = [sharpe.cscv_pbo(random.standard_normal((480, 20)), blocks=10) for _ in range(40)]
    assert 0.4 < np.mean(found) < 0.6


def test_every_case_has_a_source_and_a_name_of_its_own() -> None:
    assert all(case["source"] for case in CASES)
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert {case["kind"] for case in IN_PYTHON} == set(KINDS)
