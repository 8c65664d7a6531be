"""`portfolio stream`: closed candles from a websocket into landing files and micro-batches, gaps by REST.

A candle is written to a file of its own before anything is done with it, and the file goes when it is
published: killed at any point, the next start lands what was left. What the warehouse holds is the same
whether a bar came by the stream, by REST or by both, since equal versions are not landed twice.
"""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import logs, vendors
from flows.land import run_land
from flows.lock import Busy
from flows.publish import published, write_atomically
from flows.requests import LandRequest, naive_utc
from flows.streaming import klines, state
from flows.streaming.klines import Kline
from flows.vendors import DAY, Feed
from python_steps import names, study, warehouse
from python_steps.adapters._reading import Malformed
from python_steps.errors import InputError
from python_steps.settings import SOCKET, vendor_settings

SERVICE = "binance_stream"  # PORTFOLIO_BINANCE_STREAM_URL
BASE_URL = "wss://data-stream.binance.vision"
FOLDER = "stream"
SETTLE = 0.5  # seconds in which the candles of a midnight gather
SILENCE = 60.0  # an open candle is told every few seconds
OPEN_WAIT = 10.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0


@dataclass(frozen=True)
class Streaming:
    """What a stream is for. `batches` ends it after so many that landed something; None goes on."""

    symbols: Sequence[str]
    portfolio: str
    warehouse: Path
    out: Path
    lock_wait: float
    batches: int | None = None
    is_json: bool = False
    on_due: Callable[[], Any] | None = None  # makes the decision that is due


def stream(asked: Streaming) -> Iterator[str]:
    """Follow the stream until it is interrupted, or has landed enough; says what each batch came to.

    Raises InputError where a symbol has no feed or the address is not safe.
    """
    url = (vendor_settings(SERVICE, SOCKET).url or BASE_URL).rstrip("/")
    yield from _Stream(asked, url).follow()


class _Stream:
    def __init__(self, asked: Streaming, url: str) -> None:
        self.asked = asked
        self.feeds = {feed.vendor_symbol: feed for feed in _feeds(asked)}
        self.address = f"{url}/stream?streams={'/'.join(map(klines.stream_name, self.feeds.values()))}"
        self.folder = asked.warehouse / FOLDER
        self.landed = 0
        self.gaps = {feed.symbol for feed in self.feeds.values()}  # of whom something may be missing
        self.fill_at = 0.0
        self.wait = self.fill_wait = FIRST_WAIT
        self._open_log()

    def _open_log(self) -> None:
        self.log = logs.configure(self.asked.out, "stream", json_only=self.asked.is_json)

    @property
    def is_done(self) -> bool:
        return self.asked.batches is not None and self.landed >= self.asked.batches

    def follow(self) -> Iterator[str]:
        """Connect, listen, and connect again when that ends."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        while not self.is_done:
            try:
                with connect(
                    self.address, open_timeout=OPEN_WAIT, close_timeout=1, max_size=klines.LONGEST, proxy=None
                ) as socket:
                    self.log.info("Stream connected", symbols=len(self.feeds))
                    # Nobody knows what was told before we listened.
                    self.gaps = {feed.symbol for feed in self.feeds.values()}
                    self.fill_at = 0.0
                    yield from self._listen(socket)
            except (OSError, WebSocketException) as error:  # a time-out is an OSError
                self.log.warning("Stream lost", error=f"{type(error).__name__}: {error}", wait=self.wait)
                time.sleep(self.wait)
                self.wait = min(self.wait * 2, LONGEST_WAIT)

    def _listen(self, socket: Any) -> Iterator[str]:
        yield from self._settle()
        while not self.is_done:
            self._keep(socket.recv(timeout=SILENCE))
            until = time.monotonic() + SETTLE
            while self._waiting() and (left := until - time.monotonic()) > 0:
                try:
                    self._keep(socket.recv(timeout=left))
                except TimeoutError:
                    break
            self.wait = FIRST_WAIT
            yield from self._settle()

    def _keep(self, message: str | bytes) -> None:
        """Write a closed candle to a file of its own; a repeated one is the same file."""
        try:
            kline = klines.closed(message)
        except Malformed as error:
            self.log.warning("Message not read", reason=str(error))
            return
        if kline is None:
            return
        if kline.vendor_symbol not in self.feeds:
            self.log.warning("Candle nobody asked for", symbol=kline.vendor_symbol[:40])
            return
        content = json.dumps([kline.vendor_symbol, kline.session_date.isoformat(), kline.fields]).encode()
        digest = hashlib.sha256(content).hexdigest()[:16]
        file = self.folder / f"{kline.vendor_symbol}-{kline.session_date}-{digest}.json"
        if not file.exists():
            write_atomically(file, content)

    def _waiting(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"), key=lambda file: (file.stat().st_mtime_ns, file.name))

    def _settle(self) -> Iterator[str]:
        """Fill what is missing, land what waits, say where the portfolio stands; or leave it for later."""
        told = {file: _read(file) for file in self._waiting()}
        told = {file: one for file, one in told.items() if one.vendor_symbol in self.feeds}
        self.gaps |= self._left_out(told.values())
        is_asked = bool(self.gaps) and time.monotonic() >= self.fill_at
        if not (told or is_asked):
            return
        try:
            rows = self._fill() if is_asked else 0
            ready = {file: one for file, one in told.items() if self._symbol(one) not in self.gaps}
            rows += self._land(list(ready.values()))
        except (Busy, InputError) as error:
            self.log.warning("Landed later", error=str(error))
            return
        finally:
            self._open_log()  # each landing has a log of its own
        for file in ready:
            file.unlink()
        if rows or ready:
            self.landed += bool(rows)
            yield self._said(rows, len(ready))

    def _symbol(self, one: Kline) -> str:
        return self.feeds[one.vendor_symbol].symbol

    def _fill(self) -> int:
        """Ask the REST service for what may be missing; returns the new versions. Raises InputError, Busy."""
        self.fill_at = time.monotonic() + self.fill_wait
        self.fill_wait = min(self.fill_wait * 2, LONGEST_WAIT)
        result = run_land(self._request(sorted(self.gaps)))
        self.gaps = {failure.symbol for failure in result.failures}
        if not self.gaps:
            self.fill_wait = FIRST_WAIT
        return result.report.rows_landed

    def _land(self, told: Sequence[Kline]) -> int:
        """Land candles, those that were told anew in a batch of their own; returns the new versions."""
        rows = 0
        while told:
            first = {(one.vendor_symbol, one.session_date): one for one in reversed(told)}
            request = self._request([feed.symbol for feed in self.feeds.values()])
            answers = [
                klines.answered(feed, mine, request.as_of, request.as_of)
                for symbol, feed in self.feeds.items()
                if (mine := [one for one in first.values() if one.vendor_symbol == symbol])
            ]
            rows += run_land(request, answers).report.rows_landed
            told = [one for one in told if one not in first.values()]
        return rows

    def _left_out(self, told: Iterable[Kline]) -> set[str]:
        """Symbols of which a candle comes more than a day after the last one."""
        candles = sorted(told, key=lambda kline: kline.session_date)
        last = _last_sessions(self.asked.warehouse) if candles else {}
        found = set()
        for one in candles:
            symbol = self._symbol(one)
            if symbol not in last or one.session_date > last[symbol] + DAY:
                found.add(symbol)
            last[symbol] = max(last.get(symbol, one.session_date), one.session_date)
        return found

    def _request(self, symbols: list[str]) -> LandRequest:
        return LandRequest(
            vendors=[klines.VENDOR],
            symbols=symbols,
            as_of=_now(),
            warehouse=self.asked.warehouse,
            out=self.asked.out,
            lock_wait=self.asked.lock_wait,
            is_json=self.asked.is_json,
        )

    def _said(self, rows: int, candles: int) -> str:
        at, asked = _now(), self.asked
        found = state.write(asked.warehouse, asked.portfolio, asked.out, at)
        if found and found["decisions_due"] and asked.on_due:
            try:
                asked.on_due()
            except Exception as error:  # the run has told of it; the stream goes on
                self._open_log()
                self.log.error("Decision failed", error=f"{type(error).__name__}: {error}")
            self._open_log()
            found = state.write(asked.warehouse, asked.portfolio, asked.out, at)
        value = f", {found['change_since_decision']:+.2%} since the decision" if found else ""
        return f"{at.isoformat(timespec='seconds')}Z: {candles} candles, {rows} new rows{value}"


def _feeds(asked: Streaming) -> list[Feed]:
    for symbol in asked.symbols:
        if not names.is_symbol(symbol):
            raise InputError(f"--symbol: {symbol[:40]!r} is no symbol; {names.SYMBOL_EXPECTED}")
    con = warehouse.connect(":memory:")
    try:
        warehouse.create_tables(con)
        seeds = study.tables(study.read_study())
        return vendors.chosen(con, vendors.Wanted([klines.VENDOR], asked.symbols), seeds)
    finally:
        con.close()


def _read(file: Path) -> Kline:
    vendor_symbol, session_date, fields = json.loads(file.read_bytes())
    return Kline(vendor_symbol, dt.date.fromisoformat(session_date), tuple(fields))


def _last_sessions(folder: Path) -> dict[str, dt.date]:
    if not published(folder).exists():
        return {}
    con = warehouse.connect(published(folder), read_only=True)
    try:
        query = "select symbol, max(session_date) from raw.bars where vendor = $vendor group by symbol"
        return dict(con.execute(query, {"vendor": klines.VENDOR}).fetchall())
    finally:
        con.close()


def _now() -> dt.datetime:
    return naive_utc(dt.datetime.now(dt.UTC))
