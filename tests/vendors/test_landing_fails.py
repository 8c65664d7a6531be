"""What fails is named and stops nothing else; what cannot be accounted for lands not at all."""

import datetime as dt
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.publish import published
from python_steps import landing_sql, warehouse
from python_steps.land_payloads import LostRows
from python_steps.payloads import Answered, ParsedPayload, VendorPayload, VendorRequest
from python_steps.register_assets import Delivery
from tests.steps.landing_world import World
from tests.vendors import bad_days
from tests.vendors.server import Server, shapes

SHAPES = shapes()
AS_OF = dt.datetime(2021, 6, 30, 14)
FIRST = "2021-06-01"


class Loopback:
    """Vendors on loopback that know the asset of their shape and no other, and a warehouse."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch

    def land(self, vendors: list[str], symbols: list[str], *options: str, later: int = 0) -> Any:
        as_of = AS_OF + later * dt.timedelta(days=1)
        with ExitStack() as stack:
            for vendor in vendors:
                shape = SHAPES[vendor]
                server = stack.enter_context(Server(shape.speak(shape.HISTORY, as_of)))
                self.monkeypatch.setenv(f"PORTFOLIO_{vendor.upper()}_URL", server.url)
                self.monkeypatch.setenv(f"PORTFOLIO_{vendor.upper()}_KEY", "canary-3f9d1c77e2")
            named = [f"--vendor={vendor}" for vendor in vendors] + [
                f"--symbol={symbol}" for symbol in symbols
            ]
            places = ["--warehouse", str(self.folder / "w"), "--out", str(self.folder / "o")]
            return CliRunner().invoke(
                app, ["land", *named, "--from", FIRST, "--as-of", str(as_of), *places, *options]
            )

    @property
    def landed(self) -> list[tuple[str, str]]:
        con = warehouse.connect(published(self.folder / "w"), read_only=True)
        try:
            return con.execute("select distinct symbol, vendor from raw.bars order by all").fetchall()
        finally:
            con.close()


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    return Loopback(tmp_path, monkeypatch)


def test_a_symbol_that_fails_is_named_and_the_others_land(loopback: Loopback):
    said = loopback.land(["binance"], ["BTC-USDT", "ETH-USDT"])
    assert said.exit_code == 0, said.output
    assert "Not fetched: binance: ETH-USDT (as ETHUSDT): HTTP 400" in said.output
    assert loopback.landed == [("BTC-USDT", "binance")]


def test_a_vendor_that_fails_is_named_and_the_others_land(loopback: Loopback):
    said = loopback.land(["yahoo", "binance"], ["BTC-USDT", "IBM"])
    assert said.exit_code == 0, said.output
    assert "Not fetched: yahoo: IBM" in said.output
    assert loopback.landed == [("BTC-USDT", "binance")]


def test_strict_is_a_failure_and_what_landed_stays(loopback: Loopback):
    said = loopback.land(["binance"], ["BTC-USDT", "ETH-USDT"], "--strict")
    assert said.exit_code == 1, said.output
    assert loopback.landed == [("BTC-USDT", "binance")]


def test_where_nothing_could_be_fetched_nothing_is_published(loopback: Loopback):
    said = loopback.land(["binance"], ["ETH-USDT", "LTC-USDT"])
    assert said.exit_code == 1
    assert "error: nothing could be fetched: binance: ETH-USDT" in said.output
    assert "and 1 more" in said.output
    assert not published(loopback.folder / "w").exists()


def test_an_answer_that_is_not_whole_lands_nothing_of_its_symbol(loopback: Loopback):
    """Coinbase gives the first of three pages: the rest would come late, or never."""
    options = ["--from", "2022-01-01", "--as-of", "2024-01-10T14:00:00"]
    shape = SHAPES["coinbase"]
    with Server(shape.speak(shape.HISTORY, AS_OF), None, *[bad_days.says(403, "no")] * 9) as server:
        loopback.monkeypatch.setenv("PORTFOLIO_COINBASE_URL", server.url)
        places = ["--warehouse", str(loopback.folder / "w"), "--out", str(loopback.folder / "o")]
        said = CliRunner().invoke(app, ["land", "--vendor=coinbase", "--symbol=BTC-USD", *options, *places])
        assert len(server.asked) == 2
    assert said.exit_code == 1
    assert not published(loopback.folder / "w").exists()


def test_no_vendor_comes_into_force_because_the_one_before_it_failed(loopback: Loopback):
    both = ["yahoo", "alpha_vantage"]
    said = loopback.land(both, ["IBM"])
    assert said.exit_code == 1
    assert "nothing could be fetched: yahoo: IBM" in said.output
    alone = loopback.land(["alpha_vantage"], ["IBM"])
    assert alone.exit_code == 0, alone.output
    again = loopback.land(both, ["IBM"], later=1)
    assert again.exit_code == 0, again.output
    assert "left out" not in again.output
    assert loopback.landed == [("IBM", "alpha_vantage")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--vendor=nobody"], "--vendor: 'nobody' is unknown; expected one of alpha_vantage, binance"),
        (["--vendor=binance", "--symbol=AAPL"], "--symbol: AAPL has no feed of binance in seeds/feeds.csv"),
        (["--vendor=oanda"], "oanda: needs a key; set PORTFOLIO_OANDA_KEY"),
        (["--vendor=binance", "--from=yesterday"], "--from: 'yesterday' is not a day; expected 2019-09-30"),
        (["--vendor=binance", "--from=2021-02-01", "--to=2021-01-01"], "expected --from before --to"),
        ([], "--vendors: List should have at least 1 item"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(tmp_path: Path, monkeypatch, arguments: list[str], expected: str):
    monkeypatch.delenv("PORTFOLIO_OANDA_KEY", raising=False)
    places = ["--warehouse", str(tmp_path / "w"), "--out", str(tmp_path / "o")]
    said = CliRunner().invoke(app, ["land", *arguments, *places])
    assert said.exit_code == 1
    [line] = [line for line in said.output.splitlines() if line.startswith("error:")]
    assert expected in line


def answered(world: World, text: str, day: dt.date) -> Delivery:
    """A file's rows as if a vendor had answered with them, asked for one day on."""
    told = world.deliver(text)
    request = VendorRequest("AAPL", "AAPL", "equity", day, dt.date(2019, 2, 1), dt.datetime(2019, 1, 9))
    payload = VendorPayload("yahoo", "AAPL", "yahoo:/", text.encode(), dt.datetime(2026, 1, 1))
    return Delivery(
        told.rows,
        payload.payload_hash,
        payload.source,
        "yahoo",
        Answered(request, payload, ParsedPayload(told.rows)),
    )


TWO_DAYS = "symbol, date, close\nAAPL, 2019-01-02, 100\nAAPL, 2019-01-03, 101"


def test_a_session_that_was_not_asked_for_stays_in_its_payload(tmp_path: Path):
    world = World(tmp_path)
    report = world.land(answered(world, TWO_DAYS, dt.date(2019, 1, 3)), as_of="2019-01-09")
    assert (report.rows_seen, report.rows_landed, report.rows_not_asked) == (2, 1, 1)
    assert world.rows("select close from raw.bars") == [(101.0,)]


def test_a_row_that_gets_lost_stops_the_whole_landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    world = World(tmp_path)
    monkeypatch.setattr(
        landing_sql,
        "PLACED",
        landing_sql.PLACED.replace("from spoken\n", "from (from spoken where row_number < 2) as spoken\n"),
    )
    with pytest.raises(LostRows, match="yahoo:/: 2 rows came, and 1 are accounted for"):
        world.land(answered(world, TWO_DAYS, dt.date(2019, 1, 1)), as_of="2019-01-09")
    for table in ("bars", "batches", "payloads", "asset_vendors"):
        assert world.rows(f"from raw.{table}") == []
