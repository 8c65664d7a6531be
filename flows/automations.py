"""What the Prefect server does of itself: a run whose heart stopped beating is ended.

`portfolio up` runs this file against the server it started.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

from flows.up import BEAT

NAME = "end runs whose process is gone"
SILENCE = timedelta(seconds=3 * BEAT)
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut")}


def heartbeat() -> Automation:
    """After a beat comes another one or an end; else the run is Crashed, and holds its place no longer."""
    return Automation(
        name=NAME,
        description="Killed with its worker, a run would stay Running. It is safe to start another one.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ENDS},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name=None, message=f"no heartbeat for {SILENCE}", force=False
            )
        ],
    )


async def put() -> None:
    """Create the automation, in the place of the one of its name that is there."""
    with suppress(ValueError):  # there is none
        await (await Automation.aread(name=NAME)).adelete()
    await heartbeat().acreate()


if __name__ == "__main__":
    asyncio.run(put())
