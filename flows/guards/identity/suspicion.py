"""Which told bars could be used, and since when: each version judged by what was known when it came.

The feed of a symbol is played back version by version. A version is held against the bars before it as they
stood then; while it is suspect, every later word of the feed is heard for a verdict.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import NamedTuple

import numpy as np
import pandas as pd

from flows.guards.identity.raw_world import NEVER, days, microseconds

WEEK, QUARTER, FEW = 5, 60, 20
SPLITS = np.log([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50])
JUMPS = ("spike", "split_like")
NO_TRADE = ("zero_volume", "stale_feed")
Limits = Mapping[str, float]


@dataclass(frozen=True)
class Told:
    """One version of a bar, as raw.bars has it."""

    session: np.datetime64
    version: int
    known: np.datetime64
    high: float
    low: float
    close: float
    volume: float


class Split(NamedTuple):
    """New shares for one old, and when that was told."""

    ex_date: np.datetime64
    value: float
    known: np.datetime64


class Witnesses(NamedTuple):
    """When another vendor was known to agree, by session; and splits that were told."""

    others: Mapping[np.datetime64, np.datetime64]
    splits: Sequence[Split]


@dataclass
class Suspect:
    """A version under suspicion, what came before it, the least jump, and the verdict once there is one."""

    told: Told
    reason: str
    level: float
    before: Told
    limit: float
    is_surge: bool
    verdict: str | None = None
    at: np.datetime64 | None = None

    def pass_(self, verdict: str, at: np.datetime64) -> None:
        """The first verdict stands."""
        if self.verdict is None:
            self.verdict, self.at = verdict, at


@dataclass
class Feed:
    """The bars of one symbol as they stand, in order of session."""

    limits: Limits
    sessions: list[np.datetime64] = field(default_factory=list)
    bars: list[Told] = field(default_factory=list)

    def put(self, told: Told) -> None:
        """A new bar, or a version that takes the place of the one before."""
        place = bisect_left(self.sessions, told.session)
        if place < len(self.sessions) and self.sessions[place] == told.session:
            self.bars[place] = told
        else:
            self.sessions.insert(place, told.session)
            self.bars.insert(place, told)

    def next_close(self, session: np.datetime64) -> float | None:
        """What the bar after a session says; None while there is none."""
        place = bisect_left(self.sessions, session + np.timedelta64(1, "D"))
        return self.bars[place].close if place < len(self.bars) else None

    def judge(self, told: Told) -> Suspect | None:
        """The suspicion against a version, by the bars before it."""
        end = bisect_left(self.sessions, told.session)
        before = self.bars[max(end - QUARTER - 1, 0) : end]
        if not before or self._is_plain(told, before[-1]):
            return None
        closes = np.array([bar.close for bar in before])
        volumes = np.array([bar.volume for bar in before])[-QUARTER:]
        moves, levels = np.abs(np.diff(np.log(closes))), closes[-QUARTER:]
        last, week, quarter = closes[-1], float(np.median(closes[-WEEK:])), float(np.median(levels))
        at = np.array([last, week, quarter])
        usual = float(np.median(moves[-QUARTER:])) if len(moves) >= FEW else 0.0
        limit = max(self.limits["spike_multiple"] * usual, self.limits["spike_floor"])
        if float(np.abs(np.log(told.close / at)).min()) >= limit:
            reason: str | None = self._jump(told, at)
        else:
            reason = self._other(told, before, at[:2], limit)
        if told.volume == 0 and np.isfinite(volumes).any() and np.nanmedian(volumes) > 0:
            reason = "zero_volume"
        if reason is None:
            return None
        return Suspect(told, reason, week, before[-1], limit, self._is_surge(told, volumes, levels))

    def _is_plain(self, told: Told, before: Told) -> bool:
        """Whether nothing can speak against it, whatever the bars before the last one say."""
        floor = self.limits["spike_floor"]
        return (
            abs(log(told.close / before.close)) < floor
            and log(told.high / told.low) < 2 * floor
            and told.volume != 0
            and (told.close != before.close or told.volume > 0)
        )

    def _jump(self, told: Told, at: np.ndarray) -> str:
        """What a jump is called; `at` are the last close and the levels of a week and of a quarter."""
        if abs(abs(np.log(told.close / at[2])) - np.log(100)) <= self.limits["unit_tolerance"]:
            return "unit_flip"
        if np.abs(np.log(told.close * at)).min() <= self.limits["inverted_tolerance"]:
            return "inverted"
        ratio = abs(np.log(told.close / at[0]))
        return "split_like" if np.abs(ratio - SPLITS).min() <= self.limits["split_tolerance"] else "spike"

    def _other(self, told: Told, before: list[Told], near: np.ndarray, limit: float) -> str | None:
        reach = max(log(told.high / max(told.close, *near)), log(min(told.close, *near) / told.low))
        if reach >= 2 * limit:
            return "range_spike"
        return "stale_feed" if self._unchanged(told, before) >= self.limits["most_unchanged"] else None

    def _unchanged(self, told: Told, before: list[Told]) -> int:
        run = 0
        for bar, earlier in zip([told, *before[::-1]], before[::-1], strict=False):
            if bar.close != earlier.close or bar.volume > 0:
                break
            run += 1
        return run

    def _is_surge(self, told: Told, volumes: np.ndarray, closes: np.ndarray) -> bool:
        is_told = np.isfinite(volumes)
        if not is_told.any() or np.isnan(told.volume):
            return False
        usual = np.median(volumes[is_told]), np.median((volumes * closes)[is_told])
        surge = min(told.volume / usual[0], told.volume * told.close / usual[1]) if min(usual) > 0 else 0.0
        return bool(surge >= self.limits["volume_multiple"])


def suspects(
    bars: pd.DataFrame,
    limits: Mapping[str, Limits],
    differences: pd.DataFrame,
    splits: Mapping[str, Sequence[Split]],
) -> pd.DataFrame:
    """Versions under suspicion: symbol, session_date, version, reason, known_at, verdict and verdict_at.

    `bars` are rows of raw.bars of the vendor in force, `limits` by symbol, `differences` those of vendors,
    `splits` all that anybody told of, by symbol.
    The verdict is null while it is open.
    """
    agreed = differences[~differences["is_beyond"].astype(bool) & (differences["best_shift"] == 0)]
    first = agreed.groupby(["symbol", "session_date"])["known_at"].min() if len(agreed) else {}
    found: list[tuple[str, Suspect]] = []
    for symbol, rows in bars.groupby("symbol", sort=True):
        others = {
            np.datetime64(session, "D"): np.datetime64(at, "us")
            for (one, session), at in dict(first).items()
            if one == symbol
        }
        told = splits.get(str(symbol), ())
        news = _suspects_of(_versions(rows), limits[str(symbol)], Witnesses(others, told))
        found += [(str(symbol), one) for one in news]
    return pd.DataFrame(
        {
            "symbol": pd.Series([symbol for symbol, _ in found], dtype=object),
            "session_date": np.array([one.told.session for _, one in found], "datetime64[us]"),
            "version": np.array([one.told.version for _, one in found], "int64"),
            "reason": pd.Series([one.reason for _, one in found], dtype=object),
            "known_at": np.array([one.told.known for _, one in found], "datetime64[us]"),
            "verdict": pd.Series([one.verdict for _, one in found], dtype=object),
            "verdict_at": np.array([one.at for _, one in found], "datetime64[us]"),
        }
    )


def _versions(rows: pd.DataFrame) -> list[Told]:
    close = rows["close"].to_numpy(dtype=float)
    high, low, volume = (rows[name].to_numpy(dtype=float) for name in ("high", "low", "volume"))
    columns = (
        days(rows["session_date"]),
        rows["version"].tolist(),
        microseconds(rows["known_at"]),
        np.where(np.isnan(high), close, high).tolist(),
        np.where(np.isnan(low), close, low).tolist(),
        close.tolist(),
        volume.tolist(),
    )
    return [Told(*values) for values in zip(*columns, strict=True)]


def _suspects_of(versions: Iterable[Told], limits: Limits, witnesses: Witnesses) -> list[Suspect]:
    """Suspects of one symbol."""
    feed = Feed(limits)
    found: list[Suspect] = []
    waiting: list[Suspect] = []
    by_instant: dict[np.datetime64, dict[np.datetime64, Told]] = {}
    for told in sorted(versions, key=lambda one: (one.known, one.session, one.version)):
        by_instant.setdefault(told.known, {})[told.session] = told
    for at, news in by_instant.items():
        for suspect in waiting:
            _hear_others(suspect, witnesses, before=at)
        for told in news.values():
            feed.put(told)
        fresh = [one for told in news.values() if (one := feed.judge(told)) is not None]
        found += fresh
        waiting += fresh
        for suspect in waiting:
            _hear(suspect, feed, witnesses, at)
        waiting = [suspect for suspect in waiting if suspect.verdict is None]
    for suspect in waiting:
        _hear_others(suspect, witnesses, before=NEVER)
    return found


def _hear_others(suspect: Suspect, witnesses: Witnesses, before: np.datetime64) -> None:
    """Another vendor that said the same, of which none can say that nothing was traded; or a split."""
    told = suspect.told
    at: np.datetime64 = NEVER
    if told.version == 1 and suspect.reason != "zero_volume":
        at = witnesses.others.get(told.session, NEVER)
    for split in witnesses.splits if suspect.reason in JUMPS else ():
        is_between = suspect.before.session < split.ex_date <= told.session
        if is_between and abs(log(told.close * split.value / suspect.before.close)) < suspect.limit:
            at = min(at, split.known)
    if at < before:
        suspect.pass_("acquitted", max(at, told.known))


def _hear(suspect: Suspect, feed: Feed, witnesses: Witnesses, at: np.datetime64) -> None:
    """Heavy trading, a split, another vendor, a correction of the bars before, or the next bar."""
    told = suspect.told
    _hear_others(suspect, witnesses, before=at + np.timedelta64(1, "us"))
    if suspect.is_surge and suspect.reason not in NO_TRADE:
        suspect.pass_("acquitted", at)
    place = bisect_left(feed.sessions, told.session)
    if feed.bars[place] is told and feed.judge(told) is None:
        suspect.pass_("acquitted", at)
    close = feed.next_close(told.session)
    if close is not None:
        is_there = abs(np.log(close / told.close)) <= abs(np.log(close / suspect.level))
        suspect.pass_("acquitted" if suspect.reason in JUMPS and is_there else "condemned", at)


def usable(bars: pd.DataFrame, suspects: pd.DataFrame) -> pd.DataFrame:
    """Versions that may be used, known from when they may be, and numbered anew.

    `bars` are rows of raw.bars; `suspects` has symbol, session_date, version, verdict and verdict_at.
    """
    key = ["symbol", "session_date", "version"]
    rows = bars.merge(suspects[[*key, "verdict", "verdict_at"]], how="left", on=key, indicator=True)
    is_in = (rows["_merge"] == "left_only") | (rows["verdict"] == "acquitted")
    following = rows.groupby(key[:2])["known_at"].shift(-1)
    is_in &= following.isna() | (following > rows["known_at"])  # never in force otherwise
    rows = rows[is_in].copy()
    rows["known_at"] = rows[["known_at", "verdict_at"]].max(axis=1)
    first_later = rows[::-1].groupby(key[:2])["known_at"].cummin()[::-1]
    rows = rows[rows["known_at"] <= first_later]
    rows["version"] = rows.groupby(key[:2]).cumcount() + 1
    return rows[bars.columns].reset_index(drop=True)
