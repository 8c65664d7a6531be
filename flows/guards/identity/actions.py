"""What a share becomes and brings from one session to another, and what was thought of it at other times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flows.guards.identity.raw_world import NEVER, Action


@dataclass(frozen=True)
class Held:
    """For each pair of sessions, shares for one bought at the first, and dividends on them (local money)."""

    shares: np.ndarray
    cash: np.ndarray

    def worth(self, price: np.ndarray) -> np.ndarray:
        """What one share of then is worth with all it brought."""
        return price * self.shares + self.cash


@dataclass(frozen=True)
class Late:
    """What a share held through `bar` turned out to be worth, for each it was thought to be; and when."""

    bar: int
    growth: float
    known: np.datetime64


def held(actions: Sequence[Action], since: np.ndarray, to: np.ndarray, until: np.ndarray) -> Held:
    """Ex-dates after the sessions `since` and up to the sessions `to`, as known before each of `until`."""
    shares, cash = np.ones(len(to)), np.zeros(len(to))
    for action in actions:
        is_between = (since < action.ex_date) & (action.ex_date <= to)
        said = action.said(until)
        if action.kind == "split":
            shares = np.where(is_between, shares * said, shares)
        else:
            cash = np.where(is_between, cash + said * shares, cash)
    return Held(shares, cash)


def cuts(actions: Sequence[Action], session: np.ndarray, printed: np.ndarray) -> np.ndarray:
    """When something was told of an ex-date once a bar from it on had been printed."""
    told = [known for _, known in _late(actions, session, printed)]
    return np.array(told, "datetime64[us]")


def lates(
    actions: Sequence[Action],
    session: np.ndarray,
    printed: np.ndarray,
    timely: np.ndarray,
    close: np.ndarray,
) -> list[Late]:
    """What was told late, for the first timely bar from each ex-date on; `close` is as each was printed."""
    told: set[tuple[int, np.datetime64]] = set()
    for action, known in _late(actions, session, printed):
        place = int(np.searchsorted(session[timely], action.ex_date))
        if action.is_restated_with_prices and known != action.known[0]:
            continue
        if 0 < place < len(timely) and printed[timely[place]] < known:
            told.add((place, known))
    found = []
    for place, known in sorted(told):
        bar, before = timely[place : place + 1], timely[place - 1 : place]
        then, now = (
            held(actions, session[before], session[bar], np.array([at])).worth(close[bar])[0]
            for at in (known, known + np.timedelta64(1, "us"))
        )
        found.append(Late(int(bar[0]), now / then, known))
    return found


def _late(
    actions: Sequence[Action], session: np.ndarray, printed: np.ndarray
) -> Iterator[tuple[Action, np.datetime64]]:
    for action in actions:
        first = np.append(printed[session >= action.ex_date], NEVER).min()
        yield from ((action, known) for known in action.known if known > first)
