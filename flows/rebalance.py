"""One run: take the lock, work on a copy, land, compute, publish, and write the files."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from flows import fan_out, landing, landing_log, logs, outputs, pipeline, vendors
from flows.dbt import Dbt, Node
from flows.failpoints import reached
from flows.growth import Growth, growth
from flows.lock import AND, held
from flows.monitoring.attempt import Attempt, watched
from flows.publish import publish, sweep, working_copy
from flows.requests import Outcome, RebalanceRequest, RunResult
from flows.versions import code_version, lock_hash
from python_steps import lake, study, warehouse
from python_steps import policy as policies
from python_steps.errors import InputError

if TYPE_CHECKING:
    import duckdb

VISIBLE = "select * from raw.{table} where known_at <= $as_of and batch_id <= $batch_until"
TOLD = " union all by name ".join(VISIBLE.format(table=table) for table in ("bars", "actions"))


# What was tried and found is no estimate: it stays when estimates are made again.
KEPT = ("steps.trials", "steps.leak_findings")

DIGESTED_AT_ONCE = 2  # tables; two of them have nearly all the rows of a first run

# Holdings are taken up by a decision; where none is made, the trades to the last one can be shown.
HELD_SHOWN_BY = "portfolio report --holdings FILE"


class UnwrittenError(RuntimeError):
    """What was published stands; its side files do not."""


@dataclass(frozen=True)
class Begun:
    """Runs of one command whose inputs are landed and whose rows stand in raw.runs."""

    runs: list[pipeline.Run]
    landed: landing.Landed


def run_rebalance(request: RebalanceRequest) -> RunResult:
    """Land what is new, decide what is due, and publish; nothing is published unless all of it succeeds.

    Raises InputError, PolicyError, DbtError or Busy, each with what was expected.
    """
    return run_together(request, [request.portfolio])[0]


def run_together(request: RebalanceRequest, portfolios: Sequence[str]) -> list[RunResult]:
    """The same for several portfolios (names or files): one landing, one build, one publication.

    The files of several stand in folders of their names. Raises InputError too where two have one name.
    """
    fan_out.chosen()  # one that cannot be had is refused before anything is fetched
    chosen, left_out = _chosen(portfolios)
    weights = landing.holdings(request.holdings, chosen.values())
    together = AND.join(chosen)
    with (
        held(request.warehouse, together, request.lock_wait),
        logs.progress(together, is_shown=not request.is_json) as step,
        watched(request, list(chosen)) as attempt,
    ):
        reached("locked")
        sweep(request.warehouse)
        with working_copy(request.warehouse) as file:
            reached("copied")
            renewed = _fit(file, is_rebuild=request.is_rebuild)
            begun = _begin(file, request, chosen, weights, step)
            reached("landed")
            log = logs.configure(request.out, begun.runs[-1].run_id, json_only=request.is_json)
            attempt.log = log
            attempt.step("Landed")
            if left_out:
                log.warning(
                    "Learners left out, since their extras are not installed", learners=", ".join(left_out)
                )
            if renewed:
                log.warning("Estimated by another version, and all made again", found="; ".join(renewed))
            _tell(log, begun)
            if not request.is_rebuild and not begun.landed.is_new and not any(map(_is_due, begun.runs)):
                log.info("Nothing new", portfolio=together, as_of=_text(begun.runs[-1].as_of))
                if weights:
                    log.warning("Holdings not kept", shown_by=HELD_SHOWN_BY)
                _keep_answers(begun, request.warehouse)
                return [_result(request, run, "unchanged", 0, begun, attempt) for run in begun.runs]
            if request.is_rebuild:
                for run in begun.runs:
                    forget(run)
            grown = _growth(file, is_rebuild=request.is_rebuild)
            if grown.since is None:
                log.info("All tables made anew", why="; ".join(grown.why))
            dbt = Dbt(file, on_node=attempt.heard(_shown_by(step)), since=grown.since)
            added = pipeline.compute_all(begun.runs, dbt, attempt.timed(log.info), tell=log.info)
            ends = [(run, finish(run, count), count) for run, count in zip(begun.runs, added, strict=True)]
            decided = {run.run_id: _decided(run) for run in begun.runs}
            reached("finished")
            publish(file, request.warehouse)
            attempt.step("Published")
            for run, outcome, count in ends:
                logs.bind(run.run_id, decided[run.run_id])
                if weights and not count:
                    log.warning("Holdings not kept", shown_by=HELD_SHOWN_BY)
                log.info("Published", portfolio=run.portfolio, decisions=count, outcome=outcome)
        return [_result(request, run, outcome, count, begun, attempt) for run, outcome, count in ends]


def _chosen(portfolios: Sequence[str]) -> tuple[dict[str, policies.Policy], list[str]]:
    """Policies by portfolio with `learners: all` written out, and the learners left out of any of them."""
    chosen: dict[str, policies.Policy] = {}
    left_out: set[str] = set()
    for portfolio in portfolios:
        name, policy = policies.load(portfolio)
        if name in chosen:
            raise InputError(f"--portfolio {portfolio}: {name} is named twice")
        chosen[name], lacking = policies.resolved(policy)
        left_out |= set(lacking)
    return chosen, sorted(left_out)


def begin(
    con: "duckdb.DuckDBPyConnection",
    *,
    run_id: str,
    portfolio: str,
    policy: policies.Policy,
    as_of: dt.datetime,
    batch_until: int,
    started_at: dt.datetime,
    holdings: Mapping[str, float] | None = None,
) -> None:
    """Write the run's row, without an outcome yet: its bounds are what models and steps may see."""
    digest = warehouse.rows_digest(con, TOLD, {"as_of": as_of, "batch_until": batch_until})
    number = con.execute("select coalesce(max(run_number), 0) + 1 from raw.runs").fetchall()[0][0]
    row = {
        "run_id": run_id,
        "run_number": number,
        "portfolio": portfolio,
        "as_of": as_of,
        "batch_until": batch_until,
        "policy_hash": policies.digest(policy),
        "study_hash": study.study_hash(study.read_study()),
        "code_version": code_version(),
        "lock_hash": lock_hash(),
        "input_hash": digest,
        "seed": policy.seed,
        "holdings": json.dumps(dict(sorted((holdings or {}).items()))),
        "trials": None,
        "started_at": started_at,
        "finished_at": None,
        "outcome": None,
        "decisions_added": None,
        "decisions_hash": None,
        "chain_hash": None,
    }
    warehouse.write(con, "raw.runs", pd.DataFrame([row]))


def finish(run: pipeline.Run, added: int) -> Outcome:
    """Write how the run ended, with the hash of its decisions chained to the run before."""
    con = warehouse.connect(run.file)
    try:
        decisions_hash = decisions_digest(con, run.run_id)
        chain = con.execute(
            "select chain_hash from raw.runs where chain_hash is not null order by run_number desc limit 1"
        ).fetchall()
        before = chain[0][0] if chain else ""
        outcome = _outcome(con, run.portfolio)
        con.execute(
            """
            update raw.runs
            set finished_at = $now, outcome = $outcome, decisions_added = $added, trials = $trials,
                decisions_hash = $hash, chain_hash = $chain
            where run_id = $run_id
            """,
            {
                "now": _now(),
                "outcome": outcome,
                "added": added,
                "trials": con.execute(
                    "select count(distinct config_hash) from steps.trials where batch_id <= $batch",
                    {"batch": run.batch_until},
                ).fetchall()[0][0],
                "hash": decisions_hash,
                "chain": hashlib.sha256((before + decisions_hash).encode()).hexdigest(),
                "run_id": run.run_id,
            },
        )
    finally:
        con.close()
    return outcome


def decisions_digest(con: "duckdb.DuckDBPyConnection", run_id: str) -> str:
    """SHA-256 over every row that the run wrote about its decisions, whoever the run is."""

    def of_table(table: str, cursor: "duckdb.DuckDBPyConnection") -> str:
        query = f"select * exclude (run_id) from steps.{table} where run_id = $run_id"
        return f"{table} {warehouse.rows_digest(cursor, query, {'run_id': run_id})}\n"

    cursors = [warehouse.cursor(con) for _ in pipeline.DECIDED]
    with ThreadPoolExecutor(DIGESTED_AT_ONCE) as pool:
        rows = pool.map(of_table, pipeline.DECIDED, cursors)
        return hashlib.sha256("".join(rows).encode()).hexdigest()


def forget(run: pipeline.Run) -> None:
    """Before a rebuild: drop what was estimated, for this portfolio, so that all of it is made again."""
    con = warehouse.connect(run.file)
    try:
        for table in pipeline.DECIDED:
            con.execute(
                f"delete from steps.{table} where portfolio = $portfolio", {"portfolio": run.portfolio}
            )
        con.execute(
            "delete from steps.metric_intervals where (kind = 'portfolio' and subject = $portfolio)"
            " or (kind in ('ensemble', 'benchmark') and starts_with(subject, $portfolio || ': '))",
            {"portfolio": run.portfolio},
        )
    finally:
        con.close()


def _begin(
    file: Path,
    request: RebalanceRequest,
    chosen: Mapping[str, policies.Policy],
    holdings: Mapping[str, float],
    step: vendors.Step | None = None,
) -> Begun:
    from python_steps.land_bars import next_batch_id

    con = warehouse.connect(file)
    try:
        now, run_ids = _now(), _next_run_ids(con, chosen)
        landed = landing.land(
            con,
            request,
            chosen,
            batch_id=next_batch_id(con),
            run_id=run_ids[-1],
            loaded_at=now,
            step=step,
        )
        landing.check_holdings(con, holdings)
        batch_until, as_of = next_batch_id(con) - 1, pd.Timestamp(landed.as_of)
        runs = []
        for run_id, (portfolio, policy) in zip(run_ids, chosen.items(), strict=True):
            landing.check_history(con, policy, landed.as_of)
            begin(
                con,
                run_id=run_id,
                portfolio=portfolio,
                policy=policy,
                as_of=landed.as_of,
                batch_until=batch_until,
                started_at=now,
                holdings=holdings,
            )
            runs.append(pipeline.Run(file, run_id, portfolio, policy, as_of, batch_until, holdings))
    finally:
        con.close()
    return Begun(runs, landed)


def _growth(file: Path, *, is_rebuild: bool) -> Growth:
    """How the tables are made: a rebuild makes all of them anew, and so does a lake."""
    if is_rebuild or lake.is_lake(file):
        return Growth(None, ("a rebuild" if is_rebuild else "a lake",))
    with _open(file) as con:
        return growth(con)


def _keep_answers(begun: Begun, folder: Path) -> None:
    """Publish what vendors answered, though that is nothing new; but not the run."""
    if not (begun.landed.report and begun.landed.report.payloads_kept):
        return
    file = begun.runs[-1].file
    with _open(file) as con:
        for run in begun.runs:
            con.execute("delete from raw.runs where run_id = $1", [run.run_id])
    publish(file, folder)


def _is_due(run: pipeline.Run) -> bool:
    """Whether a decision of the portfolio's clock lies between its last one and as_of."""
    with _open(run.file) as con:
        due = con.execute(
            """
            select count(*)
            from main.clock_instants as instants
            where instants.clock = $clock and instants.decision_at <= $as_of
                and instants.decision_at > (
                    select coalesce(max(decision_at), '9999-01-01'::timestamp)
                    from steps.allocation_log where portfolio = $portfolio
                )
            """,
            {"clock": run.policy.clock, "as_of": run.as_of, "portfolio": run.portfolio},
        ).fetchall()[0][0]
    return bool(due)


def _decided(run: pipeline.Run) -> str:
    """The newest decision of the portfolio."""
    with _open(run.file) as con:
        query = "select max(decision_at) from steps.allocation_log where portfolio = $portfolio"
        found = con.execute(query, {"portfolio": run.portfolio}).fetchall()[0][0]
    return "none" if found is None else _text(found)


def _result(
    request: RebalanceRequest,
    run: pipeline.Run,
    outcome: Outcome,
    added: int,
    begun: Begun,
    attempt: Attempt,
) -> RunResult:
    """The published decision, and its files."""
    out = request.out / run.portfolio if len(begun.runs) > 1 else request.out
    con = outputs.open_published(request.warehouse)
    try:
        evidence = outputs.gather(con, run.portfolio)
        files = _written(con, evidence, out, attempt)
    finally:
        con.close()
    weights = dict(zip(evidence.exposures["symbol"], evidence.exposures["weight"], strict=True))
    return RunResult(
        run_id=run.run_id,
        portfolio=run.portfolio,
        as_of=run.as_of.to_pydatetime(),
        outcome=outcome,
        decisions_added=added,
        decision_at=evidence.decision_at,
        exposures=weights,
        files=[*files, request.out / logs.LOG_FILE],
    )


def _written(
    con: "duckdb.DuckDBPyConnection", evidence: outputs.Evidence, out: Path, attempt: Attempt
) -> list[Path]:
    try:
        return [*outputs.write(evidence, out), attempt.decided(con, evidence, out)]
    except OSError as error:
        raise UnwrittenError(
            f"{evidence.portfolio} is published, but {error.filename} is not written ({error.strerror});"
            " `portfolio publish --repair` writes the files from what is published"
        ) from error


def _outcome(con: "duckdb.DuckDBPyConnection", portfolio: str) -> Outcome:
    latched = con.execute(
        """
        select count(*) from main.stop_conditions
        where portfolio = $portfolio and is_latched
            and decision_at = (select max(decision_at) from main.decisions where portfolio = $portfolio)
        """,
        {"portfolio": portfolio},
    ).fetchall()[0][0]
    return "stopped" if latched else "done"


def _tell(log: Any, begun: Begun) -> None:
    report, actions, run = begun.landed.report, begun.landed.actions, begun.runs[-1]
    for name, columns in begun.landed.ignored.items():
        log.warning("Columns not read", file=name, columns=", ".join(columns))
    if actions is not None:
        log.info("Actions landed", rows=actions.rows_seen, new=actions.rows_landed, restated=actions.restated)
    if report is None:
        log.info("No bars asked for", as_of=_text(run.as_of))
        return
    landing_log.tell(log, report, begun.landed.fetched, run.as_of)


def _shown_by(step: Callable[[str, int, int], None]) -> Callable[[Node], None]:
    return lambda node: step(node.name, node.number, node.of)


def _fit(file: Path, *, is_rebuild: bool) -> list[str]:
    """Make the tables that are missing; returns what did not fit, and is gone.

    What was told must fit. What was estimated may be of another version where all of it is made again: every
    portfolio then begins anew at its next run, and only trials stay, since they were made. Raises InputError
    elsewhere.
    """
    with _open(file) as con:
        warehouse.create_tables(con)
        wrong = [f"{table} has {how}" for table, how in warehouse.misfits(con).items()]
        if not wrong:
            return []
        told = [text for text in wrong if not text.startswith("steps.")]
        if told or not is_rebuild:
            remedy = "land into a new --warehouse" if told else "`portfolio backfill` makes it again"
            raise InputError(f"the warehouse is of another version: {'; '.join(told or wrong)}; {remedy}")
        for table in warehouse.declared_columns():
            if table.startswith("steps.") and (table not in KEPT or table in warehouse.misfits(con)):
                con.execute(f"drop table {table} cascade")
        warehouse.create_tables(con)
    return wrong


def _next_run_ids(con: "duckdb.DuckDBPyConnection", portfolios: Iterable[str]) -> list[str]:
    number = con.execute("select coalesce(max(run_number), 0) + 1 from raw.runs").fetchall()[0][0]
    return [f"{portfolio}-{number + place:05d}" for place, portfolio in enumerate(portfolios)]


@contextmanager
def _open(file: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    con = warehouse.connect(file)
    try:
        yield con
    finally:
        con.close()


def _text(instant: dt.datetime) -> str:
    return instant.isoformat(timespec="seconds") + "Z"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
