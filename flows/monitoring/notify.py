"""Tells people over every channel that is set, once for each thing, behind a breaker of its own.

A channel that fails three times in a row is left alone for an hour and then tried once; six messages an hour
is the most that any gets. What could not be told is told by a later run, if it still holds then. Nothing here
ends a run, and no channel holds one for longer than ten seconds.
"""

import datetime as dt
import json
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from flows.monitoring.alerts import Alert
from flows.publish import write_atomically
from python_steps import plugins

CHANNELS = "flows.monitoring.channels"
STATE_FILE = "notifier.json"  # in the folder of the warehouse, whose lock is held
FAILURES = 3
OPEN_FOR = dt.timedelta(hours=1)
MESSAGES, SPAN = 6, dt.timedelta(hours=1)
PATIENCE = 10.0


def notify(
    alerts: Sequence[Alert], folder: Path, log: Any, *, now: dt.datetime, settled: Collection[str] = ()
) -> dict[str, bool]:
    """Send what is new over each channel that is set; returns which breakers are open.

    `settled` are portfolios whose alerts are all of theirs: what they no longer say may be told again later.
    """
    state = _read(folder / STATE_FILE)
    found = {}
    for name, channel in plugins.discover(CHANNELS).items():
        if not _is_set(channel, name, log):
            continue
        mine = _Channel(name, state.setdefault(name, {}), now)
        mine.forget({alert.key for alert in alerts}, settled)
        mine.tell(alerts, channel.send, log)
        found[name] = mine.is_open
    if found:
        write_atomically(folder / STATE_FILE, json.dumps(state, indent=1, sort_keys=True).encode())
    return found


class _Channel:
    """What is remembered of a channel: keys told, instants of messages, failures in a row, open until."""

    def __init__(self, name: str, state: dict[str, Any], now: dt.datetime) -> None:
        self.name, self.state, self.now = name, state, now
        for key, empty in (("told", []), ("sent", []), ("failures", 0), ("open_until", None)):
            state.setdefault(key, empty)

    @property
    def is_open(self) -> bool:
        until = self.state["open_until"]
        return until is not None and self.now < dt.datetime.fromisoformat(until)

    @property
    def has_said_enough(self) -> bool:
        recent = [one for one in self.state["sent"] if self.now - dt.datetime.fromisoformat(one) < SPAN]
        self.state["sent"] = recent
        return len(recent) >= MESSAGES

    def forget(self, keys: Collection[str], settled: Collection[str]) -> None:
        self.state["told"] = [
            key for key in self.state["told"] if key in keys or key.split(":")[0] not in settled
        ]

    def tell(self, alerts: Sequence[Alert], send: Callable[[Sequence[Alert]], None], log: Any) -> None:
        fresh = [alert for alert in alerts if alert.key not in self.state["told"]]
        if not fresh:
            return
        if self.is_open or self.has_said_enough:
            why = "its breaker is open" if self.is_open else f"{MESSAGES} messages in an hour"
            log.warning("Alerts held back", channel=self.name, alerts=len(fresh), why=why)
            return
        try:
            _within(PATIENCE, lambda: send(fresh))
        except Exception as error:
            self._failed(error, len(fresh), log)
        else:
            self.state |= {"failures": 0, "open_until": None}
            self.state["told"] += [alert.key for alert in fresh]
            self.state["sent"].append(self.now.isoformat())
            log.info("Alerts sent", channel=self.name, alerts=len(fresh))

    def _failed(self, error: Exception, count: int, log: Any) -> None:
        self.state["failures"] += 1
        if self.state["failures"] >= FAILURES:
            self.state["open_until"] = (self.now + OPEN_FOR).isoformat()
        log.warning(
            "Alerts not sent",
            channel=self.name,
            alerts=count,
            failures=self.state["failures"],
            error=f"{type(error).__name__}: {error}",
        )


def _is_set(channel: ModuleType, name: str, log: Any) -> bool:
    try:
        return bool(channel.is_set())
    except Exception as error:
        log.warning("Channel not usable", channel=name, error=f"{type(error).__name__}: {error}")
        return False


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do something, or leave it to its fate; raises what it raises, or TimeoutError."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no end after {seconds:g} s")
    if raised:
        raise raised[0]


def _read(file: Path) -> dict[str, Any]:
    """What was kept; nothing where there is no file, or one that cannot be read."""
    try:
        kept = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and all(isinstance(one, dict) for one in kept.values()) else {}
