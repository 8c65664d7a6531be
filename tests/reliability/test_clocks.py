"""A clock that is a day off, a leap day, and the days on which clocks are put forward or back."""

import asyncio
import datetime as dt

import pytest
from prefect.client.schemas.schedules import CronSchedule
from typer.testing import CliRunner

from flows import requests
from flows.cli import app
from flows.publish import published
from flows.up import DEPLOYED, PROJECT
from python_steps import study, warehouse
from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Server, shapes
from tests.vendors.test_land import KEY

SHAPE = shapes()["coinbase"]
BARS = made_up(dt.date(2024, 2, 20), 12)  # with a 29 February
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def land(tmp_path, monkeypatch):
    """`portfolio land` at a true instant, by a clock that is off by so much."""
    monkeypatch.setenv("PORTFOLIO_COINBASE_KEY", KEY)

    def at(bars: list[Bar], off: dt.timedelta = 0 * DAY):
        truly = dt.datetime.combine(bars[-1].session_date + DAY, dt.time(14))
        monkeypatch.setattr(requests, "now", lambda: truly + off)
        with Server(SHAPE.speak(bars, truly)) as server:
            monkeypatch.setenv("PORTFOLIO_COINBASE_URL", server.url)
            places = ["--warehouse", str(tmp_path / "w"), "--out", str(tmp_path / "o")]
            asked = ["--vendor", "coinbase", "--symbol", SHAPE.SYMBOL, "--from", str(BARS[0].session_date)]
            return CliRunner().invoke(app, ["land", *asked, *places])

    return at


@pytest.fixture
def bars(tmp_path):
    """All bars that are published, in the order in which they were landed."""

    def read() -> list[tuple]:
        con = warehouse.connect(published(tmp_path / "w"), read_only=True)
        try:
            return con.execute("from raw.bars order by batch_id, session_date").fetchall()
        finally:
            con.close()

    return read


def test_a_clock_a_day_late_lands_nothing_and_the_right_one_then_lands_what_was_missed(land, bars):
    assert land(BARS[:-1]).exit_code == 0
    before = bars()
    said = land(BARS, off=-DAY - HOUR)
    assert said.exit_code == 0, said.output
    assert " 0 landed (0 restated)" in said.output
    assert bars() == before
    assert land(BARS).exit_code == 0
    assert bars()[: len(before)] == before
    assert len(bars()) == len(before) + 1


def test_a_clock_a_day_early_lands_what_has_closed_and_the_right_clock_waits_until_it_has_passed(land, bars):
    assert land(BARS[:-2], off=DAY).exit_code == 0
    said = land(BARS[:-2], off=HOUR)
    assert said.exit_code == 0, said.output  # nothing new, so nothing is refused; the answer is kept
    before = bars()
    refused = land(BARS[:-1], off=-HOUR)
    assert refused.exit_code == 1, refused.output
    assert refused.stderr.splitlines()[-1].startswith("error: "), refused.stderr
    assert bars() == before
    assert land(BARS, off=HOUR).exit_code == 0


def test_every_schedule_fires_at_the_same_utc_time_on_leap_days_and_when_clocks_are_changed():
    import yaml

    deployed = yaml.safe_load((PROJECT / DEPLOYED).read_text())["deployments"]
    schedules = [one for each in deployed for one in each.get("schedules", [])]
    assert len(schedules) >= 4
    for one in schedules:
        cron = CronSchedule(cron=one["cron"], timezone=one["timezone"])
        for around in ("2028-02-27", "2026-03-06", "2026-03-27", "2026-10-23", "2026-10-30"):
            start = dt.datetime.fromisoformat(around).replace(tzinfo=dt.UTC)
            dates = _dates(cron, start)
            hour = int(one["cron"].split()[1])
            assert {(at.astimezone(dt.UTC).hour, at.minute) for at in dates} == {(hour, 0)}
    leap = _dates(CronSchedule(cron="0 14 * * 1-5", timezone="UTC"), dt.datetime(2028, 2, 28, tzinfo=dt.UTC))
    assert dt.date(2028, 2, 29) in {at.date() for at in leap}


def test_sessions_know_the_leap_day_and_move_with_the_clocks_of_their_exchange():
    sessions = study.tables(study.read_study())["sessions"].to_pylist()
    opened = {row["session_date"]: row["opened_at"][11:16] for row in sessions if row["venue"] == "XNYS"}
    assert opened["2016-02-29"] == "14:30"
    assert (opened["2018-03-09"], opened["2018-03-12"]) == ("14:30", "13:30")
    assert (opened["2018-11-02"], opened["2018-11-05"]) == ("13:30", "14:30")


def _dates(cron: CronSchedule, start: dt.datetime) -> list[dt.datetime]:
    from prefect.server.schemas.schedules import CronSchedule as Served

    served = Served(cron=cron.cron, timezone=cron.timezone)
    return list(asyncio.run(served.get_dates(n=6, start=start)))
