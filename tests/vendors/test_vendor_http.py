"""What the connection to a vendor promises, over real sockets to a server that has bad days."""

import concurrent.futures
import time
import tracemalloc
from dataclasses import replace

import pytest

from python_steps.payloads import VendorError
from python_steps.vendor_http import LARGEST_ANSWER, Patience, Rate, TryAgain, VendorHttp
from tests.vendors import bad_days
from tests.vendors.server import QUICK, Reply, Server, as_json

GOOD = [[1, 2, 3]] * 50


def good(asked):
    return as_json(GOOD)


@pytest.fixture
def server():
    with Server(good) as found:
        yield found


def ask(server, patience=QUICK, rate=None, **told):
    with VendorHttp("v", base_url=server.url, rate=rate or Rate(1000, 1), patience=patience) as http:
        return http.get("/path", {"symbol": "A B"}, **told)


PASSING = {
    "429 without Retry-After": bad_days.too_many(),
    "429 that is no JSON": bad_days.too_many(after=0, body="<html>\x1b[31mslow down</html>"),
    "429 with a senseless Retry-After": bad_days.says(429, Retry_After="soon"),
    "418": bad_days.too_many(418, after=0),
    "500": bad_days.says(500, "oops"),
    "503": bad_days.says(503, b"\xff\xfe"),
    "reset in mid-body": bad_days.is_reset,
    "cut short": bad_days.is_cut,
    "cut gzip": bad_days.is_cut_gzip,
    "no gzip": bad_days.is_no_gzip,
    "no HTTP": bad_days.is_unreadable,
    "silence": bad_days.is_silent,
    "slow drip": bad_days.drips,
    "slow drip of the head": bad_days.drips_head,
    "slow drip without length": bad_days.drips_without_length,
}


@pytest.mark.parametrize("day", PASSING)
def test_what_passes_is_asked_again(server, day):
    server.tell(PASSING[day])
    answer = ask(server, replace(QUICK, answer=0.5, read=0.4))
    assert (answer.status, answer.content) == (200, good(None).body)
    assert len(server.asked) == 2  # what drips would answer in the end, had it been waited for


@pytest.mark.parametrize("day", PASSING)
def test_patience_ends_with_one_line_that_names_the_request(server, day):
    server.tell(*[PASSING[day]] * 9)
    with pytest.raises(VendorError) as error:
        ask(server, replace(QUICK, answer=0.3, read=0.25, tries=2))
    assert str(error.value).startswith("v:/path?symbol=A+B: ")
    assert str(error.value).isprintable()
    assert len(server.asked) == 2


def test_retry_after_in_seconds_is_waited_for(server):
    server.tell(bad_days.too_many(after=1))
    began = time.monotonic()
    ask(server)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("clock_ahead", [0, 7200, -7200])
def test_retry_after_as_a_date_is_waited_for_by_the_clock_of_the_vendor(server, clock_ahead):
    server.tell(bad_days.too_many_until(2, clock_ahead))
    began = time.monotonic()
    ask(server)
    assert time.monotonic() - began >= 1.9


def test_a_vendor_that_wants_peace_for_longer_than_patience_is_not_asked_again(server):
    server.tell(bad_days.too_many(418, after=3600))
    with VendorHttp("v", base_url=server.url, rate=Rate(1000, 1), patience=QUICK) as http:
        with pytest.raises(VendorError, match="HTTP 418"):
            http.get("/path")
        with pytest.raises(VendorError, match="leaves no request for 3"):
            http.get("/another")
    assert len(server.asked) == 1


def test_a_vendor_that_is_not_there_is_asked_again_and_named(server):
    with Server(good) as gone:
        pass
    with pytest.raises(VendorError, match=r"v:/path.*ConnectError"):
        ask(gone)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 451])
def test_what_does_not_pass_is_handed_on_at_once(server, status):
    server.tell(bad_days.says(status, '{"message": "no"}'))
    answer = ask(server)
    assert (answer.status, answer.content) == (status, b'{"message": "no"}')
    assert len(server.asked) == 1


def test_a_redirect_is_not_followed_and_names_the_other_host(server):
    with Server(good) as other:
        server.tell(bad_days.redirects(f"{other.url}/path?apikey=k"))
        with pytest.raises(VendorError, match=r"redirects to '127\.0\.0\.1'"):
            ask(server)
        assert not other.asked
    assert len(server.asked) == 1


def test_a_bomb_is_refused_before_it_fills_memory(server):
    server.tell(bad_days.bomb(128))
    tracemalloc.start()
    with pytest.raises(VendorError, match="more than"):
        ask(server)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LARGEST_ANSWER
    assert len(server.asked) == 1


def test_a_body_without_end_is_refused(server):
    server.tell(lambda handler, reply: bad_days.send(handler, Reply(200, bytes(LARGEST_ANSWER + 1))))
    with pytest.raises(VendorError, match="more than"):
        ask(server)
    handed = bytes(LARGEST_ANSWER + 1)
    server.tell(
        lambda handler, reply: bad_days.send(handler, Reply(200, handed, {"Content-Encoding": "identity"}))
    )
    with pytest.raises(VendorError, match="larger than"):
        ask(server)


def test_a_check_may_find_that_a_good_status_passes(server):
    seen = []

    def check(answer):
        seen.append(answer)
        if len(seen) < 3:
            raise TryAgain("HTTP 200 that says later", 0.2)

    began = time.monotonic()
    assert ask(server, check=check) is seen[2]
    assert time.monotonic() - began >= 0.4


def test_all_tries_together_are_bounded(server):
    server.tell(*[bad_days.drips] * 20)
    with pytest.raises(VendorError):
        ask(server, replace(QUICK, answer=0.4, all_tries=1, tries=20))
    assert 1 <= len(server.asked) <= 3  # of 0.4 seconds each; twenty, were each bounded alone


def test_requests_keep_the_pace_of_the_vendor_whoever_makes_them(server):
    with VendorHttp("v", base_url=server.url, rate=Rate(4, 0.8), patience=QUICK) as http:
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: http.get("/path"), range(12)))
        took = time.monotonic() - began
    assert took >= 1.6  # four at once, and eight more at five a second


def test_tries_keep_the_pace_too(server):
    server.tell(*[bad_days.says(500)] * 3)
    began = time.monotonic()
    ask(server, rate=Rate(1, 0.3))
    assert time.monotonic() - began >= 0.9


def test_one_connection_serves_all_requests(server):
    ports = set()
    server.speak = lambda asked: as_json(1)
    server.tell(
        *[lambda handler, reply: (ports.add(handler.client_address), bad_days.send(handler, reply))] * 5
    )
    with VendorHttp("v", base_url=server.url, rate=Rate(1000, 1), patience=QUICK) as http:
        for _ in range(5):
            http.get("/path")
    assert len(ports) == 1


def test_the_default_patience_bounds_a_request_to_minutes():
    patience = Patience()
    assert patience.answer < patience.all_tries <= 300
