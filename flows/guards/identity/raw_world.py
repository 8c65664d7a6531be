"""What was told: bars, study, assets, policies and the bounds of the run, from the tables of `raw` alone."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

ALWAYS = np.datetime64("1900-01-01", "us")
NEVER = np.datetime64("9999-01-01", "us")
HORIZON = dt.timedelta(days=30)  # of a clock past as_of: enough for every order that is settled by then


@dataclass(frozen=True)
class Calendar:
    """Sessions of one venue in order; a bar of a session should be known by `due`.

    `editions` are the calendars known at one time or another, each with the instant from which it was; the
    last of them is this one.
    """

    session: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    due: np.ndarray
    editions: "tuple[tuple[np.datetime64, Calendar], ...]" = ()

    def as_known(self, instants: np.ndarray) -> "Iterator[tuple[np.ndarray, Calendar]]":
        """Which of the instants knew which calendar; every instant stands in one of the masks."""
        froms = np.array([known_from for known_from, _ in self.editions])
        number = np.searchsorted(froms, instants, side="right") - 1
        for place, (_, calendar) in enumerate(self.editions):
            yield number == place, calendar


@dataclass(frozen=True)
class Clock:
    """Instants of decisions, and the day each takes effect (datetime64); money and costs it counts in."""

    name: str
    instants: np.ndarray
    rebalance: np.ndarray
    base_currency: str
    cost_schedule: str


@dataclass(frozen=True)
class Membership:
    """What was announced at `known`: an asset may be held in sessions from `begins` to before `ends`."""

    known: np.datetime64
    begins: np.datetime64
    ends: np.datetime64


@dataclass(frozen=True)
class Asset:
    """An asset, all announcements in the order they were landed, and when it began to count among others."""

    symbol: str
    asset_class: str
    venue: str
    currency: str
    adjustment: str
    memberships: tuple[Membership, ...]
    listed: np.datetime64

    def is_member(self, instants: np.ndarray, rebalance: np.ndarray) -> np.ndarray:
        """Whether it may be held from each rebalance day on, by what was last announced by the instant."""
        begins, ends = np.full(len(instants), ALWAYS), np.full(len(instants), NEVER)
        for told in self.memberships:
            begins = np.where(told.known <= instants, told.begins, begins)
            ends = np.where(told.known <= instants, told.ends, ends)
        return (rebalance >= begins) & (rebalance < ends)


@dataclass(frozen=True)
class Action:
    """A split or dividend: what each of its versions says, and since when that was known; all in order.

    `is_restated_with_prices` where a change of its value is no news, because the prices changed with it.
    """

    ex_date: np.datetime64
    kind: str
    value: np.ndarray
    known: np.ndarray
    is_restated_with_prices: bool

    def said(self, until: np.ndarray) -> np.ndarray:
        """Its value by the last version known before each instant; that of no action where there was none."""
        place = np.searchsorted(self.known, until, side="left")
        nothing = 1.0 if self.kind == "split" else 0.0
        return np.append(nothing, self.value)[place]


@dataclass(frozen=True)
class Portfolio:
    """A portfolio by the policy in force: what it studies, by which clock, until when.

    `holdings` are the weights that it was told are held, by decision and symbol.
    `capital` is the money it began with, None where orders move no price; `cash_yield` is a year's.
    """

    name: str
    clock: str
    asset_classes: tuple[str, ...]
    symbols: tuple[str, ...] | None
    as_of: np.datetime64
    holdings: Mapping[np.datetime64, Mapping[str, float]]
    capital: float | None
    cash_yield: float

    def studies(self, asset: Asset) -> bool:
        """Whether the policy looks at the asset at all."""
        return asset.asset_class in self.asset_classes and (
            self.symbols is None or asset.symbol in self.symbols
        )


@dataclass(frozen=True)
class RawWorld:
    """What the last run could see.

    `bars` are rows of raw.bars of the vendor in force, `others` those of other vendors, both by symbol,
    session_date, version; `actions` are those that a symbol's feed has not put into its prices, `splits` all
    rows of raw.actions that tell of one. `limits` of quality are by class, NaN where there is none.
    `feed_venues` says whose sessions the bars of a symbol and vendor follow, where not those of the asset.
    """

    as_of: np.datetime64
    bars: pd.DataFrame
    actions: Mapping[str, tuple[Action, ...]]
    splits: pd.DataFrame
    others: pd.DataFrame
    limits: Mapping[str, Mapping[str, float]]
    assets: Mapping[str, Asset]
    feed_venues: Mapping[tuple[str, str], str]
    calendars: Mapping[str, Calendar]
    clocks: Mapping[str, Clock]
    cost_rates: Mapping[tuple[str, str], float]
    borrow_rates: Mapping[tuple[str, str], float]
    portfolios: tuple[Portfolio, ...]

    def cost_rate(self, clock: Clock, symbol: str) -> float:
        """Fee and slippage of one unit of turnover, one way, as a fraction."""
        return self.cost_rates[clock.cost_schedule, self.assets[symbol].asset_class]

    def borrow_rate(self, clock: Clock, symbol: str) -> float:
        """What a unit short costs a year, as a fraction of its value."""
        return self.borrow_rates[clock.cost_schedule, self.assets[symbol].asset_class]


def read(con: duckdb.DuckDBPyConnection) -> RawWorld:
    """The world of the last run in raw.runs. Raises ValueError where there is none."""
    runs = con.execute("from raw.runs order by run_number").df()
    if runs.empty:
        raise ValueError("raw.runs is empty: nothing says what could be seen")
    as_of, batch_until = microseconds(runs["as_of"])[-1], int(runs["batch_until"].iloc[-1])
    study = _study(con, batch_until)
    seen = {"as_of": as_of.item(), "batch_until": batch_until}
    told, others = (
        con.execute(
            f"from raw.bars {kind} join raw.asset_vendors using (symbol, vendor)"
            " where known_at <= $as_of and batch_id <= $batch_until"
            " order by symbol, session_date, vendor, version",
            seen,
        ).df()
        for kind in ("semi", "anti")
    )
    feed_venues = {(row["symbol"], row["vendor"]): row["venue"] for row in study["feeds"] if row["venue"]}
    portfolios = _portfolios(con, batch_until, runs)
    assets = _assets(con, batch_until, study["assets"], feed_venues)
    told_actions = con.execute(
        "from raw.actions where known_at <= $as_of and batch_id <= $batch_until order by known_at, batch_id,"
        " vendor",
        seen,
    ).df()
    used = {portfolio.clock for portfolio in portfolios}
    return RawWorld(
        as_of=as_of,
        bars=told,
        others=others,
        actions=_actions(told_actions, assets),
        splits=told_actions[told_actions["kind"] == "split"],
        limits=_limits(study["quality_limits"]),
        assets=assets,
        feed_venues=feed_venues,
        calendars=_calendars(study),
        clocks={row["clock"]: _clock(row, as_of) for row in study["clocks"] if row["clock"] in used},
        cost_rates={
            (row["cost_schedule"], row["asset_class"]): (float(row["fee_bps"]) + float(row["slippage_bps"]))
            / 10_000
            for row in study["costs"]
        },
        borrow_rates={
            (row["cost_schedule"], row["asset_class"]): float(row.get("borrow_bps") or 0) / 10_000
            for row in study["costs"]
        },
        portfolios=portfolios,
    )


def microseconds(values: pd.Series) -> np.ndarray:
    """Instants as datetime64[us], NaT where null."""
    return pd.to_datetime(values).to_numpy().astype("datetime64[us]")


def days(values: pd.Series) -> np.ndarray:
    """Dates as datetime64[D], NaT where null."""
    return pd.to_datetime(values).to_numpy().astype("datetime64[D]")


def _study(con: duckdb.DuckDBPyConnection, batch_until: int) -> dict[str, list[dict[str, Any]]]:
    rows = con.execute(
        "select seed, arg_max(rows_json, batch_id) from raw.study where batch_id <= $batch group by seed",
        {"batch": batch_until},
    ).fetchall()
    return {seed: json.loads(content) for seed, content in rows}


def _calendars(study: Mapping[str, list[dict[str, Any]]]) -> dict[str, Calendar]:
    found = {}
    for venue in study["venues"]:
        lag = np.timedelta64(int(venue["lag_minutes"]), "m")
        rows, changes = (
            [row for row in study[seed] if row["venue"] == venue["venue"]]
            for seed in ("sessions", "calendar_changes")
        )
        # Backward: each edition has what was planned until the change that ended it.
        hours = {row["session_date"]: (row["opened_at"], row["closed_at"]) for row in rows}
        editions = [_calendar(hours, lag)]
        changes.sort(key=lambda row: row["known_at"], reverse=True)
        for change in changes:
            hours = hours | {change["session_date"]: (change["opened_at"], change["closed_at"])}
            editions.insert(0, _calendar(hours, lag))
        froms = [ALWAYS, *(np.datetime64(row["known_at"], "us") for row in reversed(changes))]
        found[venue["venue"]] = replace(editions[-1], editions=tuple(zip(froms, editions, strict=True)))
    return found


def _calendar(hours: Mapping[str, tuple[str | None, str | None]], lag: np.timedelta64) -> Calendar:
    """The calendar of a venue by day; a day without hours is none of its sessions."""
    rows = sorted((day, *of_day) for day, of_day in hours.items() if of_day[0])
    session, opened, closed = zip(*rows, strict=True)
    ends = np.array(closed, "datetime64[us]")
    return Calendar(np.array(session, "datetime64[D]"), np.array(opened, "datetime64[us]"), ends, ends + lag)


def _clock(row: Mapping[str, str], as_of: np.datetime64) -> Clock:
    weekdays = {int(day) for day in row["weekdays"].split(",")}
    time, zone = dt.time.fromisoformat(row["time_of_day"]), ZoneInfo(row["time_zone"])
    first, last = dt.date.fromisoformat(row["starts_at"]), pd.Timestamp(as_of).date() + HORIZON
    span = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    on = [day for day in span if day.isoweekday() in weekdays]
    local = [dt.datetime.combine(day, time, zone) for day in on[:-1]]
    instants = [at.astimezone(dt.UTC).replace(tzinfo=None) for at in local]
    return Clock(
        row["clock"],
        np.array(instants, "datetime64[us]"),
        np.array(on[1:], "datetime64[D]"),
        row["base_currency"],
        row["cost_schedule"],
    )


def _assets(
    con: duckdb.DuckDBPyConnection,
    batch_until: int,
    seeded: list[dict[str, Any]],
    feed_venues: Mapping[tuple[str, str], str],
) -> dict[str, Asset]:
    """Assets that have a bar. A file goes before the seed, and a later file before an earlier one."""
    columns = ["symbol", "asset_class", "venue", "currency", "adjustment"]
    columns += ["member_from", "member_until", "known_at"]
    rows = con.execute(
        f"select {', '.join(columns)} from raw.assets where batch_id <= $batch order by batch_id",
        {"batch": batch_until},
    ).fetchall()
    told: dict[str, list[dict[str, Any]]] = {}
    for row in [*seeded, *(dict(zip(columns, row, strict=True)) for row in rows)]:
        told.setdefault(row["symbol"], []).append(row)
    first_batch = dict(con.execute("select symbol, min(batch_id) from raw.bars group by symbol").fetchall())
    landed = dict(con.execute("select batch_id, max(as_of) from raw.batches group by batch_id").fetchall())
    return {
        symbol: Asset(
            symbol,
            asset_class=told[symbol][-1]["asset_class"],
            venue=told[symbol][-1]["venue"],
            currency=told[symbol][-1]["currency"],
            adjustment=told[symbol][-1]["adjustment"] or "none",
            memberships=tuple(_membership(row) for row in told[symbol]),
            listed=ALWAYS if batch == min(landed) else np.datetime64(landed[batch], "us"),
        )
        for symbol, batch in first_batch.items()
        if symbol in told
    }


def _actions(rows: pd.DataFrame, assets: Mapping[str, Asset]) -> dict[str, tuple[Action, ...]]:
    """By symbol, from the vendor whose first action was known first; a dividend before a split of its day."""
    found: dict[str, tuple[Action, ...]] = {}
    for symbol, mine in rows.groupby("symbol"):
        adjustment = assets[str(symbol)].adjustment if symbol in assets else "splits_and_dividends"
        heard = mine[mine["vendor"] == mine["vendor"].iloc[0]].sort_values(["ex_date", "kind", "version"])
        found[str(symbol)] = tuple(
            Action(
                days(versions["ex_date"])[0],
                kind,
                versions["value"].to_numpy(dtype=float),
                microseconds(versions["known_at"]),
                adjustment != "none",
            )
            for (_, kind), versions in heard.groupby(["ex_date", "kind"])
            if kind in {"none": ("dividend", "split"), "splits": ("dividend",)}.get(adjustment, ())
        )
    return found


def _limits(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        row["asset_class"]: {
            name: np.nan if value is None else float(value)
            for name, value in row.items()
            if name != "asset_class"
        }
        for row in rows
    }


def _membership(row: Mapping[str, Any]) -> Membership:
    return Membership(
        np.datetime64(row["known_at"], "us") if row["known_at"] else ALWAYS,
        np.datetime64(row["member_from"], "us") if row["member_from"] else ALWAYS,
        np.datetime64(row["member_until"], "us") if row["member_until"] else NEVER,
    )


def _portfolios(
    con: duckdb.DuckDBPyConnection, batch_until: int, runs: pd.DataFrame
) -> tuple[Portfolio, ...]:
    policies = con.execute(
        "select portfolio, arg_max(policy_json, batch_id) from raw.policies where batch_id <= $batch"
        " group by portfolio order by portfolio",
        {"batch": batch_until},
    ).fetchall()
    told: dict[str, dict[np.datetime64, dict[str, float]]] = {}
    rows = con.execute("from raw.holdings where symbol <> 'CASH'").df()
    for row, at in zip(rows.itertuples(), microseconds(rows["decision_at"]), strict=True):
        told.setdefault(row.portfolio, {}).setdefault(at, {})[row.symbol] = row.weight
    found = []
    for name, text in policies:
        mine = runs[runs["portfolio"] == name]
        if mine.empty:
            continue
        policy = json.loads(text)
        symbols = policy["universe"].get("symbols")
        found.append(
            Portfolio(
                name,
                policy["clock"],
                tuple(policy["universe"]["asset_classes"]),
                None if symbols is None else tuple(symbols),
                microseconds(mine["as_of"]).max(),
                told.get(name, {}),
                policy.get("assets_under_management"),
                policy.get("cash_yield", 0.0),
            )
        )
    return tuple(found)
