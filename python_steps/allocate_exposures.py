"""Walk the decisions in order, and say at each what to hold: rules 6, 7 and 9 of the study.

At a decision: book what is known of earlier orders, value what is held, measure the stops, ask the
allocator, and bring its answer under the limits, smoothed, changed by no more than is allowed.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from python_steps import limits, plugins
from python_steps.allocation_answer import (
    Estimator,
    Risk,
    Situation,
    answer,
    no_value,
    risk_of,
    smoothed,
    unmeasured,
)
from python_steps.allocation_inputs import (
    AllocationInputs,
    Asset,
    ByDecision,
    Orders,
    Returns,
    assets_by_symbol,
    days,
    holdings_by_decision,
    impacts_by_order,
    in_universe,
    instants,
    late_by_symbol,
    of,
    resets_by_condition,
)
from python_steps.allocation_rows import Decided, Rows
from python_steps.allocation_state import State, resumed
from python_steps.book import Book, Settlement, Taken
from python_steps.conflicts import in_words, smallest
from python_steps.errors import InputError
from python_steps.executors import IN_TURN, Fan
from python_steps.least_distance import contributions, turnover, volatility
from python_steps.policy import Policy
from python_steps.projection import prices_of, project
from python_steps.risk_ahead import Ahead, Foreseen
from python_steps.stops import Reset, stopped

PATIENCE = 5  # decisions in a row that an asset may be left out before it is sold
NO_REGIME = "neutral"
VIEWS = ["ensemble_view", "standard_error", "shrunk_view"]


class Decision(NamedTuple):
    """One decision to be made; `at` in microseconds."""

    at: int
    rebalance_date: np.datetime64
    is_backtest: bool


class Asked(NamedTuple):
    """What `allocate` is asked of one portfolio among several."""

    inputs: AllocationInputs
    decisions_per_year: float
    policy: Policy
    portfolio: str
    run_id: str
    is_explained: bool


@dataclass(frozen=True, eq=False)
class World:
    """The inputs, ready to be looked at by decision, and the plug-ins that the policy names."""

    policy: Policy
    assets: dict[str, Asset]
    marks: ByDecision
    returns: Returns
    orders: Orders
    quality: ByDecision
    conditions: ByDecision
    views: ByDecision
    regimes: dict[int, str]
    confidences: dict[int, float]
    resets: dict[str, list[Reset]]
    holdings: dict[int, dict[str, float]]
    borrow: dict[str, float] | None
    allocator: ModuleType
    estimate: Estimator
    decisions_per_year: float
    is_explained: bool


def allocate(
    inputs: AllocationInputs,
    policy: Policy,
    portfolio: str,
    run_id: str,
    decisions_per_year: float,
    *,
    is_explained: bool = True,
    fan: Fan = IN_TURN,
) -> dict[str, pd.DataFrame]:
    """Rows of the eight tables that allocation_rows.py names, keyed by them.

    One set of rows for each of `inputs.decisions`, in the columns of sources.yml; nothing of `past` is
    repeated. Without `is_explained`, what stands beside a decision and is read by none is left out: what
    limits cost, and what would be held without views. Raises plugins.UnknownPlugin for an allocator or
    covariance that no file has, ValueError for inputs that contradict each other (table and symbol are
    named).
    """
    world = _world(inputs, policy, portfolio, decisions_per_year, is_explained=is_explained)
    past = {name: of(table, portfolio=portfolio) for name, table in inputs.past.items()}
    state = resumed(past, world.orders.fills, late_by_symbol(inputs.late_actions), policy.stops)
    rows = Rows(portfolio, run_id, policy.allocator, world.allocator.VARIANT)
    decisions = _decisions(of(inputs.decisions, portfolio=portfolio), state)
    ahead = Ahead(_foreseen(decisions, world, state), len(decisions), world.returns, policy.covariance, fan)
    for decision in decisions:
        rows.add(_decide(decision, world, state, ahead))
    return rows.tables()


def answer_for(asked: Asked) -> dict[str, pd.DataFrame]:
    """What `allocate` says of one portfolio."""
    inputs, per_year, policy, portfolio, run_id, is_explained = asked
    return allocate(inputs, policy, portfolio, run_id, per_year, is_explained=is_explained)


def _decisions(frame: pd.DataFrame, state: State) -> list[Decision]:
    at = instants(frame["decision_at"]).tolist()
    rows = sorted(zip(at, days(frame["rebalance_date"]), frame["is_backtest"].tolist(), strict=True))
    if len(set(at)) < len(at):
        raise ValueError("decisions: a decision_at stands twice")
    if rows and state.book.at is not None and rows[0][0] <= state.book.at:
        raise ValueError("decisions: one is not later than the last decision already made")
    return [Decision(instant, date, bool(is_backtest)) for instant, date, is_backtest in rows]


def _foreseen(decisions: Iterable[Decision], world: World, state: State) -> Iterator[Foreseen]:
    """The decisions that will ask for a covariance, by all that can be told before they are made."""
    has_begun = bool(state.book.symbols())
    for decision in decisions:
        views = world.views.at(decision.at).values()
        has_begun = has_begun or decision.at in world.holdings or any(_view(row)[-1] for row in views)
        if has_begun:
            yield Foreseen(decision.at, sorted(_members(decision, world, _marks(decision, world))))


def _world(
    inputs: AllocationInputs, policy: Policy, portfolio: str, decisions_per_year: float, *, is_explained: bool
) -> World:
    regimes = of(inputs.regimes, clock=policy.clock, detector=policy.detector)
    confidences = of(inputs.confidences, portfolio=portfolio)
    return World(
        policy=policy,
        assets=assets_by_symbol(inputs.assets),
        marks=ByDecision(of(inputs.marks, clock=policy.clock), "marks", "symbol", ["mark_index"]),
        returns=Returns(of(inputs.decision_returns, clock=policy.clock)),
        orders=Orders(
            of(inputs.order_fills, clock=policy.clock),
            impacts_by_order(of(inputs.market_impacts, clock=policy.clock), policy.assets_under_management),
        ),
        quality=ByDecision(
            of(inputs.data_quality, portfolio=portfolio), "data_quality", "symbol", ["is_excluded"]
        ),
        conditions=ByDecision(
            of(inputs.market_conditions, portfolio=portfolio), "market_conditions", "condition", ["value"]
        ),
        views=ByDecision(
            of(inputs.expected_returns, portfolio=portfolio), "expected_returns", "symbol", VIEWS
        ),
        regimes=dict(zip(instants(regimes["decision_at"]).tolist(), regimes["regime"].tolist(), strict=True)),
        confidences=dict(
            zip(
                instants(confidences["decision_at"]).tolist(), confidences["confidence"].tolist(), strict=True
            )
        ),
        resets=resets_by_condition(of(inputs.resets, portfolio=portfolio)),
        holdings=holdings_by_decision(
            of(inputs.holdings, portfolio=portfolio), allow_shorts=policy.allow_shorts
        ),
        borrow=_borrow_rates(inputs.borrow_rates),
        allocator=plugins.load("python_steps.allocators", policy.allocator),
        estimate=plugins.load("python_steps.covariances", policy.covariance).estimate,
        decisions_per_year=decisions_per_year,
        is_explained=is_explained,
    )


def _borrow_rates(frame: pd.DataFrame) -> dict[str, float] | None:
    return None if frame.empty else dict(zip(frame["symbol"], frame["borrow_rate"].tolist(), strict=True))


def _decide(decision: Decision, world: World, state: State, ahead: Ahead) -> Decided:
    book, wanted = state.book, world.policy
    rates = world.orders.cost_rates(decision.at)
    over = _over(decision, world, state, rates)
    settled = _settle(decision, world, state, over)
    taken = _take_up(decision, world, book)
    now = _situation(decision, world, state, rates)
    verdicts = state.stops.judge(
        decision.at,
        decision.is_backtest,
        book.value,
        settled.net_return,
        {name: _number(row["value"]) for name, row in world.conditions.at(decision.at).items()},
        wanted.stops,
        world.resets,
    )
    returns = world.returns.until(decision.at, now.symbols)
    risk = risk_of(returns, world.estimate, now, lambda: ahead.taken(decision.at, now.symbols))
    regime = world.regimes.get(decision.at, NO_REGIME)
    bounds = _bounds(now, returns, risk, regime, world)
    is_explained = world.is_explained
    said = no_value(now)
    if book.is_sound():
        said = answer(now, risk, bounds, wanted, world.allocator, is_priced=is_explained)
    ablated = _without_views(now, returns, risk, bounds, regime, world) if is_explained else None
    mixed = smoothed(said.raw, now, wanted)
    allowed = project(mixed, now.previous, bounds, now.excluded, now.barred)
    final = stopped(allowed.weights, now.previous, verdicts, wanted.stops, bounds)
    state.stops.fallbacks.append(said.status == "fallback")
    conflict = (
        smallest(allowed.weights, now.previous, bounds, now.excluded, now.barred) if allowed.forced else ()
    )
    targets = book.units_for(dict(zip(now.symbols, final.tolist(), strict=True)))
    book.order(decision.at, targets)
    return Decided(
        at=decision.at,
        symbols=now.symbols,
        stages=(said.risk_based, said.views, said.raw, mixed, allowed.weights, final),
        ablated=ablated,
        previous=now.previous,
        held_units=[book.held.get(symbol, 0.0) for symbol in now.symbols],
        target_units=list(targets.values()),
        marks=[book.marks[symbol] for symbol in now.symbols],
        excluded_for=[state.excluded_for.get(symbol, 0) for symbol in now.symbols],
        cash=book.cash(),
        value=book.value,
        status=said.status,
        fallback_mode=said.fallback_mode,
        reason=said.reason + unmeasured(final, now, risk) + in_words(conflict),
        binding=allowed.binding,
        conflicts=tuple(dict.fromkeys((*said.conflicts, *allowed.forced))),
        conflict_set=tuple(rule.text for rule in conflict),
        prices={**said.prices, "projected": prices_of(mixed, allowed, bounds)} if is_explained else {},
        risk=volatility(final, bounds.factor),
        contributions=contributions(final, bounds.factor),
        decisions_per_year=world.decisions_per_year,
        turnover=turnover(final, now.previous),
        settlement=settled,
        taken=taken,
        high_water_mark=state.stops.high_water_mark,
        regime=regime,
        confidence=now.confidence,
        verdicts=verdicts,
    )


def _bounds(now: Situation, returns: np.ndarray, risk: Risk, regime: str, world: World) -> limits.Limits:
    """The limits of the decision, as far as they can be measured."""
    return limits.build(
        world.policy,
        now.symbols,
        now.classes,
        returns,
        risk.covariance,
        risk.measured,
        world.decisions_per_year,
        regime,
    )


def _without_views(
    now: Situation, returns: np.ndarray, risk: Risk, bounds: limits.Limits, regime: str, world: World
) -> np.ndarray:
    """What a risk-based allocator would say, under the same limits, of every asset as if its view were sure.

    It stands beside the answer, and nothing is held by it; what is held does not count in it either. Zeros
    from an allocator that needs views.
    """
    nothing = np.zeros(len(now.symbols))
    if not getattr(world.allocator, "IS_RISK_BASED", False):
        return nothing
    sure = replace(now, view=nothing + 1, error=nothing, shrunk=nothing + 1, previous=nothing)
    if risk.problem is None and not risk.measured.any():
        risk = risk_of(returns, world.estimate, sure)
        bounds = _bounds(sure, returns, risk, regime, world)
    said = answer(sure, risk, bounds, world.policy, world.allocator, is_priced=False)
    return said.raw if said.status == "solved" else nothing


def _settle(decision: Decision, world: World, state: State, over: dict[str, float]) -> Settlement:
    """Book and value what is held."""
    return state.book.settle(
        decision.at, _marks(decision, world), world.orders.fills, over, world.policy.cash_yield, world.borrow
    )


def _marks(decision: Decision, world: World) -> dict[str, Any]:
    return {symbol: row["mark_index"] for symbol, row in world.marks.at(decision.at).items()}


def _take_up(decision: Decision, world: World, book: Book) -> list[Taken]:
    """Go on from what is really held, where that was told and the book can be valued."""
    told = world.holdings.get(decision.at)
    if told is None or not book.is_sound():
        return []
    for symbol in told:
        if symbol not in book.marks:
            raise InputError(f"holdings: {symbol} has no bar by the decision; leave it out")
    return book.take_up(told)


def _over(decision: Decision, world: World, state: State, rates: dict[str, float]) -> dict[str, float]:
    """What is held or ordered and may no longer be, with the cost rate of turning it to cash.

    An asset that never had an order filled costs as much as the dearest known.
    """
    dearest = max(rates.values(), default=0.0)
    symbols = sorted(state.book.held.keys() | state.book.pending.keys())
    return {
        symbol: rates.get(symbol, dearest)
        for symbol in symbols
        if _asset(symbol, world).is_over(decision.at, decision.rebalance_date)
    }


def _asset(symbol: str, world: World) -> Asset:
    if symbol not in world.assets:
        raise ValueError(f"assets: no row for {symbol}, though it is held")
    return world.assets[symbol]


def _situation(decision: Decision, world: World, state: State, rates: dict[str, float]) -> Situation:
    book = state.book
    members = _members(decision, world, book.marks)
    symbols = sorted(members | book.symbols())
    quality, views = world.quality.at(decision.at), world.views.at(decision.at)
    excluded = [bool(quality.get(symbol, {}).get("is_excluded", False)) for symbol in symbols]
    waited = {
        symbol: state.excluded_for.get(symbol, 0) + 1
        for symbol, out in zip(symbols, excluded, strict=True)
        if out
    }
    state.excluded_for = waited
    previous = np.array([book.weight(symbol) for symbol in symbols], dtype=float)
    patience = PATIENCE if world.policy.limits.left_out == "previous" else 1
    dearest = max(rates.values(), default=0.0)
    view, error, shrunk = (
        np.array([_view(views.get(symbol)) for symbol in symbols], dtype=float).reshape(-1, 3).T
    )
    return Situation(
        symbols=symbols,
        classes=[_asset(symbol, world).asset_class for symbol in symbols],
        previous=previous if book.is_sound() else np.zeros(len(symbols)),
        view=view,
        error=error,
        shrunk=shrunk,
        has_views=bool(views),
        cost_rate=np.array([rates.get(symbol, dearest) for symbol in symbols], dtype=float),
        excluded=np.array(excluded, dtype=bool),
        barred=np.array(
            [symbol not in members or waited.get(symbol, 0) >= patience for symbol in symbols], bool
        ),
        confidence=_number(world.confidences.get(decision.at)) or 0.0,
        allows_shorts=world.policy.allow_shorts,
    )


def _members(decision: Decision, world: World, marks: Mapping[str, float]) -> set[str]:
    """What the policy may hold from the rebalance date on, as data_quality lists it, and has a price."""
    universe = world.quality.at(decision.at)
    return {
        symbol
        for symbol, asset in world.assets.items()
        if symbol in universe
        and 0 < marks.get(symbol, math.nan) < math.inf
        and in_universe(symbol, asset, world.policy)
        and asset.has_begun(decision.rebalance_date)
        and not asset.is_over(decision.at, decision.rebalance_date)
    }


def _view(row: dict[str, Any] | None) -> tuple[float, float, float]:
    """View, error and shrunk view; none of them unless all are known."""
    values = [_number((row or {}).get(name)) for name in VIEWS]
    return (0.0, 0.0, 0.0) if None in values else tuple(values)  # type: ignore[return-value]


def _number(value: Any) -> float | None:
    """A float; None where null. Infinite stays infinite."""
    return None if value is None or pd.isna(value) else float(value)
