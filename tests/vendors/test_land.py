"""A full history and a daily increment of each vendor, landed over a real socket by `portfolio land`."""

import datetime as dt
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.publish import published
from flows.vendors import ADJUSTED_OVERLAP, OVERLAP
from python_steps import study, vendor_http, warehouse
from tests.vendors.history import DAY, Bar
from tests.vendors.server import Asked, Server, shapes

SHAPES = shapes()
SEEDS = study.tables(study.read_study())
KEY = "canary-3f9d1c77e2"
NEW = 5
COUNTED = """
    select sum(rows_seen), sum(rows_landed), sum(rows_restated), sum(rows_unchanged), sum(rows_quarantined),
        sum(rows_not_asked)
    from raw.payloads where batch_id = {}
"""


def feed_of(vendor: str) -> dict[str, str]:
    symbol = SHAPES[vendor].SYMBOL
    [feed] = [row for row in SEEDS["feeds"].to_pylist() if (row["symbol"], row["vendor"]) == (symbol, vendor)]
    return feed


def sessions_of(feed: dict[str, str]) -> set[dt.date]:
    """The sessions that the calendar of a feed knows."""
    symbol = feed["symbol"]
    [asset] = [row for row in SEEDS["assets"].to_pylist() if row["symbol"] == symbol]
    venue = feed["venue"] or asset["venue"]
    days = [row["session_date"] for row in SEEDS["sessions"].to_pylist() if row["venue"] == venue]
    return {dt.date.fromisoformat(day) for day in days}


class Vendor:
    """A vendor on loopback, and a warehouse to land its bars in by the command."""

    def __init__(self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.folder, self.monkeypatch = name, folder, monkeypatch
        self.shape = SHAPES[name]
        self.sessions = sessions_of(feed_of(name))
        self.overlap = OVERLAP if feed_of(name)["adjustment"] == "none" else ADJUSTED_OVERLAP
        monkeypatch.setenv(f"PORTFOLIO_{name.upper()}_KEY", KEY)

    def land(self, bars: list[Bar], *options: str, later: int = 0) -> tuple[Any, Server]:
        """`portfolio land` on the afternoon after the last bar that the vendor has, or days later."""
        as_of = dt.datetime.combine(bars[-1].session_date + (1 + later) * DAY, dt.time(14))
        with Server(self.shape.speak(bars, as_of)) as server:
            self.monkeypatch.setenv(f"PORTFOLIO_{self.name.upper()}_URL", server.url)
            arguments = ["land", "--vendor", self.name, "--symbol", self.shape.SYMBOL, "--as-of", str(as_of)]
            places = ["--warehouse", str(self.folder / "w"), "--out", str(self.folder / "o")]
            said = CliRunner().invoke(app, [*arguments, *places, *options])
        return said, server

    def query(self, sql: str) -> list[tuple]:
        con = warehouse.connect(published(self.folder / "w"), read_only=True)
        try:
            return con.execute(sql).fetchall()
        finally:
            con.close()

    def landed(self) -> dict[dt.date, tuple]:
        """The newest version of each bar by session."""
        rows = self.query(
            "select session_date, open, high, low, close, volume from raw.bars"
            " qualify version = max(version) over (partition by session_date)"
        )
        return {day: tuple(values) for day, *values in rows}

    def told(self, bars: list[Bar]) -> dict[dt.date, tuple]:
        """What must be landed of these bars."""
        return {bar.session_date: self.shape.values(bar) for bar in bars if bar.session_date in self.sessions}


@pytest.fixture(params=sorted(SHAPES))
def vendor(request, tmp_path, monkeypatch) -> Iterator[Vendor]:
    return Vendor(request.param, tmp_path, monkeypatch)


def restated(bars: list[Bar], session_date: dt.date) -> list[Bar]:
    """The bars, one of them with a close half way to its low."""
    return [
        bar._replace(close=round((bar.close + bar.low) / 2, 2)) if bar.session_date == session_date else bar
        for bar in bars
    ]


def asked_since(vendor: str, asked: Asked) -> dt.date:
    """The first day that a request asks for, as the vendor's own parameters say it."""
    told = asked.params
    if vendor == "binance":
        return dt.datetime.fromtimestamp(int(told["startTime"]) / 1000, dt.UTC).date()
    if vendor == "coinbase":
        return dt.datetime.fromisoformat(told["start"]).date()
    if vendor == "yahoo":
        return dt.datetime.fromtimestamp(int(told["period1"]), dt.UTC).date() + DAY
    if vendor == "oanda":
        return dt.datetime.fromisoformat(told["from"]).date() + DAY
    if vendor == "fxcm":
        _, _, _, year, week = asked.path.split("/")
        return dt.date.fromisocalendar(int(year), int(week.partition(".")[0]), 1)
    return dt.date.min if told["outputsize"] == "full" else dt.date.max


# fxcm has a file a week, numbered one way or another; the others tell an increment at once.
INCREMENT = {"fxcm": 4}
SLACK = {"fxcm": dt.timedelta(days=14)}


def test_a_full_history_and_a_daily_increment_are_landed_and_counted(vendor: Vendor):
    whole = vendor.shape.HISTORY
    said, _ = vendor.land(whole[:-NEW], "--from", str(whole[0].session_date))
    assert said.exit_code == 0, said.output
    assert vendor.landed() == vendor.told(whole[:-NEW])

    said, server = vendor.land(whole)
    assert said.exit_code == 0, said.output
    assert vendor.landed() == vendor.told(whole)
    [(seen, landed, again, unchanged, quarantined, not_asked)] = vendor.query(COUNTED.format(2))
    assert (landed, again, unchanged) == (len(vendor.told(whole[-NEW:])), 0, vendor.overlap)
    assert seen == landed + unchanged + quarantined + not_asked
    assert f"{landed} landed (0 restated), {unchanged} as before" in said.output

    since = sorted(vendor.told(whole[:-NEW]))[-vendor.overlap]
    assert vendor.query("select distinct asked_from from raw.payloads where batch_id = 2") == [(since,)]
    assert len(server.asked) <= INCREMENT.get(vendor.name, 1)
    earliest = min(asked_since(vendor.name, asked) for asked in server.asked)
    assert earliest >= since - SLACK.get(vendor.name, dt.timedelta())


def test_a_restated_bar_is_a_new_version_and_counted(vendor: Vendor):
    """An adjusted feed stands on another base then, so all of it is asked for, and only that bar is news."""
    whole = vendor.shape.HISTORY[-60:]
    vendor.land(whole, "--from", str(whole[0].session_date))
    before = vendor.landed()
    day = sorted(before)[-3]
    corrected = restated(whole, day)
    said, _ = vendor.land(corrected, later=1)
    assert "1 landed (1 restated)" in said.output, said.output
    assert vendor.landed() == before | vendor.told(
        [bar for bar in restated(whole, day) if bar.session_date == day]
    )
    [(_, landed, again, *_)] = vendor.query(COUNTED.format(2))
    assert (landed, again) == (1, 1)
    asked = vendor.query("select distinct asked_from from raw.payloads where batch_id = 2 order by all")
    whole_again = [(min(before),)] if vendor.overlap == ADJUSTED_OVERLAP else []
    assert asked == [*whole_again, (sorted(before)[-vendor.overlap],)]


def test_asked_again_at_once_nothing_lands_and_equal_answers_are_kept_once(vendor: Vendor):
    whole = vendor.shape.HISTORY[-60:]
    vendor.land(whole, "--from", str(whole[0].session_date))
    vendor.land(whole)
    before = vendor.query("from raw.bars order by all")
    said, server = vendor.land(whole)
    assert said.exit_code == 0, said.output
    assert "0 landed" in said.output
    assert vendor.query("from raw.bars order by all") == before
    assert len(server.asked) <= INCREMENT.get(vendor.name, 1)
    answers = vendor.query("select payload_hash, content from raw.payloads")
    kept = [(digest, content) for digest, content in answers if content is not None]
    assert len(kept) == len({digest for digest, _ in answers}) < len(answers)
    assert all(hashlib.sha256(gzip.decompress(content)).hexdigest() == digest for digest, content in kept)


def test_no_key_is_in_the_warehouse_or_in_a_log(vendor: Vendor):
    """The server has seen it, where one is needed."""
    whole = vendor.shape.HISTORY[-20:]
    said, server = vendor.land(whole, "--from", str(whole[0].session_date))
    assert said.exit_code == 0, said.output
    places = [published(vendor.folder / "w").read_bytes(), (vendor.folder / "o" / "log.jsonl").read_bytes()]
    payloads = vendor.query("select content, source from raw.payloads where content is not null")
    places += [gzip.decompress(content) + source.encode() for content, source in payloads]
    assert not any(KEY.encode() in place for place in [*places, said.output.encode()])
    was_sent = any(KEY in str((asked.params, asked.headers)) for asked in server.asked)
    assert was_sent == vendor_http.vendors()[vendor.name].KEY
