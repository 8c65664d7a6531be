"""People are told once and over every channel; a channel that is dead, slow or flooded harms no run."""

import dataclasses
import datetime as dt
import http.server
import json
import sys
import threading
import time

import pytest

from flows.monitoring import alerts, notify
from flows.monitoring.alerts import Alert
from flows.outputs import gather, open_published
from python_steps import scrub
from tests.steps.small_warehouse import publish_small_warehouse

NOW = dt.datetime(2026, 1, 28, 15, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
SECRET_PATH = "/services/canary-77aa01bb"
TOKEN = "canary-22cc44dd"


class Log:
    """Keeps what is logged."""

    def __init__(self):
        self.said = []

    def _say(self, event, **values):
        self.said.append((event, values))

    info = warning = _say

    @property
    def events(self):
        return [event for event, _ in self.said]


class Hook:
    """A web hook on loopback; answers with `status`, after `delay` seconds."""

    def __init__(self):
        self.status, self.delay, self.got, self.tried = 200, 0.0, [], 0

    def __enter__(self):
        ours = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                ours.tried += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(ours.delay)
                if ours.status == 200:
                    ours.got.append((self.path, self.headers["Authorization"], json.loads(body)))
                self.send_response(ours.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}{SECRET_PATH}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook(monkeypatch):
    monkeypatch.setattr(scrub, "_secrets", {})
    with Hook() as running:
        monkeypatch.setenv("PORTFOLIO_WEBHOOK_URL", running.url)
        monkeypatch.setenv("PORTFOLIO_WEBHOOK_KEY", TOKEN)
        yield running


def alert(key="p:stop:drawdown:x", portfolio="p"):
    return Alert(key, "critical", portfolio, f"{portfolio}: drawdown is in force", "Measured -0.21.")


def tell(folder, found=(), now=NOW, settled=("p",), log=None):
    return notify.notify(list(found), folder, log or Log(), now=now, settled=settled)


def test_a_message_holds_what_people_and_machines_read(hook, tmp_path):
    assert tell(tmp_path, [alert(), alert("p:fallback:x")]) == {"webhook": False}
    [(path, authorization, told)] = hook.got
    assert (path, authorization) == (SECRET_PATH, f"Bearer {TOKEN}")
    assert told["text"].startswith("[CRITICAL] p: drawdown is in force\nMeasured -0.21.")
    assert [one["key"] for one in told["alerts"]] == ["p:stop:drawdown:x", "p:fallback:x"]


def test_the_same_thing_is_told_once_and_again_after_it_was_over(hook, tmp_path):
    for found in ([alert()], [alert()], [], [alert()]):
        tell(tmp_path, found)
    assert len(hook.got) == 2


def test_a_failed_run_and_another_portfolio_do_not_make_it_new(hook, tmp_path):
    tell(tmp_path, [alert()])
    tell(tmp_path, [alert("p:failed:InputError")], settled=())
    tell(tmp_path, [alert("q:stop:drawdown:x", "q")], settled=("q",))
    tell(tmp_path, [alert()])
    assert [[one["key"] for one in told["alerts"]] for _, _, told in hook.got] == [
        ["p:stop:drawdown:x"],
        ["p:failed:InputError"],
        ["q:stop:drawdown:x"],
    ]


def test_a_dead_channel_is_left_alone_for_an_hour_then_tried_once(hook, tmp_path):
    hook.status, log = 500, Log()
    for minutes in range(10):
        is_open = tell(tmp_path, [alert()], NOW + minutes * MINUTE, log=log)
    assert is_open == {"webhook": True}
    assert hook.tried == notify.FAILURES
    assert log.events == ["Alerts not sent"] * 3 + ["Alerts held back"] * 7
    assert tell(tmp_path, [alert()], NOW + 63 * MINUTE) == {"webhook": True}
    assert hook.tried == notify.FAILURES + 1
    hook.status = 200
    assert tell(tmp_path, [alert()], NOW + 130 * MINUTE) == {"webhook": False}
    assert len(hook.got) == 1  # what could not be told is told now


def test_no_channel_gets_more_than_six_messages_an_hour_and_nothing_is_lost(hook, tmp_path):
    log = Log()
    for number in range(20):
        tell(tmp_path, [alert(f"p:near:{n}") for n in range(number + 1)], NOW + number * MINUTE, log=log)
    assert len(hook.got) == notify.MESSAGES
    assert log.events.count("Alerts held back") == 14
    tell(tmp_path, [alert(f"p:near:{n}") for n in range(20)], NOW + 90 * MINUTE)
    told = [one["key"] for _, _, message in hook.got for one in message["alerts"]]
    assert sorted(told) == sorted({f"p:near:{n}" for n in range(20)})


def test_a_slow_channel_holds_a_run_for_its_patience_and_no_longer(hook, tmp_path, monkeypatch):
    monkeypatch.setattr(notify, "PATIENCE", 0.2)
    hook.delay, log = 2.0, Log()
    tell(tmp_path, [alert()], log=log)
    assert "TimeoutError" in log.said[0][1]["error"]


def test_a_redirect_is_not_followed_with_the_token(hook, tmp_path):
    hook.status = 302
    tell(tmp_path, [alert()])
    assert hook.tried == 1


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"webhook": 1}', b"\xff\xfe"])
def test_a_hurt_memory_is_a_new_one(hook, tmp_path, kept):
    (tmp_path / notify.STATE_FILE).write_bytes(kept)
    tell(tmp_path, [alert()])
    assert len(hook.got) == 1


def test_neither_address_nor_token_is_told_by_an_error(hook, tmp_path):
    hook.status, log = 404, Log()
    tell(tmp_path, [alert()], log=log)
    [(_, values)] = log.said
    assert SECRET_PATH in values["error"]  # httpx says it, and the log scrubs it
    shown = scrub.scrub(json.dumps(values))
    assert "***" in shown
    assert "canary" not in shown


def test_without_an_address_nobody_is_told_and_no_memory_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("PORTFOLIO_WEBHOOK_URL", raising=False)
    assert tell(tmp_path, [alert()]) == {}
    assert not (tmp_path / notify.STATE_FILE).exists()


@pytest.mark.parametrize("url", ["http://example.org/x", "file:///etc/passwd", "https://u:p@host/", "x"])
def test_an_address_that_is_not_safe_is_not_used(tmp_path, monkeypatch, url):
    monkeypatch.setenv("PORTFOLIO_WEBHOOK_URL", url)
    log = Log()
    assert tell(tmp_path, [alert()], log=log) == {}
    assert log.events == ["Channel not usable"]


def test_a_new_channel_is_one_file(tmp_path, monkeypatch):
    """Found by its file alone; one that raises does not keep the others from telling."""
    told = []
    (tmp_path / "carrier_pigeon.py").write_text(
        "def is_set():\n    return True\n\n\ndef send(alerts):\n    raise RuntimeError('lost')\n"
    )
    (tmp_path / "zebra.py").write_text(
        "TOLD = []\n\n\ndef is_set():\n    return True\n\n\ndef send(alerts):\n    TOLD.extend(alerts)\n"
    )
    import flows.monitoring.channels as package

    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    try:
        assert tell(tmp_path, [alert()]) == {"carrier_pigeon": False, "zebra": False}
        told = sys.modules["flows.monitoring.channels.zebra"].TOLD
    finally:
        for name in ("carrier_pigeon", "zebra"):
            sys.modules.pop(f"flows.monitoring.channels.{name}", None)
    assert told == [alert()]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """The evidence of a decision at which a stop is in force."""
    folder = tmp_path_factory.mktemp("evidence")
    publish_small_warehouse(folder, is_stopped=True)
    con = open_published(folder)
    yield gather(con, "global")
    con.close()


def test_a_stop_in_force_is_told_with_how_it_is_released(evidence):
    [stop, excluded] = alerts.of_decision(evidence)
    assert (stop.severity, stop.key) == ("critical", "global:stop:drawdown:2026-01-28T14:00:00Z")
    assert "action cash" in stop.title
    assert "portfolio reset --portfolio global --condition drawdown" in stop.text
    assert excluded.key == "global:excluded:ETH-USD"


SURGE = {"condition": "volatility_surge", "limit_value": 2.5}
STALE = {"condition": "staleness", "limit_value": 1.0}


@pytest.mark.parametrize(
    ("changes", "key", "severity"),
    [
        ({"value": -0.19}, "global:near:drawdown", "warning"),
        ({"value": -0.17}, None, None),
        ({"value": 0.5}, None, None),
        ({"value": None}, None, None),
        ({"reset_by": "ann"}, "global:released:drawdown:2026-01-28T14:00:00Z", "info"),
        (SURGE | {"value": 2.3}, "global:near:volatility_surge", "warning"),
        (SURGE | {"value": 2.2}, None, None),
        (STALE | {"value": 0.95}, None, None),
    ],
)
def test_an_abnormal_market_is_told_before_the_stop_and_its_release_too(evidence, changes, key, severity):
    stops = evidence.stops.assign(**{"is_latched": False, "reset_by": None} | changes)
    found = alerts.of_decision(dataclasses.replace(evidence, stops=stops))
    told = [(one.key, one.severity) for one in found if ":excluded:" not in one.key]
    assert told == ([(key, severity)] if key else [])


def test_a_fallback_is_told(evidence):
    log = evidence.allocation | {"fallback_mode": "cash", "reason": "solver said no"}
    found = alerts.of_decision(dataclasses.replace(evidence, allocation=log))
    [told] = [one for one in found if one.key == "global:fallback:2026-01-28T14:00:00Z"]
    assert (told.severity, told.text) == ("warning", "solver said no")


def test_a_failure_is_told_in_one_line_without_a_secret(monkeypatch):
    monkeypatch.setattr(scrub, "_secrets", {})
    scrub.hide(TOKEN)
    [told] = alerts.of_failure(["p"], ValueError(f"no\n{TOKEN} " + "x" * 9000))
    assert told.severity == "critical"
    assert told.text.startswith("ValueError: no *** xxx")
    assert len(told.text) < 600
