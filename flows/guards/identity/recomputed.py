"""All that follows from raw bars without a position: prints, prices, orders and trips, by symbol."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from flows.guards.identity.orders import LastBar, Orders, Trips, last_bar_of, orders_of, trips_of
from flows.guards.identity.prints import Priced, Prints, priced_by_symbol, prints_by_symbol
from flows.guards.identity.raw_world import RawWorld, days, microseconds
from flows.guards.identity.suspicion import Split, suspects, usable
from flows.guards.identity.vendors import differences


@dataclass(frozen=True)
class Recomputed:
    """What follows from raw bars: by symbol, and orders and trips by clock and symbol.

    `bars` are those that could be used, `suspects` those under suspicion, and `differences` those of vendors.
    """

    world: RawWorld
    differences: pd.DataFrame
    suspects: pd.DataFrame
    bars: pd.DataFrame
    base_currency: str
    prints: Mapping[str, Prints]
    priced: Mapping[str, Priced]
    last_bars: Mapping[str, LastBar]
    orders: Mapping[tuple[str, str], Orders]
    trips: Mapping[tuple[str, str], Trips]


def recompute(world: RawWorld) -> Recomputed:
    """Everything that needs no position. An asset without a priced bar by `as_of` has no entry."""
    limits = {symbol: world.limits[asset.asset_class] for symbol, asset in world.assets.items()}
    tolerances = {symbol: one["vendor_tolerance"] for symbol, one in limits.items()}
    apart = differences(world.bars, world.others, tolerances)
    splits = {symbol: _splits(rows) for symbol, rows in world.splits.groupby("symbol")}
    doubted = suspects(world.bars, limits, apart, splits)
    bars = usable(world.bars, doubted)
    prints = prints_by_symbol(bars, world.actions)
    base = min(clock.base_currency for clock in world.clocks.values())
    priced = {
        symbol: one for symbol, one in priced_by_symbol(prints, world.assets, base).items() if len(one.timely)
    }
    last_bars, orders, trips = {}, {}, {}
    for symbol, one in priced.items():
        asset = world.assets[symbol]
        calendar = world.calendars[asset.venue]
        last = last_bar_of(one, asset, calendar, world.as_of)
        if last is not None:
            last_bars[symbol] = last
        for name, clock in world.clocks.items():
            orders[name, symbol] = orders_of(one, asset, calendar, clock, world.as_of)
            trips[name, symbol] = trips_of(one, orders[name, symbol], last, asset.adjustment)
    return Recomputed(world, apart, doubted, bars, base, prints, priced, last_bars, orders, trips)


def _splits(rows: pd.DataFrame) -> list[Split]:
    told = zip(days(rows["ex_date"]), rows["value"].tolist(), microseconds(rows["known_at"]), strict=True)
    return [Split(*row) for row in told]
