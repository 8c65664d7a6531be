"""Profit, value and limits, computed again outside the models from raw bars, seeds and published weights.

Nothing here reads a fill, mark, return or statistic of the warehouse. Both sides meet only in the asserts.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from python_steps import policy as policies
from tests.evidence.conftest import HOLDINGS, PROJECT, Ran

SEEDS = PROJECT / "seeds"
CASH = "CASH"
PROFIT = ["gross_return", "turnover", "cost", "net_return", "fill_price", "exit_price"]
PATIENCE = 5  # decisions in a row that an asset may be left out before it is sold
HORIZON = dt.timedelta(days=30)  # of the clock past as_of: enough for every order that is settled by then


@dataclass(frozen=True)
class World:
    """A finished run, its merged policy, what it held at the start, and its size."""

    ran: Ran
    policy: policies.Policy
    holdings: Mapping[str, float]
    symbols: int
    decisions: int

    def query(self, sql: str) -> pd.DataFrame:
        return self.ran.query(sql)


@dataclass(frozen=True)
class Clock:
    """Decisions of the clock `global`: instants, and the day each takes effect (datetime64)."""

    instants: np.ndarray
    rebalance: np.ndarray
    as_of: np.datetime64


@dataclass(frozen=True)
class Bars:
    """Bars of one asset by session, in order, and the sessions of its venue."""

    day: np.ndarray
    opened: np.ndarray  # first price, the close where a feed has none
    close: np.ndarray
    known: np.ndarray
    calendar: np.ndarray
    calendar_close: np.ndarray
    calendar_known: np.ndarray  # when a bar of that session should have been known
    rate: float
    asset_class: str


@dataclass(frozen=True)
class Orders:
    """What became of the order of each decision of the clock: status '' where none was made or settled."""

    status: np.ndarray
    price: np.ndarray
    known: np.ndarray
    mark: np.ndarray  # last close known, NaN before the first
    mark_place: np.ndarray  # its place among the asset's bars, -1 before the first


@pytest.fixture(scope="module", params=["sample", "own"])
def world(request) -> World:
    """The embedded sample, and a user's file whose bars are missing now and then."""
    found = request.getfixturevalue(request.param)
    if request.param == "sample":
        return World(found, policies.load("global")[1], {}, symbols=40, decisions=1000)
    return World(found.next_day, policies.load(found.next_day.folder / "my.yml")[1], HOLDINGS, 5, 300)


@pytest.fixture(scope="module")
def clock(world) -> Clock:
    row = pd.read_csv(SEEDS / "clocks.csv", dtype=str).set_index("clock").loc["global"]
    assert row["time_zone"] == "UTC"
    as_of = world.query("select max(as_of) as as_of from raw.runs")["as_of"].iloc[0]
    days = pd.date_range(row["starts_at"], as_of + HORIZON, freq="D")
    days = days[np.isin(days.dayofweek + 1, [int(day) for day in row["weekdays"].split(",")])]
    at = days + pd.to_timedelta(row["time_of_day"] + ":00")
    return Clock(
        at[:-1].to_numpy("datetime64[us]"), days[1:].to_numpy("datetime64[D]"), np.datetime64(as_of, "us")
    )


@pytest.fixture(scope="module")
def bars(world) -> dict[str, Bars]:
    """By symbol. All else rests on what is asserted: one version of each bar, none late, all in dollars."""
    raw = world.query("select * from raw.bars order by symbol, session_date")
    assert (raw["version"] == 1).all()
    assert (raw["known_at"] == raw["available_at"]).all()
    assets = pd.concat([pd.read_csv(SEEDS / "assets.csv"), world.query("select * from raw.assets")])
    assets = assets.drop_duplicates("symbol", keep="last").set_index("symbol")
    assert (assets["currency"] == "USD").all()
    costs = pd.read_csv(SEEDS / "costs.csv").set_index(["cost_schedule", "asset_class"])
    lags = pd.read_csv(SEEDS / "venues.csv").set_index("venue")["lag_minutes"]
    calendars = dict(tuple(pd.read_csv(SEEDS / "sessions.csv").groupby("venue")))
    found = {}
    for symbol, rows in raw.groupby("symbol"):
        asset = assets.loc[symbol]
        calendar = calendars[asset["venue"]]
        closes = pd.to_datetime(calendar["closed_at"]).to_numpy("datetime64[us]")
        fee = costs.loc[("default", asset["asset_class"])]
        found[symbol] = Bars(
            rows["session_date"].to_numpy("datetime64[D]"),
            rows["open"].fillna(rows["close"]).to_numpy(),
            rows["close"].to_numpy(),
            rows["known_at"].to_numpy("datetime64[us]"),
            pd.to_datetime(calendar["session_date"]).to_numpy("datetime64[D]"),
            closes,
            closes + np.timedelta64(int(lags[asset["venue"]]), "m"),
            (fee["fee_bps"] + fee["slippage_bps"]) / 10_000,
            asset["asset_class"],
        )
        assert (np.diff(found[symbol].known) > np.timedelta64(0, "us")).all()
    assert len(found) == world.symbols
    return found


@pytest.fixture(scope="module")
def orders(bars, clock) -> dict[str, Orders]:
    return {symbol: orders_of(one, clock) for symbol, one in bars.items()}


def orders_of(bars: Bars, clock: Clock) -> Orders:
    """Filled in the first session from the rebalance date on, unless a later decision fills there too."""
    place = np.searchsorted(bars.known, clock.instants, side="right") - 1
    mark = np.where(place >= 0, bars.close[np.maximum(place, 0)], np.nan)
    target = np.searchsorted(bars.calendar, clock.rebalance)
    session = bars.calendar[target]
    following = np.append(clock.rebalance[1:], np.datetime64("9999-01-01"))
    is_superseded = following <= session
    at = np.minimum(np.searchsorted(bars.day, session), len(bars.day) - 1)
    lapses = bars.calendar_close[target + 1]
    is_printed = (bars.day[at] == session) & (bars.known[at] <= lapses)
    status = np.where(is_superseded, "superseded", np.where(is_printed, "filled", "lapsed"))
    next_at = np.append(clock.instants[1:], np.datetime64("9999-01-01"))
    known = np.where(is_superseded, next_at, np.where(is_printed, bars.known[at], lapses))
    is_settled = (place >= 0) & (clock.instants <= clock.as_of) & (known <= clock.as_of)
    return Orders(
        np.where(is_settled, status, ""),
        np.where(is_settled & (status == "filled"), bars.opened[at], np.nan),
        known,
        mark,
        place,
    )


def test_profit_of_every_strategy_is_position_times_the_return_between_fills(world, bars, orders, clock):
    published = world.query("select * from main.strategy_pnl where status = 'filled'")
    positions = world.query("select strategy, symbol, decision_at, position from main.positions")
    held = positions.set_index(["symbol", "strategy"]).sort_index()
    expected = []
    for symbol, order in orders.items():
        filled = np.flatnonzero(order.status == "filled")
        entries, exits = filled[:-1], filled[1:]  # the last fill has no exit yet
        unit = order.price[exits] / order.price[entries] - 1
        for strategy in positions["strategy"].unique():
            rows = held.loc[(symbol, strategy)]
            by_decision = pd.Series(
                rows["position"].to_numpy(), rows["decision_at"].to_numpy("datetime64[us]")
            )
            position = by_decision.loc[clock.instants[entries]].to_numpy()
            turnover = np.abs(np.diff(position, prepend=0.0))
            cost = turnover * bars[symbol].rate
            expected.append(
                pd.DataFrame(
                    {
                        "strategy": strategy,
                        "symbol": symbol,
                        "decision_at": clock.instants[entries],
                        "gross_return": position * unit,
                        "turnover": turnover,
                        "cost": cost,
                        "net_return": position * unit - cost,
                        "fill_price": order.price[entries],
                        "exit_price": order.price[exits],
                    }
                )
            )
    key = ["strategy", "symbol", "decision_at"]
    merged = published.merge(
        pd.concat(expected), on=key, how="outer", suffixes=("", "_again"), indicator=True
    )
    assert (merged["_merge"] == "both").all(), merged.loc[merged["_merge"] != "both", key].head()
    assert merged["strategy"].nunique() >= 13
    assert merged["symbol"].nunique() == world.symbols
    for column in PROFIT:
        gap = (merged[column] - merged[f"{column}_again"]).abs()
        assert gap.max() <= 1e-9, (column, merged.loc[gap.idxmax(), key].tolist())


def test_orders_that_were_superseded_or_lapsed_are_the_ones_without_a_fill_of_their_own(world, orders, clock):
    published = world.query(
        "select distinct symbol, decision_at, status from main.strategy_pnl where status <> 'filled'"
    )
    said = set(
        zip(
            published["symbol"],
            published["decision_at"].to_numpy("datetime64[us]"),
            published["status"],
            strict=True,
        )
    )
    expected = {
        (symbol, clock.instants[place], str(order.status[place]))
        for symbol, order in orders.items()
        for place in np.flatnonzero((order.status == "superseded") | (order.status == "lapsed"))
    }
    assert said == expected
    statuses = {status for *_, status in expected}
    assert statuses == ({"superseded"} if world.symbols == 40 else {"superseded", "lapsed"})


def test_value_of_the_portfolio_follows_from_weights_closes_fills_and_costs(world, bars, orders, clock):
    weights = exposures(world)
    published = world.query(
        "select returns.*, logs.nav as logged_nav, logs.net_return as logged_return"
        " from main.portfolio_returns as returns"
        " join main.allocation_log as logs using (portfolio, decision_at) order by decision_at"
    ).set_index("decision_at")
    value, held, last_mark, open_orders, last_order = 1.0, {}, {}, {}, {}
    first = int(np.searchsorted(clock.instants, weights.index[0][0].to_datetime64()))
    for at, wanted in weights.groupby(level="decision_at"):
        now = int(np.searchsorted(clock.instants, np.datetime64(at, "us")))
        gross = cost = 0.0
        if now == first:
            held = {symbol: weight / orders[symbol].mark[now] for symbol, weight in world.holdings.items()}
            last_mark = {symbol: orders[symbol].mark[now] for symbol in held}
        for symbol, units in held.items():
            gross += units * (orders[symbol].mark[now] - last_mark[symbol])
        for symbol, waiting in open_orders.items():
            for place, units in [*waiting]:
                if orders[symbol].status[place] == "" or orders[symbol].known[place] > clock.instants[now]:
                    continue
                waiting.remove((place, units))
                if orders[symbol].status[place] == "filled":
                    change, price = units - held.get(symbol, 0.0), orders[symbol].price[place]
                    gross += change * (orders[symbol].mark[now] - price)
                    cost += abs(change) * price * bars[symbol].rate
                    held[symbol] = units
        said, before = published.loc[at], value
        value += gross - cost
        assert abs(said["nav"] - value) <= 1e-9, at
        assert abs(said["logged_nav"] - value) <= 1e-9, at
        assert abs(said["gross_return"] - gross / before) <= 1e-9, at
        assert abs(said["cost"] - cost / before) <= 1e-9, at
        assert abs(said["net_return"] - (gross - cost) / before) <= 1e-9, at
        assert abs(said["logged_return"] - (gross - cost) / before) <= 1e-9, at
        for (_, symbol), row in wanted.drop(CASH, level="symbol").iterrows():
            mark = last_mark[symbol] = orders[symbol].mark[now]
            place, units = last_order.get(symbol, (now, held.get(symbol, 0.0)))
            has_lapsed = (
                orders[symbol].status[place] == "lapsed"
                and orders[symbol].known[place] <= clock.instants[now]
            )
            before = (held.get(symbol, 0.0) if has_lapsed else units) * mark / value
            assert abs(row["previous_weight"] - before) <= 1e-9, (at, symbol)
            last_order[symbol] = (now, row["weight"] * value / mark)
            open_orders.setdefault(symbol, []).append(last_order[symbol])
    assert len(published) == weights.index.get_level_values("decision_at").nunique() > world.decisions
    assert abs(value - 1) > 0.01  # something was held


def test_waterfall_adds_up_to_the_weight(world):
    steps = world.query("select * from main.weight_waterfall order by decision_at, symbol, stage_number")
    key = ["decision_at", "symbol"]
    summed = steps.groupby(key).agg(
        total=("weight_change", "sum"), last=("weight_after", "last"), stages=("stage", "nunique")
    )
    joined = exposures(world).join(summed, how="outer")
    assert joined.notna().all(axis=None)
    assert (joined["stages"] == 6).all()
    assert (joined["total"] - joined["weight"]).abs().max() <= 1e-12
    assert (joined["last"] - joined["weight"]).abs().max() <= 1e-12
    so_far = steps.groupby(key)["weight_change"].cumsum()
    assert (so_far - steps["weight_after"]).abs().max() <= 1e-12


def test_each_decision_has_a_row_for_every_asset_with_a_known_bar_and_for_cash(world, orders, clock):
    said = exposures(world).reset_index().groupby("decision_at")["symbol"].agg(set)
    for at, symbols in said.items():
        now = int(np.searchsorted(clock.instants, np.datetime64(at, "us")))
        assert symbols == {
            CASH,
            *(symbol for symbol, order in orders.items() if order.mark_place[now] >= 0),
        }, at
    first = min(order.mark_place.tolist().index(0) for order in orders.values())
    decided = clock.instants[(np.arange(len(clock.instants)) >= first) & (clock.instants <= clock.as_of)]
    assert said.index.to_numpy("datetime64[us]").tolist() == decided.tolist()
    assert len(said.iloc[-1]) == world.symbols + 1
    assert len(said.iloc[0]) == (36 if world.symbols == 40 else 6)  # the coins of the sample came later


def test_assets_left_out_are_those_whose_bars_were_late_or_missing(world, bars, orders, clock):
    said = world.query("select * from main.data_quality").set_index(["symbol", "decision_at"]).sort_index()
    weights, stopped = exposures(world), actions(world)
    for symbol, one in bars.items():
        rows = said.loc[symbol]
        at = rows.index.to_numpy("datetime64[us]")
        place = orders[symbol].mark_place[np.searchsorted(clock.instants, at)]
        number = np.searchsorted(one.calendar, one.day)  # of the session of each bar
        overdue = (at - one.calendar_known[number[place] + 1]) / np.timedelta64(1, "h")
        missed = np.where(place >= 63, number[place] - number[np.maximum(place - 63, 0)] - 63, 0) / 63
        is_out = (overdue > 1) | (missed > 0.10)
        assert np.allclose(rows["staleness_hours"], np.maximum(overdue, 0), atol=1e-9, rtol=0)
        assert np.allclose(rows["missing_rate"], missed, atol=1e-12, rtol=0)
        assert (rows["is_excluded"].to_numpy() == is_out).all()
        held = weights.xs(symbol, level="symbol")
        assert (held.index == rows.index).all()
        waited = 0
        for instant, (weight, previous), out in zip(held.index, held.to_numpy(), is_out, strict=True):
            waited = waited + 1 if out else 0
            if waited and not stopped.get(instant):
                assert abs(weight - (previous if waited < PATIENCE else 0.0)) <= 1e-12, (symbol, instant)
        assert is_out.sum() == (6 if symbol == "NARVO" else 0)


def test_weights_sum_to_one_and_none_is_short(world):
    weights = exposures(world)["weight"]
    assert weights.min() >= 0
    assert (weights.groupby("decision_at").sum() - 1).abs().max() <= 1e-9


def test_weights_obey_every_limit_at_every_decision(world, bars, orders, clock):
    limits, stopped = world.policy.limits, actions(world)
    log = world.query("select decision_at, conflicts from main.allocation_log").set_index("decision_at")[
        "conflicts"
    ]
    touched = {"asset": 0.0, "class": 0.0, "cluster": 0.0, "change": 0.0}
    clusters = 0
    for at, rows in exposures(world).drop(CASH, level="symbol").groupby(level="decision_at"):
        now = int(np.searchsorted(clock.instants, np.datetime64(at, "us")))
        forced, action = set(json.loads(log[at])), stopped.get(at, set())
        symbols = rows.index.get_level_values("symbol").to_numpy()
        weight, previous = rows["weight"].to_numpy(), rows["previous_weight"].to_numpy()
        classes = np.array([bars[symbol].asset_class for symbol in symbols])
        # A hold keeps what drifted above a limit; what was forced, what the change limit does not let go.
        least = previous if "hold" in action else np.zeros(len(symbols))
        floor = np.maximum(previous - limits.change, 0)
        for place, symbol in enumerate(symbols):
            allowed = max(limits.asset, least[place])
            assert weight[place] <= allowed + 1e-9 or f"asset {symbol}" in forced, (at, symbol)
            assert weight[place] <= previous[place] + limits.change + 1e-9, (at, symbol)
            is_sold_in_one_go = f"change {symbol}" in forced or action & {"cash", "halve"}
            assert weight[place] >= floor[place] - 1e-9 or is_sold_in_one_go, (at, symbol)
        groups = [(f"class {name}", classes == name, limit) for name, limit in limits.asset_classes.items()]
        found = clusters_of(symbols, orders, now, limits.cluster)
        clusters += len(found)
        groups += [("cluster " + "+".join(symbols[group]), group, limits.cluster.limit) for group in found]
        for name, members, limit in groups:
            allowed = max(limit, least[members].sum(), floor[members].sum() if name in forced else 0)
            assert weight[members].sum() <= allowed + 1e-9, (at, name)
            touched[name.split()[0]] = max(touched[name.split()[0]], weight[members].sum())
        touched["asset"] = max(touched["asset"], weight.max())
        touched["change"] = max(touched["change"], np.abs(weight - previous).max())
    # The limits were near enough to have been broken.
    assert touched["asset"] > limits.asset / 3
    assert touched["change"] > 0.01
    if world.symbols == 40:
        assert clusters > 0
        assert touched["cluster"] > 0
        assert touched["class"] > 0.75


def test_two_classes_are_held_or_the_summary_says_why_not(sample):
    """Each class of the policy without weight is named in the summary, with a reason after it."""
    rows = sample.query(
        "select asset_class, sum(weight) as weight from main.target_exposures join main.assets using (symbol)"
        " where decision_at = (select max(decision_at) from main.target_exposures) group by asset_class"
    )
    held = set(rows.loc[rows["weight"] > 0, "asset_class"])
    named = {line.split(":")[0] for line in sample.stdout.splitlines() if line.startswith("No ")}
    assert len(held) >= 2 or named == {f"No {name}" for name in {"crypto", "equity", "fx"} - held}
    assert named == {f"No {name}" for name in set(rows["asset_class"]) - held}


def exposures(world) -> pd.DataFrame:
    """Published weights and the weights before, by decision and symbol."""
    rows = world.query("select decision_at, symbol, weight, previous_weight from main.target_exposures")
    return rows.set_index(["decision_at", "symbol"]).sort_index()


def actions(world) -> dict[pd.Timestamp, set[str]]:
    """What stop conditions did at each decision at which one was in force."""
    rows = world.query("select decision_at, action from main.stop_conditions where action <> 'none'")
    return {at: set(group) for at, group in rows.groupby("decision_at")["action"]}


def clusters_of(
    symbols: np.ndarray, orders: dict[str, Orders], now: int, bound: policies.Cluster
) -> list[np.ndarray]:
    """Assets joined by correlations of three-decision returns over the last decisions, from raw closes."""
    marks = np.array([orders[symbol].mark[max(0, now - bound.decisions) : now + 1] for symbol in symbols])
    known = np.flatnonzero(np.isfinite(marks).all(axis=1))
    if marks.shape[1] <= bound.decisions or len(known) < 2:
        return []
    returns = marks[known, 3:] / marks[known, :-3] - 1
    joined = np.corrcoef(returns) >= bound.correlation
    reach = joined
    for _ in range(6):  # paths of up to 64 steps
        reach = reach @ reach
    groups = {tuple(known[row]) for row in reach if row.sum() > 1}
    return [np.array(group) for group in sorted(groups)]
