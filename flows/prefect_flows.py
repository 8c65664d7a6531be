"""The runs behind `prefect deployment run`: the code of the commands, with Prefect's schedule and history."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import Task, task

from flows import prefect_artifacts
from flows.lock import Busy
from flows.prefect_hooks import tell
from flows.prefect_parameters import Asked, Places, Question, Whose
from flows.requests import RunResult, rebalance_request
from python_steps.errors import UnansweredError

if TYPE_CHECKING:
    from flows.leakcheck import LeakReport

HOUR = 3600
NAMED = "{whose.portfolio}"
ENDS: Any = {"persist_result": False, "on_failure": [tell], "on_crashed": [tell]}


def is_passing(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether another attempt may end otherwise: the disk failed, or no vendor answered, not the question."""
    error = state.result(raise_on_failure=False)
    passing = isinstance(error, OSError | UnansweredError)
    return passing or type(error).__name__ == "IOException"  # of DuckDB, which is not imported for its name


# A cached result would skip the writing of tables. To repeat is safe: a run locks, works on a copy of what is
# published and publishes it whole, so that a second attempt begins where the first one did.
@task(
    name="rebalance",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[30, 300],
    retry_condition_fn=is_passing,
)
def _run(values: dict[str, Any]) -> RunResult:
    from flows.rebalance import run_rebalance

    return run_rebalance(rebalance_request(**values))


@flow(name="rebalance", flow_run_name="{asked.portfolio}", timeout_seconds=2 * HOUR, **ENDS)
def rebalance(asked: Asked = Asked(), places: Places = Places()) -> State[Any]:  # noqa: B008 (they are frozen)
    """Land what is new, decide, publish. A run that a stop condition ended is Completed, and says so.

    Vendors are asked as of the scheduled instant, unless `as_of` says otherwise. While another run of the
    portfolio is at work this one is Cancelled; it waits for one of another portfolio.
    """
    as_of = asked.as_of or (flow_run.scheduled_start_time if asked.vendors else None)
    return _ended(asked.model_dump() | places.model_dump() | {"as_of": as_of}, places.warehouse)


@flow(name="backfill", flow_run_name=NAMED, timeout_seconds=12 * HOUR, **ENDS)
def backfill(whose: Whose = Whose(), places: Places = Places()) -> State[Any]:  # noqa: B008
    """Make every decision of a portfolio again from landed data, with the code and policy of today."""
    return _ended(whose.model_dump() | places.model_dump() | {"is_rebuild": True}, places.warehouse)


@flow(name="report", flow_run_name=NAMED, timeout_seconds=HOUR, retries=1, retry_delay_seconds=30, **ENDS)
def report(whose: Whose = Whose(), places: Places = Places()) -> State[Any]:  # noqa: B008
    """Write the files of the last decision again, from what is published; decides nothing, so may repeat."""
    from flows import outputs

    con = outputs.open_published(places.warehouse)
    try:
        evidence = outputs.gather(con, Path(whose.portfolio).stem)
    finally:
        con.close()
    files = outputs.write(evidence, places.out)
    result = RunResult(
        "", evidence.portfolio, evidence.as_of, "unchanged", 0, evidence.decision_at, {}, files
    )
    prefect_artifacts.keep(result, places.warehouse)
    return Completed(message=f"{len(files)} files of {evidence.decision_at.isoformat()}Z", data=None)


# What a guard found it will find again: no second attempt.
@task(name="leakcheck", cache_policy=NO_CACHE, persist_result=False)
def _check(question: Question, places: Places) -> "LeakReport":
    from flows.leakcheck import leakcheck as run

    return run(places.warehouse, signals=question.signals, cuts=question.cuts, lock_wait=places.lock_wait)


@flow(name="leakcheck", timeout_seconds=4 * HOUR, **ENDS)
def leakcheck(question: Question = Question(), places: Places = Places()) -> State[Any]:  # noqa: B008
    """Run the guards against leaks. A run that finds one is Failed, and says how many."""
    from flows import leak_summary

    try:
        found = _check(question, places)
    except Busy as busy:
        return Cancelled(message=str(busy))
    create_markdown_artifact(
        markdown=leak_summary.markdown(found), key="leakcheck", description="What the guards found."
    )
    said = leak_summary.verdict(found)
    return Failed(message=said) if found.findings else Completed(message=said, data=None)


def _ended(values: dict[str, Any], warehouse: Path) -> State[Any]:
    try:
        result = _run(values)
    except Busy as busy:  # exit code 75 on the command line
        return Cancelled(message=str(busy))
    prefect_artifacts.keep(result, warehouse)
    return Completed(message=_message(result), data=None)


def _message(result: RunResult) -> str:
    if result.outcome == "stopped":
        return f"stopped by a stop condition; {result.decisions_added} decisions added"
    return f"{result.outcome}; {result.decisions_added} decisions added"
