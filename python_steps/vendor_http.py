"""HTTP to vendors: patient with what passes, at their pace, bounded in time and size, silent about keys."""

import datetime as dt
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx
import stamina
import structlog

from python_steps import plugins
from python_steps.errors import InputError
from python_steps.payloads import VendorError, VendorPayload, VendorRequest
from python_steps.scrub import hide, scrub, scrub_bytes
from python_steps.settings import vendor_settings

ADAPTERS = "python_steps.adapters"
USER_AGENT = "portfolio-warehouse"
# Ten times the longest history that any of the vendors sends.
LARGEST_ANSWER = 32 * 2**20
INFLATED_AT_ONCE = 2**16
LONGEST_QUOTE = 200
# And all from 500 on. 418 is how Binance bans an address for a while.
PASSING = frozenset({408, 418, 425, 429})

Params = Mapping[str, str | int]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rate:
    """At most `requests` at once, refilled evenly over `seconds`.

    A full bucket and its refill fit into one window, so an adapter states half of what its vendor allows.
    """

    requests: int
    seconds: float


@dataclass(frozen=True)
class Patience:
    """How long to wait for a vendor, in seconds.

    `answer` bounds one answer from connecting to its last byte; `tries` and `all_tries` bound them together,
    and a vendor that asks to be left alone for longer than what is left is left alone: that is an error.
    """

    connect: float = 10.0
    read: float = 20.0
    answer: float = 60.0
    tries: int = 6
    all_tries: float = 180.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    jitter: float = 0.5


@dataclass(frozen=True)
class Answer:
    """What a vendor said, its transfer encoding undone and secrets scrubbed; names of headers in lower case.

    `source` is vendor, path and query without what is secret, and without the host: a mirror tells the same.
    """

    status: int
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    source: str


class TryAgain(Exception):
    """Something that passes; `after` is how many seconds the vendor asks to wait, if it says so."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(scrub(message))
        self.after = after


class Unreadable(ValueError):
    """Bytes that cannot be inflated: not gzip, or cut short."""


class TooLarge(Unreadable):
    """More bytes than any answer needs."""


class VendorHttp:
    """The connection to one vendor; its requests go one after another, and share one rate.

    `progress` is called by adapters with (what, number, of how many) as a long load goes on.
    """

    def __init__(
        self,
        vendor: str,
        *,
        base_url: str,
        rate: Rate,
        key: str | None = None,
        secrets: tuple[str, ...] = (),
        patience: Patience | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.vendor = vendor
        self.key = key
        self.progress: Progress = progress or (lambda what, number, of: None)
        self._base_url = base_url.rstrip("/")
        self._patience = patience or Patience()
        self._bucket = _Bucket(rate)
        self._wire: Any = None
        self._client = httpx.Client(
            timeout=httpx.Timeout(
                self._patience.read, connect=self._patience.connect, pool=self._patience.all_tries
            ),
            # One connection, kept alive: polite, and `_bounded` knows which one to cut.
            limits=httpx.Limits(max_connections=1),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
            follow_redirects=False,
        )
        for secret in (*secrets, key or ""):
            hide(secret)

    def __repr__(self) -> str:
        return f"VendorHttp({self.vendor!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self,
        path: str,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        hidden: Mapping[str, str] | None = None,
        check: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """The answer to GET `path`, whatever its status, unless that is one that passes.

        `hidden` are parameters that are secret: sent, and neither in `source` nor in any log. `check` may
        raise TryAgain where the body of an answer says that it will pass.

        Asks again after connection errors, time-outs, answers cut short, 408, 418, 425, 429 and 5xx, with
        jitter and as the vendor's Retry-After says. Raises VendorError when patience ends, or at once for
        an answer that is too large or that redirects.
        """
        for secret in (hidden or {}).values():
            hide(secret)
        source = scrub(f"{self.vendor}:{path}" + (f"?{urlencode(params)}" if params else ""))
        request = self._client.build_request(
            "GET", self._base_url + path, params={**(params or {}), **(hidden or {})}, headers=headers
        )
        ends_at = time.monotonic() + self._patience.all_tries
        try:
            return self._patiently(request, source, check, ends_at)
        except TryAgain as error:
            raise VendorError(f"{error}; gave up, try again later") from None

    def payload(self, request: VendorRequest, answer: Answer) -> VendorPayload:
        """`answer` as the payload for `request`, fetched now."""
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        return VendorPayload(self.vendor, request.symbol, answer.source, answer.content, now)

    def refusal(self, request: VendorRequest, answer: Answer, said: object, remedy: str) -> VendorError:
        """The error to raise where a vendor will not serve `request`: one line, without a secret."""
        return VendorError(
            f"{self.vendor}: {request.symbol} (as {request.vendor_symbol}): HTTP {answer.status},"
            f" {quoted(said)}; {remedy}"
        )

    def _patiently(
        self,
        request: httpx.Request,
        source: str,
        check: Callable[[Answer], object] | None,
        ends_at: float,
    ) -> Answer:
        patience = self._patience

        def left() -> float:
            return ends_at - time.monotonic()

        def wait(error: Exception) -> bool | float:
            """Whether to ask again, and after how many seconds if the vendor says so (stamina's hook)."""
            if not isinstance(error, TryAgain):
                return False
            if error.after is None:
                return True
            self._bucket.hold(error.after)
            return error.after <= left() and error.after + random.uniform(0, patience.jitter)  # noqa: S311

        for attempt in stamina.retry_context(
            on=wait,
            attempts=patience.tries,
            timeout=patience.all_tries,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.jitter,
        ):
            with attempt:
                answer = self._bucket.take(left()) or _checked(self._ask(request, source), check)
                if isinstance(answer, TryAgain):
                    raise TryAgain(f"{source}: {answer}", answer.after)
                if isinstance(answer, VendorError):
                    raise answer
                return answer
        raise AssertionError("unreachable")

    def _ask(self, request: httpx.Request, source: str) -> Answer | TryAgain | VendorError:
        """One answer, or why there is none: as a value, so that no error of httpx, which holds the request,
        is the context of what is raised.
        """
        ran_out = threading.Event()
        try:
            with self._bounded(request, ran_out):
                response = self._client.send(request, stream=True)
                try:
                    answer = _answer(response, source)
                finally:
                    response.close()
        except httpx.HTTPError as error:
            answer = TryAgain(f"{type(error).__name__}: {' '.join(str(error).split())}")
        if ran_out.is_set():
            return TryAgain(f"no whole answer within {self._patience.answer:g} s")
        return answer

    @contextmanager
    def _bounded(self, request: httpx.Request, ran_out: threading.Event) -> Iterator[None]:
        """Cuts the connection after `patience.answer` seconds: httpx's own time-outs are per read, so a
        server that drips head or body a byte at a time could hold us for ever.
        """

        def watch(event: str, info: Mapping[str, Any]) -> None:
            if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
                self._wire = info["return_value"].get_extra_info("socket")
                if ran_out.is_set():
                    _shut(self._wire)

        def cut() -> None:
            ran_out.set()
            _shut(self._wire)

        request.extensions["trace"] = watch
        timer = threading.Timer(self._patience.answer, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def vendors() -> dict[str, ModuleType]:
    """The adapters that ask a vendor, by name; that of a user's files does not."""
    return {name: found for name, found in plugins.discover(ADAPTERS).items() if hasattr(found, "BASE_URL")}


def client(vendor: str, *, patience: Patience | None = None, progress: Progress | None = None) -> VendorHttp:
    """The connection to `vendor`, by the constants of its adapter and the settings of the environment.

    Raises InputError: no such vendor, a bad setting, or a key that is needed and not set.
    """
    adapters = vendors()
    if vendor not in adapters:
        raise InputError(f"no vendor '{vendor}'; there are: {', '.join(adapters)}")
    adapter = adapters[vendor]
    settings = vendor_settings(vendor)
    if adapter.KEY and not settings.key:
        name = f"PORTFOLIO_{vendor.upper()}_KEY"
        raise InputError(f"{vendor}: needs a key; set {name}, or {name}_FILE to the file that holds it")
    return VendorHttp(
        vendor,
        base_url=settings.url or adapter.BASE_URL,
        rate=adapter.RATE,
        key=settings.key.get_secret_value() if settings.key else None,
        patience=patience,
        progress=progress,
    )


def quoted(said: object) -> str:
    """What a vendor said, as one short line of printable characters without a secret."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    line = " ".join(scrub(text).split())[:LONGEST_QUOTE]
    return "'" + "".join(mark if mark.isprintable() else "?" for mark in line) + "'"


def inflated(chunks: Iterable[bytes], limit: int = LARGEST_ANSWER) -> bytes:
    """The content of a gzip that comes in `chunks`; raises Unreadable, before more than `limit` is held."""
    content, inflater = bytearray(), zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for chunk in chunks:
            while chunk:
                if inflater.eof:  # a gzip may have several members, and zeros that pad it
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
                content += inflater.decompress(chunk, INFLATED_AT_ONCE)
                if len(content) > limit:
                    raise TooLarge(f"inflates to more than {limit} bytes")
                chunk = inflater.unconsumed_tail or inflater.unused_data
        content += inflater.flush()
    except zlib.error as error:
        raise Unreadable(f"cannot be inflated ({error})") from None
    if not inflater.eof:
        raise Unreadable("its gzip is cut short")
    return bytes(content)


class _Bucket:
    """A token bucket: each request takes a token, and waits for one where there is none."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._tokens = float(rate.requests)
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, patience: float) -> TryAgain | None:
        """Wait for a token; where that takes more than `patience` seconds, say so at once and take none."""
        with self._lock:
            self._fill()
            needed = (1 - self._tokens) * self._rate.seconds / self._rate.requests
            if needed > max(patience, 0):
                return TryAgain(f"its pace leaves no request for {needed:.0f} s", needed)
            self._tokens -= 1
        time.sleep(max(needed, 0))
        return None

    def hold(self, seconds: float) -> None:
        """No token for so long: the vendor asked to be left alone."""
        with self._lock:
            self._fill()
            self._tokens = min(self._tokens, 1 - seconds * self._rate.requests / self._rate.seconds)

    def _fill(self) -> None:
        now = time.monotonic()
        earned = (now - self._filled_at) * self._rate.requests / self._rate.seconds
        self._tokens = min(self._rate.requests, self._tokens + earned)
        self._filled_at = now


def _answer(response: httpx.Response, source: str) -> Answer | TryAgain | VendorError:
    status, headers = response.status_code, {name.lower(): text for name, text in response.headers.items()}
    if 300 <= status < 400:
        host = urlsplit(headers.get("location", "")).hostname or "another path"
        return VendorError(f"{source}: redirects to {quoted(host)}; expected an answer, check the address")
    try:
        content = scrub_bytes(_body(response, headers.get("content-encoding", "identity").lower()))
    except TooLarge as error:
        return VendorError(f"{source}: {error}; expected an answer of at most {LARGEST_ANSWER} bytes")
    except Unreadable as error:
        return TryAgain(str(error))
    if status >= 500 or status in PASSING:
        return TryAgain(f"HTTP {status}, {quoted(content)}", _retry_after(headers))
    return Answer(status, content, {name: scrub(text) for name, text in headers.items()}, source)


def _body(response: httpx.Response, encoding: str) -> bytes:
    if encoding in {"gzip", "x-gzip"}:
        return inflated(response.iter_raw())
    if encoding != "identity":
        raise Unreadable(f"comes in encoding {quoted(encoding)}; expected gzip or none")
    content = bytearray()
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > LARGEST_ANSWER:
            raise TooLarge("is larger than any history")
    return bytes(content)


def _checked(
    answer: Answer | TryAgain | VendorError, check: Callable[[Answer], object] | None
) -> Answer | TryAgain | VendorError:
    if check and isinstance(answer, Answer):
        try:
            check(answer)
        except TryAgain as error:
            return error
    return answer


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by Retry-After, a number or a date (RFC 9110, 10.2.3); None where it says neither.

    A date is measured from the vendor's own Date where there is one: clocks differ.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return float(text)
    if not (until := _instant(text)):
        return None
    now = _instant(headers.get("date", "")) or dt.datetime.now(dt.UTC)
    return max(0.0, (until - now).total_seconds())


def _instant(http_date: str) -> dt.datetime | None:
    try:
        instant = parsedate_to_datetime(http_date)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def _shut(wire: socket.socket | None) -> None:
    """Ends a connection so that a read that waits in another thread returns; it may be closed already."""
    if wire is not None:
        with suppress(OSError):
            socket.socket.shutdown(wire, socket.SHUT_RDWR)


def _say(details: stamina.instrumentation.RetryDetails) -> None:
    structlog.get_logger().warning(
        "Vendor is asked again",
        attempt=details.retry_num + 1,
        wait=round(details.wait_for, 1),
        error=str(details.caused_by),
    )


stamina.instrumentation.set_on_retry_hooks([_say])
