"""What a vendor does on a bad day, to be put before any good answer with `Server.tell`."""

import gzip
import socket
import struct
import time
from email.utils import formatdate

from tests.vendors.server import BadDay, Handler, Reply, send, send_head


def says(status: int, body: bytes | str = b"", **headers: str) -> BadDay:
    """Another reply: `says(429, "slow down", Retry_After="1")`."""
    told = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda handler, good: send(handler, Reply(status, told, named))


def too_many(status: int = 429, *, after: float | None = None, body: bytes | str = b"{}") -> BadDay:
    """429, or Binance's 418, with Retry-After in seconds or without."""
    return says(status, body, **({} if after is None else {"Retry_After": str(after)}))


def too_many_until(seconds: float, clock_ahead: float = 0.0) -> BadDay:
    """429 with Retry-After as a date, on a server whose clock may be ahead of ours."""

    def bad_day(handler: Handler, good: Reply) -> None:
        now = time.time() + clock_ahead
        dates = {"Date": formatdate(now, usegmt=True), "Retry-After": formatdate(now + seconds, usegmt=True)}
        send(handler, Reply(429, b"{}", dates))

    return bad_day


def redirects(to: str) -> BadDay:
    """302 to another place."""
    return says(302, b"", Location=to)


def empty(handler: Handler, good: Reply) -> None:
    """200 and nothing."""
    send(handler, Reply(200, b"", good.headers))


def is_reset(handler: Handler, good: Reply) -> None:
    """Half of the body, then a reset (RST, by a linger of zero)."""
    send_head(handler, good.status, {**good.headers, "Content-Length": str(len(good.body))})
    handler.wfile.write(good.body[: len(good.body) // 2])
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _end(handler)


def is_cut(handler: Handler, good: Reply) -> None:
    """Half of the body where Content-Length promised it all, then a proper end."""
    send_head(handler, good.status, {**good.headers, "Content-Length": str(len(good.body))})
    handler.wfile.write(good.body[: len(good.body) // 2])
    _end(handler)


def is_cut_honestly(handler: Handler, good: Reply) -> None:
    """Half of the body, and Content-Length says so: only its JSON tells."""
    send(handler, Reply(good.status, good.body[: len(good.body) // 2], good.headers))


def is_cut_gzip(handler: Handler, good: Reply) -> None:
    """A gzip without its end, of honest length."""
    body = gzip.compress(good.body)
    send(handler, Reply(good.status, body[: len(body) // 2], {**good.headers, "Content-Encoding": "gzip"}))


def is_no_gzip(handler: Handler, good: Reply) -> None:
    """Content-Encoding says gzip, and it is none."""
    send(handler, Reply(good.status, good.body, {**good.headers, "Content-Encoding": "gzip"}))


def bomb(megabytes: int = 128) -> BadDay:
    """A small gzip that inflates to `megabytes`."""
    packed = gzip.compress(bytes(megabytes * 2**20), 9)
    return says(200, packed, Content_Encoding="gzip")


def drips(handler: Handler, good: Reply) -> None:
    """A byte of the body now and then, each within a read time-out, for a minute or until we are left."""
    send_head(handler, good.status, {**good.headers, "Content-Length": "600"})
    _drip(handler, b" " * 600)


def drips_head(handler: Handler, good: Reply) -> None:
    """The same with the headers."""
    _drip(handler, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 600)


def drips_without_length(handler: Handler, good: Reply) -> None:
    """The same with a body that ends where the connection does."""
    send_head(handler, good.status, {**good.headers, "Connection": "close"})
    _drip(handler, b" " * 600)


def is_silent(handler: Handler, good: Reply) -> None:
    """Takes the question and never answers."""
    time.sleep(5)
    _end(handler)


def is_unreadable(handler: Handler, good: Reply) -> None:
    """Something that is no HTTP."""
    handler.wfile.write(b"\x00\x01\x02 not HTTP\r\n\r\n")
    _end(handler)


def _drip(handler: Handler, content: bytes) -> None:
    try:
        for at in range(len(content)):
            handler.wfile.write(content[at : at + 1])
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass
    _end(handler)


def _end(handler: Handler) -> None:
    handler.close_connection = True
