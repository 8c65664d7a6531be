"""What a portfolio holds and is worth, from decision to decision: orders, fills, cash, net asset value.

Units are on the chained scale of `mark_index`; below 0 they are sold short, of what was borrowed for it. An
order's target units are fixed at its decision and booked at the first decision that knows its fill. `pending`
orders have no known outcome yet.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

CASH = "CASH"
DAY = 86_400_000_000  # microseconds
YEAR = 365 * DAY


class Order(NamedTuple):
    """Units wanted by the decision at `at` (microseconds)."""

    at: int
    units: float


class Fill(NamedTuple):
    """What became of an order, when that was known (microseconds), and its session (days since 1970).

    `impact` times the money traded, in units of the portfolio's start, to the power 1.5 is what the order
    cost by moving the price.
    """

    known_at: int
    status: str
    fill_index: float
    cost_rate: float
    session: int
    impact: float = 0.0


class LateAction(NamedTuple):
    """A split or dividend told, at `known_at`, after the return of its session was (`printed_at`).

    `growth` is what was held through the session is worth, for each that it was thought to be.
    """

    session: int
    printed_at: int
    known_at: int
    growth: float


class Booked(NamedTuple):
    """A fill as it was booked, and the units held until then."""

    at: int
    session: int
    units_before: float
    fill_index: float


class Taken(NamedTuple):
    """What is held of a symbol from now on, by what was told, instead of what the book held."""

    symbol: str
    told_weight: float
    units_before: float
    units_after: float
    mark: float


class Settlement(NamedTuple):
    """What happened between two decisions, as shares of the value at the first."""

    gross_return: float
    cost: float
    net_return: float


@dataclass
class Book:
    """State between two decisions. `expected` are units as if every order still pending were filled.

    `late` are the actions that are told late, by symbol, and `booked` all fills of these symbols, in order.
    """

    at: int | None = None
    began_at: int | None = None
    value: float = 1.0
    held: dict[str, float] = field(default_factory=dict)
    marks: dict[str, float] = field(default_factory=dict)
    pending: dict[str, list[Order]] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)
    late: Mapping[str, Sequence[LateAction]] = field(default_factory=dict)
    booked: dict[str, list[Booked]] = field(default_factory=dict)

    def settle(
        self,
        at: int,
        marks: Mapping[str, float],
        fills: Mapping[tuple[str, int], Fill],
        delisted: Mapping[str, float],
        cash_yield: float = 0.0,
        borrow: Mapping[str, float] | None = None,
    ) -> Settlement:
        """Book what is known at `at`, value the rest at the marks, and say what it brought.

        Gross is units before times (mark - last mark), plus changes of units times (mark - fill), plus what
        actions told late bring to the units held through their session. A `delisted` symbol (with its cost
        rate) is turned to cash at the mark, and its open orders are
        void. Since the last decision own money that is in no asset earned `cash_yield` a year, and what was
        short then cost the rate of `borrow` (by symbol; none: nothing), both as simple interest; the proceeds
        of short sales lie with the lender and earn nothing. Raises ValueError when something held has no mark
        or something short no rate.
        """
        gains: list[float] = []
        if cash_yield and self.at is not None:
            gains.append(self.own_cash() * cash_yield * (at - self.at) / YEAR)
        costs: list[float] = [] if self.at is None else self._borrowed(at - self.at, borrow)
        symbols = sorted(self.held.keys() | self.pending.keys() | self.booked.keys())
        for symbol in symbols:
            units = self.held.get(symbol, 0.0)
            if units != 0.0:
                gains.append(units * (_mark(marks, symbol, at) - self.marks[symbol]))
            self._book_orders(symbol, at, marks, fills, gains, costs)
            gains += [self._late_gain(symbol, one, at, marks) for one in self.late.get(symbol, ())]
            if symbol in delisted:
                units = self.held.pop(symbol, 0.0)
                if units != 0.0:
                    costs.append(delisted[symbol] * abs(units) * _mark(marks, symbol, at))
                self.pending.pop(symbol, None)
                self.expected.pop(symbol, None)
        gain, charge, before = _total(gains), _total(costs), self.value
        self.value = before + gain - charge
        self.at, self.marks = at, dict(marks)
        self.began_at = at if self.began_at is None else self.began_at
        gross, cost = (gain / before, charge / before) if before else (math.nan, math.nan)
        return Settlement(gross, cost, gross - cost)

    def _borrowed(self, passed: int, borrow: Mapping[str, float] | None) -> list[float]:
        """What it cost to be short for so many microseconds, at the last marks."""
        if borrow is None:
            return []
        short = sorted(symbol for symbol, units in self.held.items() if units < 0)
        if missing := [symbol for symbol in short if symbol not in borrow]:
            raise ValueError(f"costs: no rate to borrow {', '.join(missing)}, though it is short")
        return [-self.held[symbol] * self.marks[symbol] * borrow[symbol] * passed / YEAR for symbol in short]

    def _book_orders(
        self,
        symbol: str,
        at: int,
        marks: Mapping[str, float],
        fills: Mapping[tuple[str, int], Fill],
        gains: list[float],
        costs: list[float],
    ) -> None:
        """Outcomes known by now, in the order of the decisions.

        An order that the present decision supersedes still says what the last decision wanted; one
        that lapsed does not.
        """
        waiting: list[Order] = []
        expected: float | None = None
        for order in self.pending.get(symbol, []):
            fill = fills.get((symbol, order.at))
            if fill is None or fill.known_at > at:
                waiting.append(order)
                expected = order.units
            elif fill.status == "filled":
                units_before = self.held.get(symbol, 0.0)
                change = order.units - units_before
                if symbol in self.late:
                    booked = Booked(at, fill.session, units_before, fill.fill_index)
                    self.booked.setdefault(symbol, []).append(booked)
                if change != 0.0:
                    gains.append(change * (_mark(marks, symbol, at) - fill.fill_index))
                    costs.append(fill.cost_rate * abs(change) * fill.fill_index)
                    if fill.impact:
                        costs.append(fill.impact * (abs(change) * fill.fill_index) ** 1.5)
                self.held[symbol] = order.units
                expected = order.units
            elif fill.status == "superseded" and order.at == self.at:
                expected = order.units
        self.pending[symbol] = waiting
        self.expected[symbol] = self.held.get(symbol, 0.0) if expected is None else expected

    def _late_gain(self, symbol: str, late: LateAction, at: int, marks: Mapping[str, float]) -> float:
        """What an action brings between the decision before and `at`, beyond what the marks say.

        The units that it added were held until the first fill from its session on, at which the order's
        units were reached without them; until that is booked they are valued at the mark.
        """
        if late.known_at > at or self.began_at is None or late.printed_at <= self.began_at:
            return 0.0
        sale = next((one for one in self.booked.get(symbol, ()) if one.session >= late.session), None)
        was_told = self.at is not None and late.known_at <= self.at
        if was_told and sale is not None and sale.at < at:
            return 0.0
        units = (late.growth - 1) * (self.held.get(symbol, 0.0) if sale is None else sale.units_before)
        if units == 0.0:
            return 0.0
        now = _mark(marks, symbol, at) if sale is None else sale.fill_index
        return units * (now - (self.marks[symbol] if was_told else 0.0))

    def take_up(self, weights: Mapping[str, float]) -> list[Taken]:
        """Hold these shares of the value from now on, as somebody says who looked; and say what that changed.

        The value stays, since the book has its profits from its own orders until now. Open orders are void,
        and actions told late bring no more: they end as if all were sold at the marks. Call it after
        `settle`. Raises ValueError where something told has no mark.
        """
        at = -1 if self.at is None else self.at
        cash = self.cash()
        units = {symbol: w * self.value / _mark(self.marks, symbol, at) for symbol, w in weights.items()}
        symbols = sorted(units.keys() | {symbol for symbol, held in self.held.items() if held})
        taken = [
            Taken(
                symbol,
                weights.get(symbol, 0.0),
                self.held.get(symbol, 0.0),
                units.get(symbol, 0.0),
                self.marks[symbol],
            )
            for symbol in symbols
        ]
        for one in taken:
            if one.symbol in self.late:
                sale = told_away(at, one.units_before, one.mark)
                self.booked.setdefault(one.symbol, []).append(sale)
        self.held, self.expected, self.pending = dict(units), dict(units), {}
        return [*taken, Taken(CASH, 1 - math.fsum(weights.values()), cash, self.cash(), 1.0)]

    def order(self, at: int, targets: Mapping[str, float]) -> None:
        """Note what the decision at `at` wants, in units by symbol; open orders of other symbols are void."""
        self.pending = {
            symbol: [*self.pending.get(symbol, []), Order(at, units)] for symbol, units in targets.items()
        }

    def units_for(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Units by symbol for weights at the marks; none when the portfolio cannot be valued.

        A weight that is what it was keeps its units, so that holding makes no tiny trades.
        """
        if not self.is_sound():
            return dict.fromkeys(weights, 0.0)
        return {
            symbol: self.expected.get(symbol, 0.0)
            if weight == self.weight(symbol)
            else weight * self.value / self.marks[symbol]
            for symbol, weight in weights.items()
        }

    def is_sound(self) -> bool:
        """Net asset value is finite and above 0."""
        return math.isfinite(self.value) and self.value > 0

    def symbols(self) -> set[str]:
        """What is held, or wanted by an order still open."""
        held = {symbol for units in (self.held, self.expected) for symbol, amount in units.items() if amount}
        return held | {
            symbol for symbol, orders in self.pending.items() if any(order.units for order in orders)
        }

    def weight(self, symbol: str) -> float:
        """Share of the value, as if pending orders were filled at the mark."""
        units = self.expected.get(symbol, 0.0)
        return units * self.marks[symbol] / self.value if units != 0.0 else 0.0

    def cash(self) -> float:
        """Money not held in assets, the proceeds of short sales among it."""
        return self.value - _total(
            [units * self.marks[symbol] for symbol, units in self.held.items() if units]
        )

    def own_cash(self) -> float:
        """Money not held in assets, without the proceeds of short sales; below 0 where these pay."""
        return self.value - _total(
            [units * self.marks[symbol] for symbol, units in self.held.items() if units > 0]
        )


def told_away(at: int, units_before: float, mark: float) -> Booked:
    """What a book held when it was told what is really held: sold at the mark, after the day before."""
    return Booked(at, at // DAY - 1, units_before, mark)


def _total(amounts: list[float]) -> float:
    """Exactly rounded, so that the order of symbols does not matter; NaN when one is not finite."""
    return math.fsum(amounts) if all(map(math.isfinite, amounts)) else math.nan


def _mark(marks: Mapping[str, float], symbol: str, at: int) -> float:
    if symbol not in marks:
        raise ValueError(f"marks: no row for {symbol} at {at} microseconds, though it is held or ordered")
    return marks[symbol]
