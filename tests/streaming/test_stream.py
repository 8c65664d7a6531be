"""A stream that drops, repeats, corrects and tells open candles leaves what REST alone would."""

import datetime as dt
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from flows.lock import held
from flows.publish import published
from flows.streaming import klines, run, state
from flows.streaming.run import Streaming, stream
from flows.vendors import Feed
from python_steps import warehouse
from python_steps.adapters._reading import Malformed
from python_steps.errors import InputError
from tests.steps.small_warehouse import DECISIONS, publish_small_warehouse
from tests.vendors.history import DAY, Bar, made_up
from tests.vendors.server import Server, shapes

SHAPE = shapes()["binance"]
FIRST = dt.date(2026, 1, 10)
NOW = dt.datetime(2027, 1, 1)
MILLI = 1000


def kline(bar: Bar, symbol: str = "BTCUSDT", *, is_closed: bool = True, **changes: Any) -> str:
    """A message of the combined stream, in the documented shape."""
    opened = int(dt.datetime.combine(bar.session_date, dt.time(), dt.UTC).timestamp()) * MILLI
    candle = {"t": opened, "T": opened + 86_400 * MILLI - 1, "s": symbol, "i": "1d", "f": 100, "L": 200}
    candle |= {"o": str(bar.open), "c": str(bar.close), "h": str(bar.high), "l": str(bar.low)}
    candle |= {"v": str(bar.volume), "n": 100, "x": is_closed, "q": "1.0", "V": "500", "Q": "0.5", "B": "0"}
    event = {"e": "kline", "E": opened + 1, "s": symbol, "k": candle | changes}
    return json.dumps({"stream": f"{symbol.lower()}@kline_1d", "data": event})


@dataclass
class Exchange:
    """A websocket server that plays its acts, one a connection, and a REST service with bars that grow."""

    bars: list[Bar]
    acts: list[Any]
    connections: list[str] = field(default_factory=list)

    def play(self, socket: ServerConnection) -> None:
        self.connections.append(socket.request.path)
        if len(self.connections) > len(self.acts):
            return
        self.acts[len(self.connections) - 1](socket)

    def __enter__(self) -> "Exchange":
        self.stack = ExitStack()
        self.server = self.stack.enter_context(serve(self.play, "127.0.0.1", 0))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.rest = self.stack.enter_context(Server(lambda asked: SHAPE.speak(self.bars, NOW)(asked)))
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.stack.close()


def give_up(*_: Any) -> None:
    raise AssertionError("what was told did not land")


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Follow an exchange with `portfolio stream` until a bar has landed, or so many batches."""
    monkeypatch.setattr(run, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(run, "LONGEST_WAIT", 0.5)
    monkeypatch.setattr(run, "SETTLE", 0.2)
    before = signal.signal(signal.SIGALRM, give_up)

    def work(
        exchange: Exchange, last: Bar | None = None, batches: int | None = None, **more: Any
    ) -> list[str]:
        monkeypatch.setenv("PORTFOLIO_BINANCE_STREAM_URL", exchange.url)
        monkeypatch.setenv("PORTFOLIO_BINANCE_URL", exchange.rest.url)
        asked = Streaming(["BTC-USDT"], "global", tmp_path / "w", tmp_path / "o", 0.2, batches, **more)
        signal.alarm(90)
        said = []
        for line in stream(asked):
            said.append(line)
            if last and landed(tmp_path / "w")[-1][:6] == tuple(last):
                break
        return said

    yield work
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def landed(folder: Path) -> list[tuple]:
    con = warehouse.connect(published(folder), read_only=True)
    try:
        return con.execute(
            "select session_date, open, high, low, close, volume, version from raw.bars"
            " where symbol = 'BTC-USDT' order by session_date, version"
        ).fetchall()
    finally:
        con.close()


def events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / "o" / "log.jsonl").read_text().splitlines()]


def test_drops_repeats_open_candles_and_corrections_leave_what_rest_alone_would(follow, tmp_path):
    bars = made_up(FIRST, 30)
    known = bars[:20]
    open_one = bars[20]._replace(close=9999.0, high=9999.0)

    def first(socket):
        socket.send(json.dumps({"result": None, "id": 1}))  # what answers a subscription
        socket.send(kline(open_one, is_closed=False))
        socket.send("{")
        socket.send(kline(bars[20], t="soon"))
        socket.send(kline(bars[20], "XRPUSDT"))
        for _ in range(3):
            socket.send(kline(bars[20]))
        time.sleep(1.0)
        socket.send(kline(bars[20]))  # repeated after it has landed
        socket.send(kline(bars[21]))
        time.sleep(1.5)
        known[:] = bars[:24]  # two more close while nobody listens

    def second(socket):
        time.sleep(0.5)
        socket.send(kline(bars[24], is_closed=False))
        socket.send(kline(bars[24]))
        time.sleep(1.0)
        known[:] = bars[:28]
        socket.send(kline(bars[27]))  # 25 and 26 were never told
        time.sleep(1.0)
        socket.send(kline(bars[28]._replace(close=bars[28].low)))
        socket.send(kline(bars[28]))  # corrected at once
        time.sleep(1.0)
        socket.send(kline(bars[29]))
        time.sleep(5)

    with Exchange(known, [first, second]) as exchange:
        said = follow(exchange, bars[29])
    rows = landed(tmp_path / "w")
    newest = {row[0]: row[1:6] for row in rows}
    assert newest == {bar.session_date: tuple(bar[1:]) for bar in bars}
    assert [row[0] for row in rows if row[6] > 1] == [bars[28].session_date]
    assert len(exchange.connections) == 2
    assert exchange.connections[0] == "/stream?streams=btcusdt@kline_1d"
    assert list((tmp_path / "w" / "stream").iterdir()) == []
    heard = events(tmp_path)
    assert heard.count("Message not read") == 2
    assert heard.count("Candle nobody asked for") == 1
    assert "Stream lost" in heard
    assert len(said) > 4


def test_what_a_killed_stream_left_in_its_files_is_landed_by_the_next(follow, tmp_path):
    bars = made_up(FIRST, 12)

    def first(socket):
        socket.send(kline(bars[11]))
        time.sleep(3)

    with Exchange(bars[:10], [first]) as exchange:
        left = run._Stream(Streaming(["BTC-USDT"], "global", tmp_path / "w", tmp_path / "o", 5.0), "ws://x")
        left._keep(kline(bars[10]))
        assert len(list((tmp_path / "w" / "stream").iterdir())) == 1
        follow(exchange, bars[11])
    assert [row[0] for row in landed(tmp_path / "w")] == [bar.session_date for bar in bars]


def test_while_a_gap_cannot_be_filled_its_candles_wait_and_none_is_lost(follow, tmp_path):
    bars = made_up(FIRST, 14)
    known = bars[:10]

    def first(socket):
        time.sleep(1.0)
        exchange.rest.bad_days.extend([lambda handler, good: handler.send_error(400)] * 2)
        known[:] = bars[:13]
        socket.send(kline(bars[12]))  # 10 and 11 are missing, and REST says no
        time.sleep(1.0)
        assert len(list((tmp_path / "w" / "stream").iterdir())) == 1
        for _ in range(20):
            socket.send(kline(bars[13], is_closed=False))
            time.sleep(0.3)
        socket.send(kline(bars[13]))
        time.sleep(5)

    with Exchange(known, [first]) as exchange:
        follow(exchange, bars[13])
    assert [row[0] for row in landed(tmp_path / "w")] == [bar.session_date for bar in bars]


def test_a_busy_warehouse_is_waited_for_and_the_stream_goes_on(follow, tmp_path):
    bars = made_up(FIRST, 12)

    def first(socket):
        time.sleep(1.0)
        with held(tmp_path / "w", "other"):
            socket.send(kline(bars[11]))
            time.sleep(1.5)
        socket.send(kline(bars[11], is_closed=False))  # what is told every other second
        time.sleep(3)

    with Exchange(bars[:11], [first]) as exchange:
        follow(exchange, bars[11])
    assert "Landed later" in events(tmp_path)
    assert len(landed(tmp_path / "w")) == 12


@pytest.fixture
def decided(tmp_path) -> Iterator[Path]:
    """A published decision of 2026-01-28 that holds BTC-USDT, and a clock."""
    publish_small_warehouse(tmp_path / "w")
    con = warehouse.connect(published(tmp_path / "w"))
    con.execute("update main.target_exposures set symbol = 'BTC-USDT' where symbol = 'BTC-USD'")
    con.execute("create table main.clock_instants (clock varchar, decision_at timestamp)")
    for at in (*DECISIONS, DECISIONS[-1] + DAY):
        con.execute("insert into main.clock_instants values ('global', $1)", [at])
    con.close()
    return tmp_path


def test_the_portfolio_is_seen_within_seconds_of_a_close_and_a_due_decision_is_made(follow, decided):
    bars = made_up(FIRST, 25)  # the decision knows those to 2026-01-27
    sent, seen, made = [], [], []

    def first(socket):
        time.sleep(2.0)
        for bar in bars[22:24]:
            sent.append(time.monotonic())
            socket.send(kline(bar))
            until, file = time.monotonic() + 20, decided / "o" / state.STATE_FILE
            told = f"{bar.session_date + DAY}T00:00:00Z"
            while time.monotonic() < until:
                if file.exists() and json.loads(file.read_text())["last_bars"].get("BTC-USDT") == told:
                    break
                time.sleep(0.02)
            seen.append(time.monotonic())
        time.sleep(3)

    with Exchange(bars[:22], [first]) as exchange:
        said = follow(exchange, batches=3, on_due=lambda: made.append(1))
    took = [after - before for before, after in zip(sent, seen, strict=True)]
    assert max(took) < 10, took
    found = json.loads((decided / "o" / state.STATE_FILE).read_text())
    moved = bars[23].close / bars[17].close  # 2026-01-27 closed at midnight before the decision
    assert found["change_since_decision"] == pytest.approx(0.15 * (moved - 1))
    assert sum(found["weights"].values()) == pytest.approx(1.0)
    assert found["weights"]["BTC-USDT"] == pytest.approx(0.15 * moved / (1 + 0.15 * (moved - 1)))
    assert found["targets"]["BTC-USDT"] == 0.15
    assert found["decisions_due"] == 1
    assert made
    assert "since the decision" in said[-1]


def test_a_decision_that_fails_does_not_end_the_stream(follow, decided):
    bars = made_up(FIRST, 25)

    def first(socket):
        for bar in bars[22:24]:
            socket.send(kline(bar))
            time.sleep(2.5)

    def fail():
        raise InputError("no")

    with Exchange(bars[:22], [first]) as exchange:
        follow(exchange, batches=2, on_due=fail)
    assert events(decided).count("Decision failed") == 2


BAR = made_up(FIRST, 1)[0]
FEED = Feed("BTC-USDT", "binance", "BTCUSDT", "crypto", "none", 1)


def test_a_candle_is_read_as_rest_tells_it():
    told = klines.closed(kline(BAR))
    assert (told.vendor_symbol, told.session_date) == ("BTCUSDT", FIRST)
    answer = klines.answered(FEED, [told], NOW, NOW)
    [row] = answer.parsed.rows.to_pylist()
    assert [row[name] for name in ("open", "high", "low", "close", "volume")] == list(BAR[1:])
    assert answer.parsed.refused.num_rows == 0


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{", "not JSON"),
        (b"\xff", "not JSON"),
        (kline(BAR, i="1m"), "expected 1d"),
        (kline(BAR, x=None), "says whether it is closed"),
        (kline(BAR, x="true"), "says whether it is closed"),
        (kline(BAR, t=1.5), "instant"),
        (kline(BAR, o="cheap"), "number"),
        (kline(BAR, T=1), "day of UTC"),
        (kline(BAR, s=None), "expected a candle"),
        (json.dumps({"e": "kline", "k": []}), "says whether it is closed"),
        ("[" * 50_000, "not JSON"),
        (" " * 200_000, "bytes"),
    ],
)
def test_what_is_no_candle_is_refused_with_what_was_expected(message, expected):
    with pytest.raises(Malformed, match=expected) as error:
        klines.closed(message)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("message", ["[]", "1", '{"result":null}', '{"e":"trade"}', kline(BAR, x=False)])
def test_what_is_not_for_us_is_passed_over(message):
    assert klines.closed(message) is None


@pytest.mark.parametrize("url", ["ws://example.org", "http://127.0.0.1", "wss://u:p@host", "wss://host/?a=b"])
def test_an_address_that_is_not_safe_is_refused(tmp_path, monkeypatch, url):
    monkeypatch.setenv("PORTFOLIO_BINANCE_STREAM_URL", url)
    with pytest.raises(InputError, match="PORTFOLIO_BINANCE_STREAM_URL: expected an address"):
        list(stream(Streaming(["BTC-USDT"], "global", tmp_path, tmp_path, 1.0)))


@pytest.mark.parametrize("symbol", ["NOPE-USDT", "x'; drop table raw.bars"])
def test_a_symbol_without_a_feed_is_refused(tmp_path, monkeypatch, symbol):
    monkeypatch.setenv("PORTFOLIO_BINANCE_STREAM_URL", "ws://127.0.0.1:1")
    with pytest.raises(InputError, match="--symbol"):
        list(stream(Streaming([symbol], "global", tmp_path, tmp_path, 1.0)))
