"""What became of each order, what a unit earned from fill to fill, and what each strategy did with it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from flows.guards.identity.naming import Claim, Column, dates
from flows.guards.identity.orders import Orders, Trips
from flows.guards.identity.prints import Priced
from flows.guards.identity.raw_world import NEVER, Clock, microseconds
from flows.guards.identity.recomputed import Recomputed

YEAR = np.timedelta64(365, "D")
STALE = np.timedelta64(10, "D")  # twice what the contract allows, so that another limit is no finding

ORDER = ("clock", "symbol", "decision_at")
POSITION = ("clock", "strategy", "symbol", "decision_at")
PROFIT = (*POSITION, "telling")
# A profit is told once, and once more each time that it is corrected.
TELLINGS = """
    select *, case when status = 'corrected' then row_number() over (
            partition by clock, strategy, symbol, decision_at, status order by known_at
        ) else 0 end as telling
    from main.strategy_pnl
"""

KNOWN = Column("known_at", "early_profit", earlier="early_profit", later="loader_clock")
FILL = (
    Column("fill_at", "early_fill", earlier="early_fill", later="optimistic_fill"),
    Column("fill_price", "optimistic_fill"),
)
TRIP = (*FILL, *(Column(name, "untrue_profit") for name in ("exit_at", "exit_price", "unit_return")))


def of_orders(made: Recomputed) -> Iterator[Claim]:
    """What became of each order, and what a unit earned from its fill to the next."""
    fills, returns = [], []
    for (name, symbol), orders in made.orders.items():
        clock, one = made.world.clocks[name], made.priced[symbol]
        fills.append(_fills(made, clock, one, orders))
        returns.append(_returns(made, clock, one, orders, made.trips[name, symbol]))
    columns = (
        Column("status", "optimistic_fill"),
        Column("fill_session", "optimistic_fill", earlier="early_fill"),
        *FILL,
        Column("fill_index", "optimistic_fill"),
        Column("cost_rate", "untrue_profit"),
        KNOWN,
    )
    yield Claim("main.order_fills", ORDER, pd.concat(fills), columns, "optimistic_fill", "early_profit")
    yield Claim(
        "main.order_returns",
        ORDER,
        pd.concat(returns),
        (*TRIP, Column("borrow_cost", "untrue_profit"), KNOWN),
        "survivorship",
        "early_profit",
    )
    corrections = [
        _corrections(made.world.clocks[name], symbol, orders, made.trips[name, symbol])
        for (name, symbol), orders in made.orders.items()
    ]
    keys = (*ORDER, "known_at")
    column = Column("unit_return", "adjusted_price")
    yield Claim(
        "main.return_corrections", keys, pd.concat(corrections), (column,), "untrue_profit", "early_profit"
    )


def _fills(made: Recomputed, clock: Clock, one: Priced, orders: Orders) -> pd.DataFrame:
    """Settled orders, with prices at which nobody could have dealt."""
    prints = one.prints
    at, is_filled = clock.instants[orders.number], orders.status == "filled"
    stood = one.timely[orders.stands_on]
    same_day = np.searchsorted(prints.session, at.astype("datetime64[D]"))
    same_day = np.minimum(same_day, len(prints.session) - 1)
    bar = np.maximum(orders.bar, 0)
    frame = pd.DataFrame(
        {
            "clock": clock.name,
            "symbol": prints.symbol,
            "decision_at": at,
            "status": orders.status.astype(object),
            "fill_session": dates(orders.session),
            "fill_at": orders.fill_at,
            "fill_price": orders.price,
            "fill_price@early_fill": np.where(is_filled, one.own("close", stood), np.nan),
            "fill_price@early_fill@open": np.where(is_filled, one.own("open", stood), np.nan),
            "fill_price@early_fill@same_day": np.where(is_filled, one.own("open", same_day), np.nan),
            "fill_price@restated_value": np.where(
                is_filled, prints.seen("open", bar, np.full(len(bar), NEVER)), np.nan
            ),
            "fill_index": orders.level,
            "fill_index@early_fill": np.where(is_filled, one.level[orders.stands_on], np.nan),
            "cost_rate": made.world.cost_rate(clock, prints.symbol),
            "known_at": orders.known,
        }
    )
    return frame[orders.status != ""]


def _returns(made: Recomputed, clock: Clock, one: Priced, orders: Orders, trips: Trips) -> pd.DataFrame:
    """Trips, and the returns that errors would give: that before the fill, that from the decision's close."""
    order = trips.order
    stood = one.timely[orders.stands_on[order]]
    before = one.timely[np.maximum(orders.stands_on[order] - 1, 0)]
    exit_base = (1 + trips.unit_return) * trips.entry_price
    signal = one.base("close", stood, one.prints.until[stood]) / one.base(
        "close", before, one.prints.until[stood]
    )
    frame = pd.DataFrame(
        {
            "clock": clock.name,
            "symbol": one.prints.symbol,
            "decision_at": clock.instants[orders.number[order]],
            "fill_at": orders.fill_at[order],
            "fill_price": trips.entry_price,
            "fill_price@early_fill": one.own("close", stood),
            "fill_price@adjusted_price": orders.price[order],
            "exit_at": trips.exit_at,
            "exit_price": trips.exit_price,
            "unit_return": trips.unit_return,
            "unit_return@adjusted_price": trips.unit_return_mixed,
            "unit_return@adjusted_price@bare": trips.unit_return_bare,
            "unit_return@adjusted_price@later": trips.unit_return_later,
            "unit_return@early_fill": np.append(np.nan, trips.unit_return)[: len(order)],
            "unit_return@early_fill@close": exit_base / one.own("close", stood) - 1,
            "unit_return@early_fill@signal": signal - 1,
            "borrow_cost": made.world.borrow_rate(clock, one.prints.symbol)
            * ((trips.exit_at - orders.fill_at[order]) / YEAR),
            "known_at": trips.known,
            "is_closing": trips.is_closing,
        }
    )
    return frame[trips.known < NEVER]


def _corrections(clock: Clock, symbol: str, orders: Orders, trips: Trips) -> pd.DataFrame:
    """What units earned more than was known of them, and when that was told."""
    order = trips.order[[one.trip for one in trips.corrections]]
    return pd.DataFrame(
        {
            "clock": clock.name,
            "symbol": symbol,
            "decision_at": clock.instants[orders.number[order]],
            "unit_return": [one.unit_return for one in trips.corrections],
            "known_at": np.array([one.known for one in trips.corrections], "datetime64[us]"),
        }
    ).astype({"symbol": object, "clock": object, "unit_return": float})


def of_positions(made: Recomputed, positions: pd.DataFrame) -> Iterator[Claim]:
    """Where every strategy has a position, that none stands on an old bar, and what they earned.

    `positions` are the published ones, taken as they are.
    """
    strategies = pd.DataFrame({"strategy": positions["strategy"].unique()})
    parts = []
    for (name, symbol), orders in made.orders.items():
        at, one = made.world.clocks[name].instants[orders.number], made.priced[symbol]
        age = at - one.prints.printed[one.timely[orders.stands_on]]
        rows = {"clock": name, "symbol": symbol, "decision_at": at, "known_at": at, "is_stale": age > STALE}
        parts.append(pd.DataFrame(rows))
    members = pd.concat(parts).merge(strategies, how="cross")
    yield Claim("main.positions", POSITION, members, (Column("known_at", "event_time"),))
    yield Claim(
        "main.positions",
        POSITION,
        members[~members["is_stale"]],
        (),
        extra="filled_forward",
        is_whole=False,
        source="select clock, strategy, symbol, decision_at from main.positions where position <> 0",
    )
    yield _profit(made, positions)


def _profit(made: Recomputed, positions: pd.DataFrame) -> Claim:
    """Position times the return of a unit from each fill to the next, less the cost of the change.

    A short also pays for what it borrowed until then.
    """
    parts = []
    for (name, symbol), rows in positions.groupby(["clock", "symbol"], sort=False):
        if (name, symbol) not in made.orders:
            continue
        clock, orders = made.world.clocks[name], made.orders[name, symbol]
        trips = _returns(made, clock, made.priced[symbol], orders, made.trips[name, symbol])
        rate = made.world.cost_rate(clock, symbol)
        strategies, row = np.unique(rows["strategy"].to_numpy(dtype=str), return_inverse=True)
        held = np.full((len(strategies), len(clock.instants)), np.nan)
        held[row, np.searchsorted(clock.instants, microseconds(rows["decision_at"]))] = rows["position"]
        parts.append(_earned(trips, strategies, held, clock, rate))
        parts.append(_unfilled(clock, symbol, orders, strategies, held))
        told = _corrections(clock, symbol, orders, made.trips[name, symbol])
        parts.append(_corrected(told, strategies, held, clock))
    columns = (
        Column("status", "optimistic_fill"),
        Column("position", "untrue_profit"),
        *TRIP,
        Column("gross_return", "untrue_profit"),
        Column("turnover", "untrue_profit"),
        Column("cost", "untrue_profit"),
        Column("net_return", "untrue_profit"),
        KNOWN,
    )
    parts = [part if "telling" in part else part.assign(telling=0) for part in parts if len(part)]
    frame = pd.concat(parts, ignore_index=True)
    frame["absent@optimistic_fill"] = frame["net_return"] < 0
    return Claim("main.strategy_pnl", PROFIT, frame, columns, "survivorship", "early_profit", source=TELLINGS)


def _earned(
    trips: pd.DataFrame, strategies: np.ndarray, held: np.ndarray, clock: Clock, rate: float
) -> pd.DataFrame:
    """Filled orders of all strategies on one symbol; `held` is strategies x instants of the clock."""
    position = held[:, np.searchsorted(clock.instants, microseconds(trips["decision_at"]))]
    turnover = np.abs(np.diff(position, axis=1, prepend=0.0))
    turnover = turnover + np.abs(position) * trips["is_closing"].to_numpy()
    following = np.append(position[:, 1:], np.full((len(strategies), 1), np.nan), axis=1)
    frame = pd.concat(
        [trips.drop(columns=["is_closing", "borrow_cost"])] * len(strategies), ignore_index=True
    )
    frame["strategy"] = np.repeat(strategies.astype(object), len(trips))
    frame["status"] = "filled"
    frame["position"], frame["position@early_fill"] = position.ravel(), following.ravel()
    for name in [name for name in trips if name.startswith("unit_return")]:
        frame[name.replace("unit", "gross")] = position.ravel() * frame[name]
    frame["turnover"] = turnover.ravel()
    borrowed = np.maximum(-position, 0.0) * trips["borrow_cost"].to_numpy()
    frame["cost"] = turnover.ravel() * rate + borrowed.ravel()
    for name in [name for name in frame if name.startswith("gross_return")]:
        frame[name.replace("gross", "net")] = frame[name] - frame["cost"]
    return frame


def _corrected(told: pd.DataFrame, strategies: np.ndarray, held: np.ndarray, clock: Clock) -> pd.DataFrame:
    """What was told later of filled orders, times the position; it turns nothing over and costs nothing."""
    position = held[:, np.searchsorted(clock.instants, microseconds(told["decision_at"]))]
    frame = pd.concat([told] * len(strategies), ignore_index=True)
    frame["telling"] = frame.groupby(np.repeat(range(len(strategies)), len(told)))["decision_at"].transform(
        lambda decision: decision.groupby(decision).cumcount() + 1
    )
    frame["strategy"] = np.repeat(strategies.astype(object), len(told))
    frame["position"], frame["status"] = position.ravel(), "corrected"
    frame["gross_return"] = frame["net_return"] = frame["position"] * frame["unit_return"]
    return frame.assign(turnover=0.0, cost=0.0)


def _unfilled(
    clock: Clock, symbol: str, orders: Orders, strategies: np.ndarray, held: np.ndarray
) -> pd.DataFrame:
    """Orders that were superseded or lapsed: no return, no cost."""
    place = np.flatnonzero((orders.status == "superseded") | (orders.status == "lapsed"))
    number = orders.number[place]
    tiled = len(strategies)
    return pd.DataFrame(
        {
            "clock": clock.name,
            "strategy": np.repeat(strategies.astype(object), len(place)),
            "symbol": symbol,
            "decision_at": np.tile(clock.instants[number], tiled),
            "status": np.tile(orders.status[place].astype(object), tiled),
            "position": held[:, number].ravel(),
            "known_at": np.tile(orders.known[place], tiled),
        }
    )
