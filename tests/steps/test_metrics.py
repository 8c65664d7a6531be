"""Each metric, on records small enough to check by hand, against numpy and figures in print.

The records go through the models as dbt compiled them, from profits to blocks, spans and metrics.
"""

import math
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from flows.publish import PUBLISHED
from python_steps import sharpe
from tests.worlds.small import World

PER_YEAR = 261.0
BLOCK = 21
RED_ROCK = [0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04]  # Red Rock Capital, "Sortino: a sharper ratio"
RANDOM = np.random.default_rng(3).normal(0.0004, 0.01, 252)
FEW, FLAT = "fewer than two returns", "returns do not deviate"
NO_LOSS = "no losing decision"
UNMOVED = "positions or returns do not differ"
OF_FLAT = dict.fromkeys(["sharpe", "sharpe_error", "effective_samples"], FLAT)
IDLE = OF_FLAT | {
    "sortino": NO_LOSS,
    "calmar": "no fall",
    "win_rate": "never active",
    "profit_factor": NO_LOSS,
    "information_coefficient": UNMOVED,
}
MODELS = ("block_sums", "span_sums", "window_metrics")


@pytest.fixture(scope="module")
def statements(small_world: World) -> list[str]:
    """The models between profits and metrics, as they run."""
    compiled = small_world.dbt.compiled()
    return [f"create table main.{name} as {compiled[name]}" for name in MODELS]


@pytest.fixture
def measure(statements: list[str], tmp_path: Path):
    """Metrics of one record of returns (with the positions they were earned with, 1 unless given)."""

    def measured(returns, positions=None) -> dict[str, object]:
        con = duckdb.connect(str(tmp_path / PUBLISHED), config={"threads": 1})
        try:
            told(con, np.asarray(returns, dtype=float), positions)
            for name, statement in zip(MODELS, statements, strict=True):
                con.execute(f"drop table if exists main.{name}")
                con.execute(statement)
            found = con.execute("select * from window_metrics")
            names = [column[0] for column in found.description]
            return dict(zip(names, found.fetchone(), strict=True))
        finally:
            con.close()

    return measured


def told(con: duckdb.DuckDBPyConnection, returns: np.ndarray, positions) -> None:
    """The tables that the models read, with one span of one strategy and asset; its profits out of order."""
    held = np.ones(len(returns)) if positions is None else np.asarray(positions, dtype=float)
    number = np.arange(1, len(returns) + 1)
    pnl = pd.DataFrame(
        {
            "clock": "c",
            "strategy": "s",
            "symbol": "X",
            "status": "filled",
            "decision_number": number,
            "position": held,
            "unit_return": returns,
            "net_return": returns,
            "turnover": 0.5,
            "is_trade": number == 1,
        }
    ).sample(frac=1, random_state=1)
    at = pd.Timestamp("2020-01-01")
    tables = {
        "booked_pnl": pnl,
        "in_sample_pnl": pnl.assign(plan="p", window_id=0).head(0),
        "laid_plans": pd.DataFrame(
            {"clock": ["c"], "plan": ["p"], "block_length": [BLOCK], "is_compared": [False]}
        ),
        "strategies": pd.DataFrame(
            {"strategy": ["s"], "kind": ["signal"], "plan": pd.Series([None], dtype="str")}
        ),
        "clocks": pd.DataFrame({"clock": ["c"], "decisions_per_year": [PER_YEAR]}),
        "settled_spans": pd.DataFrame(
            {
                "clock": ["c"],
                "plan": "p",
                "window_id": 0,
                "span": "test",
                "symbol": "X",
                "from_number": 1,
                "until_number": len(returns) + 1,
                "known_at": at,
            }
        ),
    }
    for name, frame in tables.items():
        con.register("frame", frame)
        con.execute(f"create or replace table main.{name} as from frame")


def reasons(found: dict[str, object]) -> dict[str, str]:
    said = found["undefined"]
    return dict(part.split(": ") for part in said.split("; ")) if said else {}


def drawdown(returns: np.ndarray) -> float:
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((wealth / np.maximum.accumulate(wealth) - 1).min())


def shortfall(losses: np.ndarray) -> float:
    """Rockafellar and Uryasev: the least of t + mean of what is above t over 5 %, t among the losses."""
    return min(t + np.maximum(losses - t, 0).mean() / 0.05 for t in losses)


@pytest.mark.parametrize("length", [2, 3, 20, 21, 22, 63, 252])
def test_every_metric_of_a_random_record_is_that_of_numpy(measure, length: int) -> None:
    returns = RANDOM[:length]
    positions = np.tanh(np.sin(np.arange(length)))
    found = measure(returns, positions)
    root = math.sqrt(PER_YEAR)
    ratio = returns.mean() / returns.std(ddof=1)
    moments = sharpe.moments(returns)
    error = sharpe.sharpe_error(moments.sharpe, moments.observations, moments.skew, moments.kurtosis)
    centred = returns - returns.mean()
    memory = (centred[1:] * centred[:-1]).sum() / (centred**2).sum()
    growth = np.prod(1 + returns) ** (PER_YEAR / length) - 1
    losses, fall = np.sort(-returns), drawdown(returns)
    expected = {
        "returns": length,
        "expected_return": returns.mean(),
        "volatility": returns.std(ddof=1) * root,
        "sharpe": ratio * root,
        "sharpe_error": float(error) * root,
        "sortino": returns.mean() / np.sqrt((np.minimum(returns, 0) ** 2).mean()) * root,
        "max_drawdown": fall,
        "calmar": growth / -fall,
        "var_95": next(loss for loss in losses if (losses <= loss).mean() >= 0.95 - 1e-12),
        "es_95": shortfall(losses),
        "win_rate": ((returns > 0) & (positions != 0)).sum() / (positions != 0).sum(),
        "profit_factor": returns[returns > 0].sum() / -returns[returns < 0].sum(),
        "turnover": 0.5,
        "trades": 1,
        "effective_samples": length * (1 - memory) / (1 + memory),
        "information_coefficient": np.corrcoef(positions, returns)[0, 1],
    }
    assert not reasons(found)
    for metric, value in expected.items():
        assert found[metric] == pytest.approx(value, rel=1e-8, abs=1e-11), metric


def test_sortino_is_the_one_in_print(measure) -> None:
    assert measure(RED_ROCK)["sortino"] / math.sqrt(PER_YEAR) == pytest.approx(4.417, abs=5e-4)


def test_a_loss_in_the_first_period_is_a_fall(measure) -> None:
    found = measure([-0.5, 0.1])
    assert found["max_drawdown"] == pytest.approx(-0.5, abs=1e-11)


def test_the_fall_from_one_block_to_another_is_found(measure) -> None:
    """Up in the first block, down a little in each of the next two, which fall less within themselves."""
    returns = np.concatenate([np.full(BLOCK, 0.01), np.full(BLOCK, -0.002), np.full(BLOCK, -0.003), [0.2]])
    found = measure(returns)
    assert found["max_drawdown"] == pytest.approx(drawdown(returns), abs=1e-11)
    assert found["max_drawdown"] < -0.09


def test_the_value_at_risk_is_the_smallest_loss_that_covers_95_percent(measure) -> None:
    """Of twenty losses 1 to 20 it is the nineteenth, and the shortfall is the one above it; of twenty-one the
    atom of the twentieth is split."""
    losses = np.arange(1, 21) / 100
    found = measure(-losses)
    assert found["var_95"] == pytest.approx(0.19)
    assert found["es_95"] == pytest.approx(0.20)
    found = measure(-np.arange(1, 22) / 100)
    assert found["var_95"] == pytest.approx(0.20)
    assert found["es_95"] == pytest.approx(0.20 + 0.01 / (0.05 * 21))


def test_gains_alone_have_a_negative_value_at_risk(measure) -> None:
    gains = np.arange(1, 21) / 100
    assert measure(gains)["var_95"] == pytest.approx(-0.02)
    assert measure(gains)["es_95"] == pytest.approx(shortfall(-gains))


@pytest.mark.parametrize("length", [2, 63, 252])
@pytest.mark.parametrize("value", [0.001, 0.0012345678901234, 0.1, 1 / 3])
def test_returns_that_do_not_deviate_have_no_sharpe(measure, length: int, value: float) -> None:
    found = measure(np.full(length, value))
    assert reasons(found) == OF_FLAT | {
        "sortino": NO_LOSS,
        "calmar": "no fall",
        "profit_factor": NO_LOSS,
        "information_coefficient": UNMOVED,
    }
    assert found["volatility"] == pytest.approx(0, abs=1e-13)
    assert found["expected_return"] == pytest.approx(value)


def test_returns_that_hardly_deviate_have_the_error_of_numpy(measure) -> None:
    """Sums of powers would have lost every digit here."""
    returns = 0.01 + RANDOM * 1e-7
    found, root = measure(returns), math.sqrt(PER_YEAR)
    moments = sharpe.moments(returns)
    error = sharpe.sharpe_error(moments.sharpe, moments.observations, moments.skew, moments.kurtosis)
    assert found["sharpe"] == pytest.approx(float(moments.sharpe) * root, rel=1e-6)
    assert found["sharpe_error"] == pytest.approx(float(error) * root, rel=1e-6)


def test_a_strategy_that_never_held_anything_says_so(measure) -> None:
    found = measure(np.zeros(63), np.zeros(63))
    assert reasons(found) == IDLE
    assert [found[name] for name in ("expected_return", "volatility", "max_drawdown", "var_95", "es_95")] == [
        0
    ] * 5


def test_one_return_has_no_deviation(measure) -> None:
    found = measure([-0.01])
    assert reasons(found) == {
        **dict.fromkeys(["volatility", "sharpe", "sharpe_error", "effective_samples"], FEW),
        "information_coefficient": UNMOVED,
    }


def test_a_growth_that_no_double_holds_is_not_infinite(measure) -> None:
    found = measure([30.0, -0.001])
    assert found["calmar"] is not None or reasons(found)["calmar"] == "growth too large"
    found = measure([5000.0, -0.001])
    assert reasons(found)["calmar"] == "growth too large"


def test_positions_that_never_differ_have_no_correlation(measure) -> None:
    assert reasons(measure(RANDOM, np.full(252, 0.123456789))) == {"information_coefficient": UNMOVED}


def test_a_loss_of_everything_is_a_fall_of_all(measure) -> None:
    found = measure([0.1, -1.0, 0.0])
    assert found["max_drawdown"] == pytest.approx(-1, abs=1e-8)
    assert found["calmar"] is not None
