"""The run behind `prefect deployment run`: the code of the command, with Prefect's schedule and history."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.tasks import task
from pydantic import AwareDatetime

from flows.requests import RunResult, rebalance_request

if TYPE_CHECKING:
    from flows.leakcheck import LeakReport


# A cached result would skip the writing of tables; and the run locks, copies and publishes by itself,
# so that a second attempt starts from the published file.
@task(name="rebalance", cache_policy=NO_CACHE, persist_result=False)
def _run(values: dict[str, Any]) -> RunResult:
    from flows.rebalance import run_rebalance

    return run_rebalance(rebalance_request(**values))


@flow(name="rebalance", persist_result=False, validate_parameters=True)
def rebalance(
    portfolio: str = "global",
    as_of: AwareDatetime | None = None,
    bars: list[Path] | None = None,
    vendors: list[str] | None = None,
    symbols: list[str] | None = None,
    warehouse: Path = Path(".warehouse"),
    out: Path = Path(".out"),
) -> State[Any]:
    """Land what is new, decide, publish. A run that a stop condition ended is Completed, and says so.

    Vendors are asked as of the scheduled instant, unless `as_of` says otherwise.
    """
    if vendors and as_of is None:
        as_of = flow_run.scheduled_start_time
    asked = {"vendors": vendors or [], "symbols": symbols or []}
    result = _run(
        {"portfolio": portfolio, "as_of": as_of, "bars": bars or [], "warehouse": warehouse, "out": out}
        | asked
    )
    create_markdown_artifact(
        markdown=_exposures(result, warehouse),
        key=f"exposures-{_slug(result.portfolio)}",
        description="What to hold.",
    )
    return Completed(message=_message(result), data=None)


@task(name="leakcheck", cache_policy=NO_CACHE, persist_result=False)
def _check(warehouse: Path, signals: list[str], cuts: int) -> "LeakReport":
    from flows.leakcheck import leakcheck as run

    return run(warehouse, signals=signals, cuts=cuts)


@flow(name="leakcheck", persist_result=False, validate_parameters=True)
def leakcheck(
    warehouse: Path = Path(".warehouse"), signals: list[str] | None = None, cuts: int = 6
) -> State[Any]:
    """Run the guards against leaks. A run that finds one is Failed, and says how many."""
    from flows import leak_summary

    report = _check(warehouse, signals or [], cuts)
    create_markdown_artifact(
        markdown=leak_summary.markdown(report), key="leakcheck", description="What the guards found."
    )
    said = leak_summary.verdict(report)
    return Failed(message=said) if report.findings else Completed(message=said, data=None)


def _exposures(result: RunResult, warehouse: Path) -> str:
    from flows import outputs, summary

    con = outputs.open_published(warehouse)
    try:
        return summary.markdown(outputs.gather(con, result.portfolio, result.decision_at))
    finally:
        con.close()


def _message(result: RunResult) -> str:
    if result.outcome == "stopped":
        return f"stopped by a stop condition; {result.decisions_added} decisions added"
    return f"{result.outcome}; {result.decisions_added} decisions added"


def _slug(name: str) -> str:
    # Prefect takes lower-case letters, digits and dashes only.
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
