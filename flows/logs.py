"""The log of a run: a line to read on the terminal, and the same event as JSON for machines."""

import json
import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console

from python_steps.scrub import scrub

LOG_FILE = "log.jsonl"
NOT_ON_THE_TERMINAL = {"level", "timestamp", "event", "run_id", "decision"}


@cache
def console() -> Console:
    """The terminal's standard error, shared with the progress bar so that neither garbles the other."""
    return Console(stderr=True, highlight=False)


def configure(out_dir: Path, run_id: str, *, json_only: bool = False) -> Any:
    """Start the log of a run in `<out_dir>/log.jsonl`, bind its `run_id`, and return the logger.

    The terminal gets `[INFO] 2026-01-28T14:00:05 | Data fetched | assets=15`, or with `json_only` the
    JSON line. Errors come without a traceback's local variables, which may hold keys.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True, key="timestamp"),
            _name_the_error,
            _Tee(out_dir / LOG_FILE, json_only=json_only),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Terminal(),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(run_id=run_id)
    return structlog.get_logger()


def bind(run_id: str, decision: str) -> None:
    """From now on every event carries this run and its decision, in JSON."""
    structlog.contextvars.bind_contextvars(run_id=run_id, decision=decision)


@contextmanager
def progress(title: str, *, is_shown: bool = True) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on the terminal while something runs; call what it yields with (what, number, of how many)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(
        *columns, console=console(), transient=True, disable=not (is_shown and console().is_terminal)
    )
    with bar:
        task = bar.add_task(title, total=None)

        def step(what: str, number: int, of: int) -> None:
            bar.update(task, description=f"{title}: {what}", completed=number, total=of)

        yield step


def line(event: MutableMapping[str, Any]) -> str:
    """`[LEVEL] time | event | key=value`, always one line."""
    rest = {key: value for key, value in event.items() if key not in NOT_ON_THE_TERMINAL}
    level, instant = str(event["level"]).upper(), str(event["timestamp"]).removesuffix("Z")
    return " | ".join(
        [f"[{level}] {instant}", _text(event["event"]), *(f"{k}={_text(v)}" for k, v in rest.items())]
    )


class _Tee:
    """Last in the chain: appends the JSON line to the file and hands on what the terminal shows, no key in
    either. An event with `is_shown=False` is for the file alone: the command says it by itself.
    """

    def __init__(self, file: Path, *, json_only: bool) -> None:
        self.file = file
        self.json_only = json_only

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        is_shown = event.pop("is_shown", True)
        as_json = scrub(json.dumps(event, default=str, sort_keys=True))
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(as_json + "\n")
        if not is_shown:
            raise structlog.DropEvent
        return as_json if self.json_only else scrub(line(event))


class _Terminal:
    def _print(self, text: str) -> None:
        console().print(text, markup=False, soft_wrap=True)

    debug = info = warning = error = critical = _print


def _name_the_error(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if error is True:
        import sys

        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def _text(value: Any) -> str:
    text = str(value)
    return json.dumps(text) if any(mark in text for mark in "\n\r|") else text
