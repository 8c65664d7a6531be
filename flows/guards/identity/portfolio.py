"""What each portfolio is worth from decision to decision, from published weights and raw bars."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from flows.guards.identity.naming import Claim, Column, dates
from flows.guards.identity.raw_world import Asset, Clock, Portfolio, microseconds
from flows.guards.identity.recomputed import Recomputed

CASH = "CASH"
DAY = 86_400_000_000  # microseconds
YEAR = 365.0 * DAY
DECISION = ("portfolio", "decision_at")
EXPOSURE = (*DECISION, "symbol")
RETURNS = tuple(Column(name, "untrue_profit") for name in ("gross_return", "cost", "net_return", "nav"))


class Told(NamedTuple):
    """What a unit held through a session turned out to be worth, for each; sessions in days, else us."""

    session: int
    printed: int
    known: int
    growth: float


@dataclass(frozen=True)
class Known:
    """One symbol by number of the clock's instants: its mark, and what became of the order of each decision.

    `impact` is what a unit of money costs over the root of the money traded. Plain lists: the walk looks at
    one value at a time.
    """

    asset: Asset
    cost_rate: float
    borrow_rate: float
    impact: list[float]
    mark: list[float]
    status: list[str]
    level: list[float]
    known: list[int]
    session: list[int]
    late: list[Told]


@dataclass
class Holding:
    """Units held at the last mark, orders without a known outcome, and the last order of all.

    `fills` are sessions, units before and levels; `owed` the sessions of late actions and the units that
    these added, not sold yet by a fill that is known.
    """

    units: float = 0.0
    mark: float = float("nan")
    mark_before: float = float("nan")
    waiting: list[tuple[int, float]] = field(default_factory=list)
    fills: list[tuple[int, float, float]] = field(default_factory=list)
    owed: list[tuple[int, float]] = field(default_factory=list)
    last: tuple[int, float] | None = None

    def expected(self, known: Known, now: int) -> float:
        """Units as if the last order were filled; those held if it is known to have lapsed."""
        if self.last is None:
            return self.units
        number, units = self.last
        has_lapsed = known.status[number] == "lapsed" and known.known[number] <= now
        return self.units if has_lapsed else units


@dataclass
class Walk:
    """Rows that the tables of a portfolio should have."""

    decisions: list[dict[str, Any]] = field(default_factory=list)
    exposures: list[dict[str, Any]] = field(default_factory=list)
    sales: list[dict[str, Any]] = field(default_factory=list)


def claims(made: Recomputed, exposures: pd.DataFrame, impacts: pd.DataFrame) -> Iterator[Claim]:
    """Claims on the published exposures, value and waterfall.

    Only the weights, and how far orders move prices (market_impacts), are taken as they are.
    """
    decisions = pd.concat([_decisions(made, portfolio) for portfolio in made.world.portfolios])
    rebalance = Column("rebalance_date", "early_fill")
    yield Claim("main.decisions", DECISION, decisions, (rebalance,), absent="optimistic_fill")
    if exposures.empty:  # only models were built
        return
    walked = [
        _walk(made, one, exposures[exposures["portfolio"] == one.name], impacts)
        for one in made.world.portfolios
    ]
    columns = (
        Column("weight", "step_cache"),
        Column("previous_weight", "untrue_profit"),
        Column("held_units", "untrue_profit"),
        Column("target_units", "untrue_profit"),
        Column("mark_index", "adjusted_price"),
    )
    rows = pd.DataFrame([row for walk in walked for row in walk.exposures])
    yield Claim("main.target_exposures", EXPOSURE, rows, columns)
    yield _waterfall(exposures)
    sales = pd.DataFrame(
        [row for walk in walked for row in walk.sales], columns=["portfolio", "decision_at", "symbol", "cost"]
    ).astype({"decision_at": "datetime64[us]", "cost": float, "portfolio": object, "symbol": object})
    yield Claim("main.closing_sales", EXPOSURE, sales, (Column("cost", "untrue_profit"),))
    values = pd.DataFrame([row for walk in walked for row in walk.decisions])
    log = decisions.merge(values, how="left", on=list(DECISION))
    yield Claim("main.allocation_log", DECISION, log, RETURNS, absent="optimistic_fill")
    drawdown = Column("drawdown", "untrue_profit")
    yield Claim("main.portfolio_returns", DECISION, log, (*RETURNS, drawdown), absent="optimistic_fill")


def _decisions(made: Recomputed, portfolio: Portfolio) -> pd.DataFrame:
    """Every instant of the clock from the first bar known to the end of the portfolio's world."""
    clock = made.world.clocks[portfolio.clock]
    first = min(one.printed.min() for one in made.prints.values())
    is_in = (clock.instants >= first) & (clock.instants <= portfolio.as_of)
    return pd.DataFrame(
        {
            "portfolio": portfolio.name,
            "decision_at": clock.instants[is_in],
            "rebalance_date": dates(clock.rebalance[is_in]),
        }
    )


def _waterfall(exposures: pd.DataFrame) -> Claim:
    """Steps that add up to the weight that was published."""
    return Claim(
        "main.weight_waterfall",
        EXPOSURE,
        exposures.assign(weight_after=exposures["weight"]),
        (Column("weight", "step_cache"), Column("weight_after", "step_cache")),
        absent="step_cache",
        extra="step_cache",
        source=(
            "select portfolio, decision_at, symbol, sum(weight_change) as weight,"
            " arg_max(weight_after, stage_number) as weight_after from main.weight_waterfall group by all"
        ),
    )


def _known(made: Recomputed, clock: Clock, impacts: pd.DataFrame) -> dict[str, Known]:
    found = {}
    instants = len(clock.instants)
    impacts = impacts[(impacts["clock"] == clock.name) & impacts["impact_rate"].notna()]
    rates = dict(iter(impacts.groupby("symbol")))
    for symbol, one in made.priced.items():
        stands_on = one.standing(clock.instants)
        orders = made.orders[clock.name, symbol]
        status, level = np.full(instants, "", object), np.full(instants, np.nan)
        known = np.full(instants, np.iinfo(np.int64).max)
        status[orders.number], level[orders.number] = orders.status, orders.level
        known[orders.number] = orders.known.astype(np.int64)
        session = np.zeros(instants, np.int64)
        session[orders.number] = orders.session.astype("datetime64[D]").astype(np.int64)
        late = [
            Told(
                int(one.prints.session[told.bar].astype("datetime64[D]").astype(np.int64)),
                int(one.prints.printed[told.bar].astype(np.int64)),
                int(told.known.astype("datetime64[us]").astype(np.int64)),
                told.growth,
            )
            for told in one.late
        ]
        mark = np.where(stands_on >= 0, one.level[stands_on], np.nan)
        impact = np.zeros(instants)
        if symbol in rates:
            number = np.searchsorted(clock.instants, microseconds(rates[symbol]["decision_at"]))
            impact[number] = rates[symbol]["impact_rate"]
        found[symbol] = Known(
            made.world.assets[symbol],
            made.world.cost_rate(clock, symbol),
            made.world.borrow_rate(clock, symbol),
            impact.tolist(),
            mark.tolist(),
            status.tolist(),
            level.tolist(),
            known.tolist(),
            session.tolist(),
            late,
        )
    return found


def _walk(made: Recomputed, portfolio: Portfolio, exposures: pd.DataFrame, impacts: pd.DataFrame) -> Walk:
    """At each decision: book what is known, value the rest at the marks, note what the weights want."""
    clock = made.world.clocks[portfolio.clock]
    symbols, walk = _known(made, clock, impacts), Walk()
    members = _members(made, portfolio, clock)
    holdings: dict[str, Holding] = {}
    value = highest = 1.0
    cash = 0.0
    number = np.searchsorted(clock.instants, microseconds(exposures["decision_at"]))
    rows = zip(number.tolist(), exposures["symbol"], exposures["weight"], strict=True)
    wanted: dict[int, dict[str, float]] = {}
    began = last = 0
    for decision, symbol, weight in rows:
        wanted.setdefault(decision, {})[symbol] = weight
    for decision in sorted(wanted):
        if not walk.decisions:
            began = last = int(clock.instants[decision].astype(np.int64))
        instant = int(clock.instants[decision].astype(np.int64))
        years = (instant - last) / YEAR
        owed = sum(min(held.units, 0.0) * held.mark for held in holdings.values() if held.units)
        borrowed = sum(
            -min(held.units, 0.0) * held.mark * symbols[symbol].borrow_rate * years
            for symbol, held in holdings.items()
            if held.units
        )
        gross, cost = _settle(walk, portfolio, clock, symbols, holdings, decision)
        cost += borrowed
        gross += sum(
            _late_gain(symbols[symbol], holdings[symbol], decision, last, instant, began)
            for symbol in sorted(holdings)
        )
        gross += (cash + owed) * portfolio.cash_yield * years
        last = instant
        before, value = value, value + gross - cost
        highest = max(highest, value)
        now = {"portfolio": portfolio.name, "decision_at": clock.instants[decision]}
        walk.decisions.append(
            now
            | {"gross_return": gross / before, "cost": cost / before, "net_return": (gross - cost) / before}
            | {"nav": value, "drawdown": value / highest - 1}
        )
        if (told := portfolio.holdings.get(clock.instants[decision])) is not None:
            _take_up(told, symbols, holdings, decision, instant, value)
        is_member = members.get(decision, set())
        _order(walk, now, symbols, holdings, wanted[decision], is_member, decision, value, clock)
        cash = walk.exposures[-1]["held_units"]
    return walk


def _members(made: Recomputed, portfolio: Portfolio, clock: Clock) -> dict[int, set[str]]:
    """The assets that the policy studies, that may be held and have a price, by number of the decision."""
    found: dict[int, set[str]] = {}
    for symbol in made.priced:
        asset, orders = made.world.assets[symbol], made.orders[clock.name, symbol]
        if portfolio.studies(asset):
            for number in orders.number[clock.instants[orders.number] >= asset.listed].tolist():
                found.setdefault(number, set()).add(symbol)
    return found


def _take_up(
    told: Mapping[str, float],
    symbols: Mapping[str, Known],
    holdings: dict[str, Holding],
    decision: int,
    instant: int,
    value: float,
) -> None:
    """Hold what was told, and nothing else: what there was is sold at the mark, and open orders are void."""
    yesterday = instant // DAY - 1
    for symbol in sorted(holdings.keys() | told.keys()):
        held, mark = holdings.setdefault(symbol, Holding()), symbols[symbol].mark[decision]
        held.fills.append((yesterday, held.units, mark))
        held.units, held.mark = told.get(symbol, 0.0) * value / mark, mark
        held.waiting, held.last = [], None


def _settle(
    walk: Walk,
    portfolio: Portfolio,
    clock: Clock,
    symbols: Mapping[str, Known],
    holdings: dict[str, Holding],
    decision: int,
) -> tuple[float, float]:
    """Units before times the change of mark, and changes of units times (mark - fill); and their costs."""
    at = clock.instants[decision]
    now = int(at.astype(np.int64))
    gross = cost = 0.0
    for symbol in sorted(holdings):
        held, known = holdings[symbol], symbols[symbol]
        mark = known.mark[decision]
        gross += held.units * (mark - held.mark) if held.units else 0.0
        held.mark_before, held.mark = held.mark, mark
        for number, units in [*held.waiting]:
            if not known.status[number] or known.known[number] > now:
                continue
            held.waiting.remove((number, units))
            if known.status[number] == "filled":
                held.fills.append((known.session[number], held.units, known.level[number]))
                change, held.units = units - held.units, units
                gross += change * (mark - known.level[number])
                traded = abs(change) * known.level[number]
                cost += traded * known.cost_rate
                if portfolio.capital is not None:
                    cost += traded * known.impact[number] * (traded * portfolio.capital) ** 0.5
        if _is_over(known.asset, at, clock.rebalance[decision]):
            sale = abs(holdings.pop(symbol).units) * mark * known.cost_rate
            cost += sale
            if sale:
                walk.sales.append(
                    {"portfolio": portfolio.name, "decision_at": at, "symbol": symbol, "cost": sale}
                )
    return gross, cost


def _late_gain(known: Known, held: Holding, decision: int, before: int, now: int, began: int) -> float:
    """What actions told late brought since the decision before: units they added, until a fill sells them."""
    mark, gain = known.mark[decision], 0.0
    owed, held.owed = held.owed, []
    for session, units in owed:
        gain += units * (_sold_at(held, session, mark) - held.mark_before)
        held.owed += [(session, units)] if _sale(held, session) is None else []
    for told in known.late:
        if before < told.known <= now and told.printed > began:
            sale = _sale(held, told.session)
            units = (told.growth - 1) * (held.units if sale is None else sale[1])
            gain += units * _sold_at(held, told.session, mark)
            held.owed += [(told.session, units)] if sale is None else []
    return gain


def _sale(held: Holding, session: int) -> tuple[int, float, float] | None:
    """The first known fill from a session on."""
    return next((fill for fill in held.fills if fill[0] >= session), None)


def _sold_at(held: Holding, session: int, mark: float) -> float:
    sale = _sale(held, session)
    return mark if sale is None else sale[2]


def _is_over(asset: Asset, at: np.datetime64, rebalance: np.datetime64) -> bool:
    """Known by an instant that it may not be held from the rebalance day on."""
    known = [told.ends for told in asset.memberships if told.known <= at]
    return bool(known) and bool(known[-1] <= rebalance)


def _order(
    walk: Walk,
    now: dict[str, Any],
    symbols: Mapping[str, Known],
    holdings: dict[str, Holding],
    wanted: Mapping[str, float],
    members: set[str],
    decision: int,
    value: float,
    clock: Clock,
) -> None:
    """Note the rows of one decision, and target units of what its weights want."""
    instant = int(clock.instants[decision].astype(np.int64))
    needed = {
        symbol
        for symbol, held in holdings.items()
        if held.units or held.expected(symbols[symbol], instant) or any(units for _, units in held.waiting)
    }
    previous, in_assets = 0.0, 0.0
    for symbol in sorted((wanted.keys() & symbols.keys()) | needed | members):
        held, known = holdings.setdefault(symbol, Holding()), symbols[symbol]
        mark = held.mark = known.mark[decision]
        weight = wanted.get(symbol, 0.0)
        target, before = weight * value / mark, held.expected(known, instant) * mark / value
        previous, in_assets = previous + before, in_assets + held.units * mark
        if symbol in needed | members:
            walk.exposures.append(
                now
                | {"symbol": symbol, "weight": weight, "previous_weight": before, "mark_index": mark}
                | {"held_units": held.units, "target_units": target}
            )
        held.last = (decision, target)
        held.waiting.append(held.last)
    cash = 1 - sum(weight for symbol, weight in wanted.items() if symbol != CASH)
    walk.exposures.append(
        now
        | {"symbol": CASH, "weight": cash, "previous_weight": 1 - previous, "mark_index": 1.0}
        | {"held_units": value - in_assets, "target_units": cash * value}
    )
