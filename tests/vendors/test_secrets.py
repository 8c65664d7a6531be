"""No key in any log, error, representation or payload; with controls in which the search finds one."""

import contextlib
import io
import json
import logging
import sys
import traceback
from dataclasses import replace
from urllib.parse import quote

import pytest

from flows import logs
from python_steps import scrub, vendor_http
from python_steps.errors import InputError
from python_steps.payloads import VendorError, VendorRequest
from python_steps.settings import vendor_settings
from python_steps.vendor_http import Rate, TryAgain, VendorHttp
from tests.vendors import bad_days
from tests.vendors.server import QUICK, Server, as_json, send, shapes
from tests.vendors.test_every_vendor import last_days

PLAIN = "canary-5c0be1d4a7"
ODD = "canary/+=&%~'\"(5c0be1d4a7)"
KEYS = pytest.mark.parametrize("key", [PLAIN, ODD], ids=["plain", "odd"])
MARK = "5c0be1d4a7"  # what is searched for: it stands in every form of both keys


class Trail:
    """Everything that a piece of work leaves behind, as text."""

    def __init__(self, directory):
        self.parts = []
        self.directory = directory

    @contextlib.contextmanager
    def kept(self):
        """Follows all loggers at DEBUG, the run's own log, both outputs, and errors."""
        records, out = io.StringIO(), io.StringIO()
        handler = logging.StreamHandler(records)
        root, before = logging.getLogger(), logging.getLogger().level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        logs.configure(self.directory, "run")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                yield self
            finally:
                root.removeHandler(handler)
                root.setLevel(before)
                log = self.directory / logs.LOG_FILE
                self.parts += [records.getvalue(), out.getvalue(), log.read_text() if log.exists() else ""]

    def error(self, error):
        """The error, its traceback, and every error behind it."""
        self.parts += traceback.format_exception(error)
        while error is not None:
            self.parts += [str(error), repr(error), repr(vars(error))]
            error = error.__cause__ or error.__context__

    @property
    def holds_key(self):
        return any(MARK in part for part in self.parts)


@pytest.fixture
def trail(tmp_path):
    return Trail(tmp_path)


def echoes(status, key, **headers):
    return bad_days.says(status, f'{{"Information": "your API key is {key}"}}', X_Echo=quote(key), **headers)


def days(key, other):
    """Days of a vendor that repeats the key in all that it says."""
    return {
        "good": [],
        "in a header": [lambda handler, good: send(handler, replace(good, headers={"X-Echo": quote(key)}))],
        "429": [echoes(429, key)] * 9,
        "500": [echoes(500, key)] * 9,
        "403": [echoes(403, key)] * 9,
        "error with 200": [echoes(200, key)] * 9,
        "key as JSON": [bad_days.says(400, json.dumps({"message": key}))] * 9,
        "no JSON": [bad_days.says(200, f"<a href='?apikey={quote(key, safe='')}'>")] * 9,
        "redirect": [bad_days.redirects(f"{other}/?apikey={quote(key, safe='')}")],
        "reset": [bad_days.is_reset] * 9,
        "drip": [bad_days.drips] * 9,
        "no HTTP": [bad_days.is_unreadable] * 9,
        "bomb": [bad_days.bomb(64)],
    }


DAYS = list(days("", ""))
IMPATIENT = replace(QUICK, answer=0.3, tries=2)


def ask_with_key(key, server, trail):
    """A request that carries the key in every way that a vendor may want it, and all that comes of it."""

    def check(answer):
        trail.parts += [repr(answer), answer.source, answer.content.decode(), repr(answer.headers)]
        if b"Information" in answer.content:
            raise TryAgain(f"{answer.content!r} for {key}")

    with VendorHttp("v", base_url=server.url, rate=Rate(99, 1), key=key, patience=IMPATIENT) as http:
        trail.parts += [repr(http), repr(http.get)]
        try:
            answer = http.get(
                "/query",
                {"symbol": "A", "function": key},
                {"Authorization": f"Bearer {http.key}"},
                hidden={"apikey": key},
                check=check,
            )
            trail.parts += [repr(http.payload(REQUEST, answer)), answer.source, answer.content.decode()]
            raise http.refusal(REQUEST, answer, f"{answer.content!r} for {key}", "expected more")
        except VendorError as error:
            trail.error(error)


REQUEST = VendorRequest("A", "A", "equity", None, None, None)


@KEYS
@pytest.mark.parametrize("day", DAYS)
def test_no_key_is_left_behind_by_a_request(trail, key, day):
    with Server(lambda asked: as_json([1])) as other, Server(lambda asked: as_json([1])) as server:
        server.tell(*days(key, other.url)[day])
        with trail.kept():
            ask_with_key(key, server, trail)
        assert server.asked[0].params["apikey"] == key
        assert server.asked[0].headers["authorization"] == f"Bearer {key}"
    assert len("".join(trail.parts)) > 1000  # the log of httpx is in it
    assert not trail.holds_key


@pytest.mark.parametrize("day", ["good", "in a header", "429", "error with 200", "no JSON", "drip"])
def test_the_search_finds_the_key_of_a_connection_that_does_not_scrub(trail, monkeypatch, day):
    monkeypatch.setattr(scrub, "_forms", list)
    with Server(lambda asked: as_json([1])) as server:
        server.tell(*days(PLAIN, server.url)[day])
        with trail.kept():
            ask_with_key(PLAIN, server, trail)
    assert trail.holds_key


@pytest.mark.parametrize(
    "channel", ["a log", "the run's log", "an output", "an error", "a hidden error", "a part"]
)
def test_the_search_finds_a_key_that_is_planted_in(trail, channel):
    with trail.kept():
        match channel:
            case "a log":
                logging.getLogger("any.module").debug("key %s", MARK)
            case "the run's log":
                logs.structlog.get_logger().info("Key", key=MARK)
            case "an output":
                sys.stdout.write(MARK)
            case "an error":
                trail.error(VendorError(MARK))
            case "a hidden error":
                try:
                    try:
                        raise ValueError(MARK)
                    except ValueError:
                        raise VendorError("something") from None
                except VendorError as error:
                    trail.error(error)
            case "a part":
                trail.parts.append(MARK)
    assert trail.holds_key


@KEYS
def test_the_log_of_a_run_shows_no_key_whoever_writes_it(trail, key):
    scrub.hide(key)
    with trail.kept():
        logs.structlog.get_logger().error(f"Key {key}", key=key, error=VendorError(key))
    assert "***" in "".join(trail.parts)
    assert not trail.holds_key


@pytest.mark.parametrize("vendor", sorted(shapes()))
@pytest.mark.parametrize("day", DAYS)
def test_no_key_is_left_behind_by_an_adapter(trail, tmp_path, monkeypatch, vendor, day):
    adapter, shape = vendor_http.vendors()[vendor], shapes()[vendor]
    (tmp_path / "key").write_text(PLAIN + "\n")
    monkeypatch.setenv(f"PORTFOLIO_{vendor.upper()}_KEY_FILE", str(tmp_path / "key"))
    request, speak = last_days(shape, 3)
    with Server(speak) as other, Server(speak, *days(PLAIN, other.url)[day]) as server:
        monkeypatch.setenv(f"PORTFOLIO_{vendor.upper()}_URL", server.url)
        with trail.kept(), vendor_http.client(vendor, patience=IMPATIENT) as http:
            try:
                for payload in adapter.fetch(request, http):
                    found = adapter.parse(payload)
                    trail.parts += [repr(payload), payload.source, payload.content.decode("latin-1")]
                    trail.parts += [repr(found.rows.to_pylist()), repr(found.refused.to_pylist())]
            except VendorError as error:
                trail.error(error)
        assert server.asked
        if adapter.KEY:
            first = server.asked[0]
            assert PLAIN in repr((first.params, first.headers))
    assert not trail.holds_key


@pytest.mark.parametrize("has_file", [False, True])
def test_a_key_comes_from_the_environment_or_a_file_and_is_never_shown(monkeypatch, tmp_path, has_file):
    (tmp_path / "key").write_text(PLAIN + "\n")
    if has_file:
        monkeypatch.setenv("PORTFOLIO_OANDA_KEY_FILE", str(tmp_path / "key"))
    else:
        monkeypatch.setenv("PORTFOLIO_OANDA_KEY", PLAIN)
    found = vendor_settings("oanda")
    assert found.key.get_secret_value() == PLAIN
    assert MARK not in repr((found, str(found), found.model_dump(), found.model_dump_json()))
    assert scrub.scrub(f"key {PLAIN}") == "key ***"


def test_no_setting_is_no_key(monkeypatch):
    monkeypatch.setenv("PORTFOLIO_BINANCE_KEY", "")
    assert vendor_settings("binance").key is None


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"KEY": PLAIN, "KEY_FILE": "{key}"}, "both set"),
        ({"KEY_FILE": "{nowhere}"}, "cannot be read"),
        ({"KEY_FILE": "{empty}"}, "is empty"),
        ({"KEY": f"{PLAIN} x"}, "printable ASCII"),
        ({"KEY": f"{PLAIN}\nX-Header: 1"}, "printable ASCII"),
        ({"KEY": f"{PLAIN}é"}, "printable ASCII"),
        ({"URL": f"https://user:{PLAIN}@host"}, "expected an address"),
        ({"URL": f"https://host/?key={PLAIN}"}, "expected an address"),
        ({"URL": "http://host"}, "http on loopback only"),
        ({"URL": f"ftp://{PLAIN}"}, "expected an address"),
        ({"URL": f"https://[{PLAIN}"}, "expected an address"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_not_shown(monkeypatch, tmp_path, trail, told, message):
    (tmp_path / "key").write_text(PLAIN)
    (tmp_path / "empty").write_text("\n")
    places = {name: str(tmp_path / name) for name in ("key", "nowhere", "empty")}
    for name, value in told.items():
        monkeypatch.setenv(f"PORTFOLIO_OANDA_{name}", value.format(**places))
    with pytest.raises(InputError, match=message) as error:
        vendor_settings("oanda")
    assert "PORTFOLIO_OANDA_" in str(error.value)
    trail.error(error.value)
    assert not trail.holds_key


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:80", "http://localhost", "http://[::1]:8", "https://host/v"]
)
def test_a_safe_address_is_taken(monkeypatch, address):
    monkeypatch.setenv("PORTFOLIO_OANDA_URL", address)
    assert vendor_settings("oanda").url == address


@pytest.mark.parametrize(
    ("vendor", "message"),
    [("nobody", r"no vendor 'nobody'; there are: .*binance"), ("file", "no vendor 'file'")],
)
def test_who_is_no_vendor_is_named(vendor, message):
    with pytest.raises(InputError, match=message):
        vendor_http.client(vendor)


def test_a_key_that_is_needed_and_not_set_is_asked_for(monkeypatch):
    monkeypatch.setattr(vendor_http.vendors()["binance"], "KEY", True)
    with pytest.raises(InputError, match="set PORTFOLIO_BINANCE_KEY, or PORTFOLIO_BINANCE_KEY_FILE"):
        vendor_http.client("binance")
