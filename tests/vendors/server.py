"""A vendor on loopback: a real server on a real socket that speaks one vendor's shapes, and has bad days.

A shape is `tests/vendors/shapes/<vendor>.py`, and its name is that of the adapter. It has

- SYMBOL, VENDOR_SYMBOL, ASSET_CLASS: an asset that it knows;
- HISTORY: its Bars, more than two pages of them where it has pages; PAGES: how many requests tell them all;
- `speak(bars, now) -> Speak`: the vendor with these bars of VENDOR_SYMBOL at the naive UTC instant `now`,
  with its paging, its limits and its own errors;
- `session(row)`: the trading date of a parsed row, and `values(bar)`: what it must hold of that session,
  as (open, high, low, close, volume);
- GOOD: a few payloads as tuples of bytes, to be malformed by test_malformed.py;
- `rows_in(content) -> int`: the rows of a payload, counted without the adapter; 1 where it is unreadable.
"""

import gzip
import http.server
import importlib
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from python_steps import vendor_http
from python_steps.vendor_http import Patience, VendorHttp

# Quick, for a vendor that is in this process; a bad day must still fit.
QUICK = Patience(
    connect=2, read=1, answer=1.5, tries=4, all_tries=8, first_wait=0.01, longest_wait=0.05, jitter=0.01
)


@dataclass(frozen=True)
class Asked:
    """One request as it came; names of headers in lower case."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What is sent back; a body is sent as gzip where the client takes that."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Speak = Callable[[Asked], Reply]
Handler = http.server.BaseHTTPRequestHandler
# A bad day sends something else than the good reply, or sends that badly.
BadDay = Callable[[Handler, Reply], None]


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply of compact JSON."""
    return Reply(
        status,
        json.dumps(value, separators=(",", ":")).encode(),
        {"Content-Type": "application/json", **(headers or {})},
    )


class Server:
    """Starts with `with`; `url` is its address, `asked` what it was asked, `bad_days` what is to come."""

    def __init__(self, speak: Speak, *bad_days: BadDay | None) -> None:
        self.speak = speak
        self.asked: list[Asked] = []
        self.bad_days: deque[BadDay | None] = deque(bad_days)

    def __enter__(self) -> Self:
        ours = self

        class Answers(_Answers):
            vendor = ours

        self._server = _Server(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def tell(self, *bad_days: BadDay | None) -> None:
        """The next requests meet these, one each; None is a good day between."""
        self.bad_days.extend(bad_days)


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *told: object) -> None:
        """A client that leaves is no error here; a shape that fails is, and is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*told)


class _Answers(http.server.BaseHTTPRequestHandler):
    vendor: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): text for name, text in self.headers.items()},
        )
        self.vendor.asked.append(asked)
        bad_day = self.vendor.bad_days.popleft() if self.vendor.bad_days else None
        (bad_day or send)(self, self.vendor.speak(asked))

    def log_message(self, *_: object) -> None:
        pass


def send(handler: Handler, reply: Reply) -> None:
    """The reply, well and whole."""
    body, headers = reply.body, dict(reply.headers)
    if body and "gzip" in handler.headers.get("Accept-Encoding", "") and "Content-Encoding" not in headers:
        body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
    send_head(handler, reply.status, {**headers, "Content-Length": str(len(body))})
    handler.wfile.write(body)


def send_head(handler: Handler, status: int, headers: Mapping[str, str]) -> None:
    """Status and headers, and nothing that is not named."""
    handler.send_response_only(status)
    for name, text in headers.items():
        handler.send_header(name, text)
    handler.end_headers()


def shapes() -> dict[str, ModuleType]:
    """The shape of each vendor that there is an adapter for; one that lacks it is an error."""
    return {name: importlib.import_module(f"tests.vendors.shapes.{name}") for name in vendor_http.vendors()}


def connect(vendor: str, server: Server, *, key: str | None = None, patience: Patience = QUICK) -> VendorHttp:
    """The adapter's connection, to `server`, without a pace."""
    rate = vendor_http.Rate(1000, 1)
    return VendorHttp(vendor, base_url=server.url, rate=rate, key=key, patience=patience)
