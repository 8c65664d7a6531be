"""A small world that went through everything once: two years of eight assets, told in four landings.

It holds what the guards cut at: a restated close, a restated rate, a late bar, a bar late by two days, a
hole, an asset that ends, one listed late, a split and a dividend that an adjusted feed puts into all of its
past, the split two sessions late; splits and dividends of feeds that are not adjusted, told before, on and
days after their ex-date, one of them on a day without a decision, and one corrected; a pair the wrong way
round, a stock in a currency that has no rate but a cross; a bad tick that is condemned and corrected long
after, a true fall by half that is suspect until the next bar, a second vendor that disagrees once; what is
really held, told while a split is not; and positions held through all of it.
"""

import datetime as dt
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from flows import landing, pipeline, rebalance
from flows.guards.compiled import CompiledDbt
from flows.guards.counterfactual import Origin
from flows.publish import PUBLISHED
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps import warehouse
from python_steps.land_bars import next_batch_id
from tests.worlds import bars

PORTFOLIO = "small"
# Every signal is made; one or two of each family trade, for the sake of time.
TRADED = (
    *("momentum_1m", "momentum_3m", "momentum_12m_1m", "reversal_1w", "zscore_1m", "rsi_14d"),
    *("low_volatility_3m", "calm_trend_3m", "volatility_breakout_1w", "donchian_1m", "donchian_3m"),
    *("high_52w", "class_momentum_6m", "low_beta_12m", "risk_on_basket_1m", "on_balance_volume_3m"),
    *("day_of_week", "atr_channel_1m"),
)
POLICY = """
extends: default
plan: short
learners: [ridge, factor_model]
gates: {minimum_trades: 5, maximum_drawdown: 0.6, minimum_dsr: 0.001}
limits: {regimes: {risk_on: 0.3}}
stops: {correlation_surge: 0.99, divergence: 6.0}
"""
# The same world, for a portfolio that may sell short.
SHORTS = POLICY.replace(
    "limits: {regimes: {risk_on: 0.3}}",
    "allow_shorts: true\ncash_yield: 0.02\n"
    "limits: {regimes: {risk_on: 0.6}, short: 0.15, gross: 0.9, net: [-0.25, 0.4]}",
)
WALL_CLOCK = dt.datetime(2026, 1, 1)

# When each landing and its run ended. The last is one day after the one before.
RUNS = (
    dt.datetime(2017, 4, 28, 22),
    dt.datetime(2017, 9, 29, 22),
    dt.datetime(2017, 11, 29, 22),
    dt.datetime(2017, 11, 30, 22),
)

# The events, and when each became known. All but the hole and the last split are told by the second
# landing.
# An adjusted feed multiplies all bars before the ex-date by the factor: ex-date, factor, when it did so.
SPLIT = ("BBB", dt.date(2017, 6, 5), 0.8, dt.datetime(2017, 6, 7, 11))
DIVIDEND = ("CCC", dt.date(2017, 5, 16), 0.97, dt.datetime(2017, 5, 16, 11))
ADJUSTED = {SPLIT[0]: "splits", DIVIDEND[0]: "splits_and_dividends"}
RESTATED = ("AAA", dt.date(2017, 2, 14), 1.08, dt.datetime(2017, 6, 14, 15, 30))
RATE_RESTATED = ("EUR-USD", dt.date(2017, 3, 1), 0.99, dt.datetime(2017, 7, 5, 12))
LATE = ("EUR-USD", dt.date(2017, 4, 11), dt.datetime(2017, 6, 28, 16, 40))
TWO_DAYS_LATE = ("AAA", dt.date(2017, 7, 18), dt.datetime(2017, 7, 20, 21))
ENDED = ("CCC", dt.date(2017, 8, 15), dt.datetime(2017, 7, 25, 18))
LAST_BAR_KNOWN = dt.datetime(2017, 8, 14, 20, 30)
QUIET = 20_000.0  # a usual volume
PRICES = ["open", "high", "low", "close"]
# Of feeds that are not adjusted: symbol, ex-date, kind, value, and when it was told.
SPLIT_IN_TIME = ("AAA", dt.date(2017, 4, 18), "split", 2.0, dt.datetime(2017, 3, 20, 12))
DIVIDEND_IN_TIME = ("AAA", dt.date(2017, 5, 23), "dividend", 1.5, None)  # on its ex-date, as most feeds do
SPLIT_TOLD_LATE = ("AAA", dt.date(2017, 10, 10), "split", 1.25, dt.datetime(2017, 10, 12, 12))
DIVIDEND_TOLD_LATE = ("AAA", dt.date(2017, 6, 27), "dividend", 0.5, dt.datetime(2017, 6, 29, 12))
DIVIDEND_CORRECTED = ("AAA", dt.date(2017, 6, 27), "dividend", 0.75, dt.datetime(2017, 7, 12, 12))
SPLIT_OF_A_SATURDAY = ("KKK-USD", dt.date(2017, 8, 19), "split", 1.25, dt.datetime(2017, 8, 21, 9))
ACTIONS = (
    *(SPLIT_IN_TIME, DIVIDEND_IN_TIME, SPLIT_TOLD_LATE, DIVIDEND_TOLD_LATE, DIVIDEND_CORRECTED),
    SPLIT_OF_A_SATURDAY,
)
# What is really held at a decision between the ex-date of the last split and its telling.
HELD_AT = dt.datetime(2017, 10, 11, 14)
HELD = {"AAA": 0.12, "KKK-USD": 0.05, "CASH": 0.83}
HELD_SHORT = {"AAA": -0.12, "KKK-USD": 0.05, "CASH": 1.07}
HOLE = ("KKK-USD", dt.date(2017, 2, 6), dt.date(2017, 2, 8))
LISTED_LATE = "MMM-USD"
# A close told at a fraction, and when the feed corrects it; a fall to a fraction that stays.
TICK = ("EUR-USD", dt.date(2017, 3, 28), 0.3, dt.datetime(2017, 5, 24, 9))
FALL = ("KKK-USD", dt.date(2017, 8, 22), 0.5)
TICK_KNOWN = dt.datetime(2017, 3, 28, 14)
FALL_KNOWN = dt.datetime(2017, 8, 23, 0, 5)
DAY = dt.timedelta(days=1)
# Another vendor's closes of one asset, and the session at which they are off by a factor.
SECOND = ("AAA", "second", dt.date(2017, 3, 22), 1.04)
ENDED_FROM = dt.date(2016, 2, 1)

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
CUTS = {
    "before a year of bars": dt.datetime(2016, 5, 3, 14),
    "inside warm-up": dt.datetime(2016, 8, 26, 9),
    "in the middle of a test span, at a decision": dt.datetime(2017, 3, 16, 14),
    "while vendors disagree": dt.datetime(2017, 3, 23, 14),
    "a second before a decision": dt.datetime(2017, 3, 17, 13, 59, 59),
    "the day summer time begins": dt.datetime(2017, 3, 26, 12),
    "while a bad tick is suspect": TICK_KNOWN + HOUR,
    "a minute after a bad tick is condemned": TICK_KNOWN + DAY + MINUTE,
    "as a session closes, before its lag": dt.datetime(2017, 4, 5, 20, 10),
    "on the ex-date of a dividend, before its open": DIVIDEND[3] + HOUR,
    "before a split that is known": dt.datetime.combine(SPLIT_IN_TIME[1], dt.time(9)),
    "at the first decision after a test span": dt.datetime(2017, 5, 19, 14),
    "a minute after a bad tick is corrected": TICK[3] + MINUTE,
    "after the ex-date of a split, before it is told": dt.datetime(2017, 6, 6, 22),
    "a minute after the split is told": SPLIT[3] + MINUTE,
    "a minute before the restatement": RESTATED[3] - MINUTE,
    "a minute after the restatement": RESTATED[3] + MINUTE,
    "just before the late bar": LATE[2] - MINUTE,
    "just after the late bar": LATE[2] + MINUTE,
    "while a dividend is not told": DIVIDEND_TOLD_LATE[4] - HOUR,
    "a minute after a dividend is told late": DIVIDEND_TOLD_LATE[4] + MINUTE,
    "before a split of the weekend is told": SPLIT_OF_A_SATURDAY[4] - MINUTE,
    "at the decision that hears of it": dt.datetime(2017, 8, 21, 14),
    "just after the restated rate": RATE_RESTATED[3] + MINUTE,
    "while a bar is two days late": TWO_DAYS_LATE[2] - HOUR,
    "when the end is announced": ENDED[2],
    "before a dividend is corrected": DIVIDEND_CORRECTED[4] - MINUTE,
    "just before the last bar": LAST_BAR_KNOWN - MINUTE,
    "just after the last session": LAST_BAR_KNOWN + dt.timedelta(days=2),
    "a minute before it is told what is held": HELD_AT - MINUTE,
    "while a split is not told": SPLIT_TOLD_LATE[4] - HOUR,
    "a minute after a split is told late": SPLIT_TOLD_LATE[4] + MINUTE,
    "while a true fall is suspect": FALL_KNOWN + 14 * HOUR,
    "a minute after a true fall is acquitted": FALL_KNOWN + DAY + MINUTE,
}


@dataclass(frozen=True)
class World:
    """What was told stands in `origin`; what follows from it is made when asked for, once."""

    folder: Path
    origin: Origin

    @property
    def dbt(self) -> CompiledDbt:
        """The project, parsed and compiled once."""
        return self.origin.dbt

    def rebuilt(self, name: str, until: dt.datetime | None = None) -> Path:
        """A new file with all that was told by an instant (all of it unless given), and nothing derived."""
        return self.origin.known_by(until or RUNS[-1], name)

    def compute(self, file: Path) -> int:
        """Make all tables and decisions of a rebuilt file."""
        return self.origin.compute(file)

    @cached_property
    def whole(self) -> Path:
        """All decisions of the history made in one go, from everything that was told."""
        file = self.rebuilt("whole")
        self.compute(file)
        return file

    @cached_property
    def grown(self) -> "Grown":
        """The same, landed and run four times, as a user would."""
        return self.grow(range(len(RUNS)))

    def grow(self, running: Collection[int]) -> "Grown":
        """The same, landed four times as a user would, and run after the landings of these numbers."""
        file = self.folder / "grown" / PUBLISHED
        before = self.folder / "before" / PUBLISHED
        file.parent.mkdir()
        before.parent.mkdir()
        added = []
        for number, as_of in enumerate(RUNS):
            if as_of == RUNS[-1]:
                shutil.copy(file, before)
            _land(self.folder, file, number, as_of)
            if number in running:
                run = self.origin.run_of(file)
                added.append(self.origin.compute(file))
                rebalance.finish(run, added[-1])
        return Grown(file, before, added)


@dataclass(frozen=True)
class Grown:
    """`file` after four landings and runs, `before` the last of them; `added` counts each run's decisions."""

    file: Path
    before: Path
    added: list[int]


def build(folder: Path, also: Collection[str] = (), wants: str = POLICY) -> World:
    """Tell the story in four landings. Nothing is derived yet, and dbt is not asked yet.

    The signals of `also` trade too. `wants` is the policy, less the signals.
    """
    traded = f"signals: [{', '.join(dict.fromkeys((*TRADED, *also)))}]\n"
    (folder / f"{PORTFOLIO}.yml").write_text(wants + traded, "utf-8")
    file = folder / "told" / PUBLISHED
    file.parent.mkdir(parents=True)
    for number, as_of in enumerate(RUNS):
        _land(folder, file, number, as_of)
    name, policy = policies.load(folder / f"{PORTFOLIO}.yml")
    return World(folder, Origin(file, folder, name, policy, CompiledDbt(file)))


def begun(file: Path, name: str, policy: policies.Policy, *, is_alone: bool = False) -> pipeline.Run:
    """The row of a run of another policy, which is landed; where it is alone the first has none."""
    con = warehouse.connect(file)
    try:
        (batch,) = con.execute("select max(batch_until) from raw.runs").fetchall()[0]
        if is_alone:
            con.execute("delete from raw.runs")
            con.execute("delete from raw.policies")
        said = {"batch": batch, "hash": policies.digest(policy), "json": policies.to_json(policy)}
        con.execute("insert into raw.policies values ($batch, $name, $hash, $json)", said | {"name": name})
        bounds = {"as_of": RUNS[-1], "batch_until": batch, "started_at": WALL_CLOCK}
        rebalance.begin(con, run_id=name, portfolio=name, policy=policy, **bounds)
    finally:
        con.close()
    return pipeline.Run(file, name, name, policy, pd.Timestamp(RUNS[-1]), batch)


def _land(folder: Path, file: Path, number: int, as_of: dt.datetime) -> None:
    """One landing and the row of its run; the cuts since the run before are noted as runs that were made."""
    name, policy = policies.load(folder / f"{PORTFOLIO}.yml")
    request = RebalanceRequest(
        portfolio=name,
        as_of=as_of,
        bars=[_bars_file(folder, number)],
        assets=_assets_file(folder, number),
        actions=_actions_file(folder, number),
    )
    con = warehouse.connect(file)
    try:
        warehouse.create_tables(con)
        landing.land(
            con,
            request,
            {name: policy},
            batch_id=next_batch_id(con),
            run_id=f"{name}-{as_of:%Y%m%d}",
            loaded_at=WALL_CLOCK,
        )
        since = RUNS[number - 1] if number else dt.datetime.min
        if since < HELD_AT <= as_of:
            warehouse.write(con, "raw.holdings", _held(name, HELD_SHORT if policy.allow_shorts else HELD))
        for instant in sorted({as_of, *(cut for cut in CUTS.values() if since < cut <= as_of)}):
            rebalance.begin(
                con,
                run_id=f"{name}-{instant:%Y%m%d-%H%M%S}",
                portfolio=name,
                policy=policy,
                as_of=instant,
                batch_until=next_batch_id(con) - 1,
                started_at=WALL_CLOCK,
            )
    finally:
        con.close()


def _held(portfolio: str, weights: Mapping[str, float]) -> pd.DataFrame:
    """What an operator says is held."""
    rows = pd.DataFrame(weights.items(), columns=["symbol", "weight"])
    rows.insert(0, "decision_at", pd.Timestamp(HELD_AT))
    rows.insert(0, "portfolio", portfolio)
    return rows.assign(run_id="told")


def _told(number: int) -> pd.DataFrame:
    """The rows of one bars file: those of the vendor in force, and another's first prints of one asset."""
    rows = _in_force(number)
    return pd.concat([rows, _second(rows[rows["recorded_at"].isna()])])


def _in_force(number: int) -> pd.DataFrame:
    """All first prints since the file before, and what the second file corrects."""
    printed = bars.draw(RUNS[-1].date()).set_index(["symbol", "date"], drop=False)
    printed = printed[~((printed["symbol"] == ENDED[0]) & (printed["date"] >= ENDED[1]))]
    is_hole = (printed["symbol"] == HOLE[0]) & printed["date"].between(HOLE[1], HOLE[2])
    printed = printed[~is_hole].assign(known_at=pd.NaT, recorded_at=pd.NaT, vendor=None)
    printed.loc[TWO_DAYS_LATE[:2], "known_at"] = TWO_DAYS_LATE[2]
    for symbol, ex_date, factor, _ in (SPLIT, DIVIDEND):
        printed = _unadjusted(printed, symbol, ex_date, factor)
    for symbol, ex_date, kind, value, _ in ACTIONS:
        if kind == "split":
            is_after = (printed["symbol"] == symbol) & (printed["date"] >= ex_date)
            printed.loc[is_after, PRICES] /= value
    printed = _without_dividends(printed)
    has_fallen = (printed["symbol"] == FALL[0]) & (printed["date"] >= FALL[1])
    printed.loc[has_fallen, PRICES] *= FALL[2]
    printed.loc[FALL[:2], "volume"] = QUIET
    corrected_tick = printed.loc[[TICK[:2]]].assign(recorded_at=TICK[3])
    printed.loc[TICK[:2], PRICES] *= TICK[2]
    since = RUNS[number - 1].date() if number else dt.date.min
    is_new = (printed["date"] > since) & (printed["date"] <= RUNS[number].date())
    is_listed_now = printed["symbol"] == LISTED_LATE
    if number == 0:
        return printed[is_new & ~is_listed_now].drop(index=LATE[:2])
    if number > 1:
        return printed[is_new | _closed_since(printed, since)]
    is_history = is_listed_now & (printed["date"] <= RUNS[number].date())
    news = printed[is_new | _closed_since(printed, since) | is_history]
    corrected = [
        _restated(printed, *RESTATED),
        _restated(printed, *RATE_RESTATED),
        printed.loc[[LATE[:2]]].assign(recorded_at=LATE[2]),
        corrected_tick,
        _adjusted(printed, *SPLIT),
        _adjusted(printed, *DIVIDEND),
    ]
    return pd.concat([news, *corrected])


def _without_dividends(printed: pd.DataFrame) -> pd.DataFrame:
    """Prices fall by what is paid."""
    paid = {
        (symbol, ex_date): value for symbol, ex_date, kind, value, _ in ACTIONS if kind == "dividend"
    }  # the correction goes last
    for (symbol, ex_date), value in paid.items():
        is_after = (printed["symbol"] == symbol) & (printed["date"] >= ex_date)
        before = printed.loc[(printed["symbol"] == symbol) & (printed["date"] < ex_date), "close"].iloc[-1]
        printed.loc[is_after, PRICES] *= 1 - value / before
    return printed


def _second(printed: pd.DataFrame) -> pd.DataFrame:
    """What another vendor tells of the first prints of one asset: the same closes, but for one."""
    rows = printed[printed["symbol"] == SECOND[0]].assign(vendor=SECOND[1])
    rows[["open", "high", "low", "volume"]] = np.nan
    rows.loc[rows["date"] == SECOND[2], "close"] *= SECOND[3]
    return rows


def _closed_since(printed: pd.DataFrame, since: dt.date) -> pd.Series:
    """A coin's day that was still open when the file before was made."""
    return (printed["asset_class"] == "crypto") & (printed["date"] == since)


def _unadjusted(printed: pd.DataFrame, symbol: str, ex_date: dt.date, factor: float) -> pd.DataFrame:
    """First prints as they were before the feed knew of the ex-date, each recorded at its day's end."""
    is_before = (printed["symbol"] == symbol) & (printed["date"] < ex_date)
    printed.loc[is_before, PRICES] /= factor
    ends = pd.to_datetime(printed.loc[is_before, "date"]) + pd.Timedelta(days=1)
    printed.loc[is_before, "recorded_at"] = ends
    return printed


def _adjusted(
    printed: pd.DataFrame, symbol: str, ex_date: dt.date, factor: float, at: dt.datetime
) -> pd.DataFrame:
    """All bars before the ex-date once more, as the feed tells them from then on."""
    rows = printed[(printed["symbol"] == symbol) & (printed["date"] < ex_date)].assign(recorded_at=at)
    rows[PRICES] *= factor
    return rows


def _restated(
    printed: pd.DataFrame, symbol: str, date: dt.date, factor: float, at: dt.datetime
) -> pd.DataFrame:
    row = printed.loc[[(symbol, date)]].assign(recorded_at=at)
    row[["close", "high", "low"]] *= factor
    row["low"] = row[["low", "open"]].min(axis=1).where(row["open"].notna())
    row["high"] = row[["high", "open"]].max(axis=1).where(row["open"].notna())
    return row


def _bars_file(folder: Path, number: int) -> Path:
    file = folder / f"bars_{number}.parquet"
    _told(number).to_parquet(file, index=False)
    return file


def _actions_file(folder: Path, number: int) -> Path | None:
    """What was told of splits and dividends since the file before; the rest is told by nobody yet."""
    since = RUNS[number - 1] if number else dt.datetime.min
    rows = [
        {"symbol": symbol, "ex_date": ex_date, "kind": kind, "value": value, "known_at": known_at}
        for symbol, ex_date, kind, value, known_at in ACTIONS
        if since < (known_at or dt.datetime.combine(ex_date, dt.time(13, 30))) <= RUNS[number]
    ]
    if not rows:
        return None
    file = folder / f"actions_{number}.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def _assets_file(folder: Path, number: int) -> Path | None:
    """The assets no seed knows; the second file tells that one of them ends."""
    if number > 1:
        return None
    rows = [
        {"symbol": symbol, "asset_class": kind.asset_class, "venue": kind.venue, "currency": kind.currency}
        | {"adjustment": ADJUSTED.get(symbol, "none")}
        | ({"member_from": ENDED_FROM} if symbol == ENDED[0] else {})
        | ({"member_until": ENDED[1], "known_at": ENDED[2]} if symbol == ENDED[0] and number else {})
        for symbol, kind in bars.ASSETS.items()
    ]
    file = folder / f"assets_{number}.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file
