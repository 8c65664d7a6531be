"""Bars of vendors landed in the published warehouse, without a decision: the next run sees them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows import landing, landing_log, logs
from flows.failpoints import reached
from flows.lock import held
from flows.publish import publish, sweep, working_copy
from flows.requests import LandRequest
from flows.vendors import Failure, Fetched
from python_steps import study, warehouse
from python_steps.land_actions import ActionsReport, land_actions
from python_steps.land_bars import LandingReport, land_bars, next_batch_id
from python_steps.payloads import Answered

HOLDER = "land"


@dataclass(frozen=True)
class LandResult:
    """What a landing came to; `failures` are what was asked for and not given."""

    as_of: dt.datetime
    report: LandingReport
    actions: ActionsReport
    failures: list[Failure]

    def lines(self) -> list[str]:
        """What came of it, in words."""
        report = self.report
        said = [
            f"As of {self.as_of.isoformat()}Z: {report.payloads_kept} answers with {report.rows_seen} rows:"
            f" {report.rows_landed} landed ({report.restated} restated), {report.rows_unchanged} as before,"
            f" {report.rows_quarantined} quarantined, {report.rows_not_asked} not asked for"
        ]
        if self.actions.rows_seen:
            said.append(
                f"Splits and dividends: {self.actions.rows_seen} told, {self.actions.rows_landed} new"
            )
        said += [f"Quarantined: {reason} {count}" for reason, count in report.reasons.items()]
        said += [f"Not fetched: {failure.reason}" for failure in self.failures]
        return said


def run_land(request: LandRequest, answers: Sequence[Answered] | None = None) -> LandResult:
    """Ask the vendors, land what they answer, and publish it as a run does; models are not made.

    Where `answers` are given, of a stream, those are landed and nobody is asked. Raises InputError where
    nothing could be fetched, and Busy; nothing is published then.
    """
    with (
        held(request.warehouse, HOLDER, request.lock_wait),
        logs.progress(HOLDER, is_shown=not request.is_json) as step,
    ):
        reached("locked")
        sweep(request.warehouse)
        with working_copy(request.warehouse) as file:
            reached("copied")
            con = warehouse.connect(file)
            try:
                warehouse.create_tables(con)
                batch_id = next_batch_id(con)
                run_id = f"{HOLDER}-{batch_id:05d}"
                log = logs.configure(request.out, run_id, json_only=request.is_json)
                asked = "Vendors asked" if answers is None else "Stream told"
                log.info(asked, vendors=",".join(request.vendors), as_of=f"{request.as_of.isoformat()}Z")
                seeds = study.tables(study.read_study())
                fetched = (
                    landing.ask_vendors(con, request, request.as_of, seeds, step)
                    if answers is None
                    else Fetched(list(answers), asked=len(answers))
                )
                landing_of: dict[str, Any] = {
                    "as_of": request.as_of,
                    "batch_id": batch_id,
                    "run_id": run_id,
                    "loaded_at": dt.datetime.now(dt.UTC).replace(tzinfo=None),
                }
                report = land_bars(con, fetched.deliveries, seeds, **landing_of)
                actions = land_actions(con, fetched.actions, seeds, **landing_of)
            finally:
                con.close()
            reached("landed")
            landing_log.tell(log, report, fetched, request.as_of)
            if report.has_batch or report.payloads_kept or actions.rows_landed:
                publish(file, request.warehouse)
    return LandResult(request.as_of, report, actions, fetched.failures)
