"""What a portfolio earns otherwise is its own past with one thing changed, recomputed here order by order."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from python_steps import warehouse
from tests.worlds import small

PATIENCE = pd.Timedelta(days=14)


@pytest.fixture(scope="module")
def tables(small_world: small.World) -> dict[str, pd.DataFrame]:
    return {name: _read(small_world.whole, name) for name in TABLES}


def test_at_one_time_the_cost_nothing_is_changed_and_at_more_only_the_cost_is(
    tables: dict[str, pd.DataFrame],
) -> None:
    returns = tables["portfolio_returns"].set_index("decision_at").sort_index()
    for scenario, times in {"plain": 1, "costs_2x": 2, "costs_3x": 3}.items():
        found = _scenario(tables, scenario)
        assert found.index.equals(returns.index)
        assert np.allclose(found["net_return"], returns["gross_return"] - times * returns["cost"], atol=1e-15)
    assert _scenario(tables, "plain")["net_return"].equals(returns["net_return"])
    assert returns["cost"].sum() > 0


@pytest.mark.parametrize("scenario", ["fill_to_fill", "delayed_bar", "delayed_day"])
def test_late_weights_recomputed_order_by_order(tables: dict[str, pd.DataFrame], scenario: str) -> None:
    found, expected = _scenario(tables, scenario), _by_hand(tables, scenario)
    assert list(found.index) == list(expected)
    for column, place in (("net_return", 0), ("cost", 1)):
        assert np.allclose(found[column], [values[place] for values in expected.values()], atol=1e-12)
    assert list(found["known_at"]) == [values[2] for values in expected.values()]
    assert found["net_return"].abs().sum() > 0.01


def test_late_weights_are_others_than_those_of_the_decision(tables: dict[str, pd.DataFrame]) -> None:
    plain, late = (_scenario(tables, name)["net_return"] for name in ("fill_to_fill", "delayed_bar"))
    assert (plain.reindex(late.index) - late).abs().max() > 1e-6


def _by_hand(
    tables: dict[str, pd.DataFrame], scenario: str
) -> dict[pd.Timestamp, tuple[float, float, pd.Timestamp]]:
    """Net return, cost and known_at by decision, in plain loops."""
    weights = {
        at: dict(zip(rows["symbol"], rows["weight"], strict=True))
        for at, rows in tables["target_exposures"].groupby("decision_at")
    }
    decisions = sorted(weights)
    bars = {at: sorted(rows["symbol"]) for at, rows in tables["decision_bars"].groupby("decision_at")}
    filled = tables["order_returns"].set_index(["decision_at", "symbol"])
    unfilled = tables["order_fills"][tables["order_fills"]["status"] != "filled"]
    settled = dict(filled["known_at"]) | dict(unfilled.set_index(["decision_at", "symbol"])["known_at"])
    last: dict[str, float] = {}
    latest = pd.Timestamp.min  # what an order cost hangs on those before it
    said = {}
    for number, at in enumerate(decisions):
        used = _used(scenario, decisions, number)
        if used is None:
            continue
        orders = [symbol for symbol in bars[at] if symbol in weights[used]]
        known = [settled.get((at, symbol), pd.Timestamp.max) for symbol in orders]
        known_at = min(max(known), at + PATIENCE)
        latest = max(latest, known_at)
        if latest > small.RUNS[-1]:
            continue
        gross, cost = 0.0, 0.0
        for symbol, when in zip(orders, known, strict=True):
            if when > known_at or (at, symbol) not in filled.index:
                continue
            order, weight = filled.loc[(at, symbol)], weights[used][symbol]
            turnover = abs(weight - last.get(symbol, 0.0)) + order["is_closing"] * abs(weight)
            gross, cost = gross + weight * order["unit_return"], cost + turnover * order["cost_rate"]
            last[symbol] = weight
        said[at] = gross - cost, cost, latest
    return said


def _used(scenario: str, decisions: list[pd.Timestamp], number: int) -> pd.Timestamp | None:
    """The decision whose weights are in use."""
    if scenario == "fill_to_fill":
        return decisions[number]
    if scenario == "delayed_bar":
        return decisions[number - 1] if number else None
    made = [at for at in decisions if at <= decisions[number] - dt.timedelta(days=1)]
    return made[-1] if made else None


def _scenario(tables: dict[str, pd.DataFrame], scenario: str) -> pd.DataFrame:
    rows = tables["portfolio_scenarios"]
    return rows[rows["scenario"] == scenario].set_index("decision_at").sort_index()


TABLES = (
    "portfolio_returns",
    "portfolio_scenarios",
    "target_exposures",
    "decision_bars",
    "order_returns",
    "order_fills",
)


def _read(file: Path, table: str) -> pd.DataFrame:
    con = warehouse.connect(file, read_only=True)
    try:
        return warehouse.read(con, table)
    finally:
        con.close()
