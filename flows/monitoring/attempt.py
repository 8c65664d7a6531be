"""Watches an attempt at a run: how long its steps take, what dbt says, how it ends; and tells of it."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import logs
from flows.dbt import Node
from flows.monitoring import alerts, notify, push, textfile
from flows.outputs import Evidence
from flows.publish import published
from flows.requests import RebalanceRequest

if TYPE_CHECKING:
    import duckdb

FAILED = {"fail", "error", "runtime error"}


class Attempt:
    """One attempt at a run for portfolios that run together."""

    def __init__(self, request: RebalanceRequest, portfolios: Sequence[str]) -> None:
        self.request, self.portfolios = request, portfolios
        self.log: Any = None
        self.steps: dict[str, float] = {}
        self.tests = self.failures = 0
        self.files: list[tuple[Path, str]] = []
        self._alerts: list[alerts.Alert] = []
        self._began = self._since = time.monotonic()

    def timed(self, note: Callable[..., Any]) -> Callable[..., Any]:
        """`note`, which is called as each step ends, with the step's length kept."""

        def noted(event: str, **values: Any) -> Any:
            self.step(event)
            return note(event, **values)

        return noted

    def step(self, name: str) -> None:
        """A step ends here; it began where the one before ended."""
        now = time.monotonic()
        key = name.lower().replace(" ", "_")
        self.steps[key] = self.steps.get(key, 0.0) + now - self._since
        self._since = now

    def heard(self, on_node: Callable[[Node], None]) -> Callable[[Node], None]:
        """`on_node`, with tests counted."""

        def hear(node: Node) -> None:
            if node.kind in {"test", "unit_test"}:
                self.tests += 1
                self.failures += node.status in FAILED
            on_node(node)

        return hear

    def decided(self, con: "duckdb.DuckDBPyConnection", evidence: Evidence, out: Path) -> Path:
        """Write the metrics of a published decision, and keep what is to be told of it."""
        file = textfile.write_decision(textfile.told(con, evidence), out)
        self.files.append((file, f"portfolio-{evidence.portfolio}"))
        self._alerts += alerts.of_decision(evidence)
        return file

    def end(self, error: BaseException | None) -> None:
        """Tell people, write how it went, push it. Never raises: the run has ended as it has.

        A first run that is refused leaves nothing: it has a person before it, and nothing to watch yet.
        """
        if error and not published(self.request.warehouse).exists():
            return
        log = self.log or logs.configure(self.request.out, "none", json_only=self.request.is_json)
        if error:
            log.error("Run failed", error=f"{type(error).__name__}: {error}", is_shown=False)
        try:
            told = alerts.of_failure(self.portfolios, error) if error else self._alerts
            is_open = notify.notify(
                told,
                self.request.warehouse,
                log,
                now=dt.datetime.now(dt.UTC),
                settled=() if error else self.portfolios,
            )
            file = textfile.write_attempt(self._values(error, is_open), self.portfolios, self.request.out)
            for one, job in (*self.files, (file, "portfolio-attempt")):
                push.push(one, job, log)
        except Exception as wrong:
            log.warning("Metrics not written", error=f"{type(wrong).__name__}: {wrong}")

    def _values(self, error: BaseException | None, is_open: dict[str, bool]) -> dict[str, Any]:
        return {
            "portfolio_run_success": [(float(error is None),)],
            "portfolio_run_finished_timestamp_seconds": [(time.time(),)],
            "portfolio_run_duration_seconds": [(time.monotonic() - self._began,)],
            "portfolio_step_duration_seconds": list(self.steps.items()),
            "portfolio_dbt_tests": [(float(self.tests),)],
            "portfolio_dbt_test_failures": [(float(self.failures),)],
            "portfolio_notifier_open": [(name, float(value)) for name, value in is_open.items()],
        }


@contextmanager
def watched(request: RebalanceRequest, portfolios: Sequence[str]) -> Iterator[Attempt]:
    """Watch what is done inside; however it ends, metrics are written and people are told."""
    attempt = Attempt(request, portfolios)
    try:
        yield attempt
    except BaseException as error:
        attempt.end(error)
        raise
    attempt.end(None)
