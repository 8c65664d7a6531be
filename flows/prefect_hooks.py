"""What is done when a run fails or its process dies: it is told in the log, and what it left is removed."""

from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from flows import logs
from flows.prefect_parameters import Places
from flows.publish import sweep
from python_steps.scrub import scrub


def tell(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """For on_failure and on_crashed: a line in `log.jsonl`, an artifact, and no working copy of the dead."""
    places = Places.model_validate(flow_run.parameters.get("places") or {})
    swept = sweep(places.warehouse) if places.warehouse.exists() else []
    said = scrub(state.message or "no reason given")
    log = logs.configure(places.out, str(flow_run.id))
    log.error("Run ended badly", flow=flow.name, state=state.name, reason=said, swept=len(swept))
    create_markdown_artifact(
        markdown=f"`{flow_run.name}` is {state.name}: {said}\n\nWhat was published before stands.",
        key=f"failure-{flow.name}",
        description="Why the last run that failed did.",
    )
