"""What a run takes in: the study, the policy, bars and actions; and whether that is enough to decide on."""

import datetime as dt
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from flows import vendors
from flows.requests import FeedsRequest, RebalanceRequest
from python_steps import learner_code, plugins, study
from python_steps.adapters import file as file_adapter
from python_steps.book import CASH
from python_steps.errors import InputError, UnansweredError
from python_steps.land_actions import ActionsReport, land_actions
from python_steps.land_bars import LandingReport, land_bars, latest_available_at
from python_steps.policy import Policy, digest, to_json
from python_steps.register_assets import ASSETS_IN_FORCE, Delivery

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MACROS = Path(__file__).parent.parent / "macros"
HELD_BY = ("threshold", "shape")  # what macros/held_position.sql reads
SIGNAL = re.compile(r"macro signal__(\w+)\(")
SAMPLE = Path(__file__).parent.parent / "seeds" / "sample" / "bars.parquet"


@dataclass(frozen=True)
class Landed:
    """What was landed, up to which instant the world is known, and columns that nothing reads.

    `fetched` is what vendors were asked, if any were; `is_new` says whether there is something to compute.
    """

    as_of: dt.datetime
    report: LandingReport | None
    ignored: dict[str, tuple[str, ...]]
    is_new: bool
    fetched: vendors.Fetched | None = None
    actions: ActionsReport | None = None


def land(
    con: "duckdb.DuckDBPyConnection",
    request: RebalanceRequest,
    chosen: Mapping[str, Policy],
    *,
    batch_id: int,
    run_id: str,
    loaded_at: dt.datetime,
    step: vendors.Step | None = None,
) -> Landed:
    """Append the study, the policies (by portfolio) and the bars that are new.

    Raises InputError with nothing half-written.
    """
    seeds = study.tables(study.read_study())
    for portfolio, policy in chosen.items():
        check_names(portfolio, policy, seeds)
    new_study = study.land_study(con, batch_id)
    new_policies = [_land_policy(con, batch_id, *named) for named in chosen.items()]
    deliveries, ignored = _deliveries(_files(con, request))
    fetched = None
    if request.vendors and request.as_of:
        fetched = ask_vendors(con, request, request.as_of, seeds, step)
        deliveries += fetched.deliveries
    asset_file = None
    if request.assets is not None:
        payload = file_adapter.fetch(request.assets)
        asset_file = Delivery(file_adapter.parse_assets(payload).rows, payload.payload_hash, payload.name)
    report = None
    as_of = request.as_of
    if deliveries:
        as_of = as_of or _default_as_of(con, deliveries, seeds, asset_file)
        report = land_bars(
            con,
            deliveries,
            seeds,
            as_of=as_of,
            batch_id=batch_id,
            run_id=run_id,
            loaded_at=loaded_at,
            asset_file=asset_file,
        )
    if as_of is None:
        as_of = _last_as_of(con)
    told = list(fetched.actions if fetched else [])
    if request.actions is not None:
        payload = file_adapter.fetch(request.actions)
        parsed = file_adapter.parse_actions(payload)
        if parsed.ignored:
            ignored[payload.name] = parsed.ignored
        told.append(Delivery(parsed.rows, payload.payload_hash, payload.name))
    actions = None
    if told:
        actions = land_actions(
            con, told, seeds, as_of=as_of, batch_id=batch_id, run_id=run_id, loaded_at=loaded_at
        )
    is_new = bool(new_study or any(new_policies) or _has_landed_since_the_last_run(con))
    return Landed(as_of, report, ignored, is_new, fetched, actions)


def ask_vendors(
    con: "duckdb.DuckDBPyConnection",
    request: FeedsRequest,
    as_of: dt.datetime,
    seeds: "Mapping[str, pa.Table]",
    step: vendors.Step | None,
) -> vendors.Fetched:
    """What the vendors of a request answer as of its instant; raises UnansweredError where all failed."""
    wanted = vendors.Wanted(request.vendors, request.symbols, request.from_date, request.to_date)
    fetched = vendors.fetch(con, wanted, seeds, as_of=as_of, step=step)
    if fetched.has_nothing:
        first, others = fetched.failures[0], len(fetched.failures) - 1
        more = f", and {others} more" if others else ""
        raise UnansweredError(f"nothing could be fetched: {first.reason}{more}")
    return fetched


def check_names(portfolio: str, policy: Policy, seeds: "Mapping[str, pa.Table]") -> None:
    """Raises InputError where a policy names a clock, plan or plug-in that does not exist."""
    for key, name, seed, column in (
        ("clock", policy.clock, "clocks", "clock"),
        ("plan", policy.plan, "walk_forward_plans", "plan"),
        *(("compared_plans", plan, "walk_forward_plans", "plan") for plan in policy.compared_plans),
    ):
        known = seeds[seed][column].to_pylist()
        if name not in known:
            raise _unknown(portfolio, key, name, known)
    for key, name, package in (
        ("allocator", policy.allocator, "python_steps.allocators"),
        ("covariance", policy.covariance, "python_steps.covariances"),
        ("detector", policy.detector, "python_steps.regimes"),
        ("weights.method", policy.weights.method, "python_steps.weightings"),
    ):
        known = plugins.names(package)
        if name not in known:
            raise _unknown(portfolio, key, name, known)
    _check_parameters(seeds["strategies"].to_pylist())
    _check_named(portfolio, "signals", policy.signals, known_signals())
    _check_named(portfolio, "learners", policy.learners, plugins.names(learner_code.PACKAGE))
    for name in policy.learners if policy.learners != "all" else ():
        if lacking := plugins.missing(learner_code.PACKAGE, name):
            raise InputError(
                f"{portfolio}.yml: learners: '{name}' needs {', '.join(lacking)}, which is an extra;"
                f" pip install 'portfolio-warehouse[{lacking[0]}]'"
            )


def known_signals(folder: Path = MACROS) -> list[str]:
    """Names of the signals that files of a folder have."""
    files = sorted(folder.rglob("*.sql"))
    return sorted(name for file in files for name in SIGNAL.findall(file.read_text("utf-8")))


def _check_parameters(strategies: Sequence[Mapping[str, str | None]]) -> None:
    """Parameters are a JSON object, each with a value; those of a learner are its own to refuse."""
    for row in strategies:
        place = f"strategies.csv: {row['strategy']}"
        try:
            parameters = json.loads(row["parameters"] or "{}")
        except json.JSONDecodeError:
            parameters = None
        if not isinstance(parameters, dict):
            raise InputError(f"{place}: parameters are not a JSON object")
        for name, value in parameters.items():
            if row["kind"] != "learner" and name not in HELD_BY:
                raise InputError(
                    f"{place}: parameter '{name}' is unknown; expected one of {', '.join(HELD_BY)}"
                )
            if value == []:
                raise InputError(f"{place}: parameter '{name}' has no value")


def _check_named(portfolio: str, key: str, named: Collection[str], known: Collection[str]) -> None:
    for name in named if named != "all" else ():
        if name not in known:
            raise _unknown(portfolio, key, name, sorted(known))


def _unknown(portfolio: str, key: str, name: str, known: Sequence[str]) -> InputError:
    return InputError(f"{portfolio}.yml: {key}: '{name}' is unknown; expected one of {', '.join(known)}")


def check_history(con: "duckdb.DuckDBPyConnection", policy: Policy, as_of: dt.datetime) -> None:
    """Raises InputError where no bar is known by as_of, or fewer decisions than one window needs."""
    first = _one(con, "select min(known_at) from raw.bars")
    if first is None or first > as_of:
        refused = _one(con, "select min(session_date) from raw.quarantined_bars")
        begins = f"of {refused}" if first is None else f"known at {first.isoformat()}Z"
        raise InputError(f"--as-of {as_of.isoformat()}Z: no bar is known by then; the first is {begins}")
    seeds = study.tables(study.read_study())
    clock = _row(seeds["clocks"], "clock", policy.clock)
    plan = _row(seeds["walk_forward_plans"], "plan", policy.plan)
    weekdays = "".join("1" if str(day) in clock["weekdays"].split(",") else "0" for day in range(1, 8))
    since = max(first.date(), dt.date.fromisoformat(clock["starts_at"]))
    until = as_of.date() + dt.timedelta(days=1)
    since += dt.timedelta(days=_decision_at(clock, since) < first)
    until -= dt.timedelta(days=_decision_at(clock, as_of.date()) > as_of)
    decisions = int(np.busday_count(since, until, weekmask=weekdays))
    needed = int(plan["train"]) + int(plan["test"])
    if decisions < needed:
        raise InputError(
            f"bars: {max(decisions, 0)} decisions from {since} to {as_of.date()}; "
            f"one window of plan '{policy.plan}' needs {needed}"
        )
    _check_currencies(con, clock["base_currency"], seeds)


def check_holdings(con: "duckdb.DuckDBPyConnection", weights: Mapping[str, float]) -> None:
    """Raises InputError where something is held of which no bar was ever landed."""
    landed = {symbol for (symbol,) in con.execute("select distinct symbol from raw.bars").fetchall()}
    for symbol in sorted(set(weights) - landed - {CASH}):
        raise InputError(f"--holdings: {symbol} has no bars; expected symbols among the bars")


def _decision_at(clock: Mapping[str, str], day: dt.date) -> dt.datetime:
    """When the clock decides on a day, in UTC."""
    local = dt.datetime.combine(
        day, dt.time.fromisoformat(clock["time_of_day"]), ZoneInfo(clock["time_zone"])
    )
    return local.astimezone(dt.UTC).replace(tzinfo=None)


def _check_currencies(con: "duckdb.DuckDBPyConnection", base: str, seeds: "Mapping[str, pa.Table]") -> None:
    """Every asset is quoted in the base currency, or in one with a way to it over one or two landed pairs."""
    con.register("study_assets", seeds["assets"])
    try:
        assets = con.execute(
            f"select symbol, asset_class, currency from ({ASSETS_IN_FORCE})"
            " semi join raw.bars using (symbol) order by symbol"
        ).fetchall()
    finally:
        con.unregister("study_assets")
    pairs = {
        frozenset(symbol.split("-"))
        for symbol, asset_class, _ in assets
        if asset_class in ("fx", "crypto") and symbol.count("-") == 1
    }
    straight = {base, *(currency for pair in pairs if base in pair for currency in pair)}
    crossed = {currency for pair in pairs if pair & straight for currency in pair}
    for symbol, _, currency in assets:
        if currency not in straight | crossed:
            raise InputError(
                f"{symbol}: quoted in {currency}; expected bars of {currency}-{base} or {base}-{currency}, or"
                f" of a pair of {currency} with a currency that has one with {base}"
            )


def holdings(path: Path | None, wanted: Iterable[Policy]) -> dict[str, float]:
    """Weights by symbol from a CSV or Parquet file with columns symbol and weight; none without a file.

    Below 0 they may be where all policies that they are told to allow shorts.
    """
    if path is None:
        return {}
    allow_shorts = all(policy.allow_shorts for policy in wanted)
    return file_adapter.parse_holdings(file_adapter.fetch(path), allow_shorts=allow_shorts)


def _has_landed_since_the_last_run(con: "duckdb.DuckDBPyConnection") -> bool:
    query = """
    select coalesce(max(batch_id), 0) > (select coalesce(max(batch_until), 0) from raw.runs) from raw.batches
    """
    return bool(_one(con, query))


def _files(con: "duckdb.DuckDBPyConnection", request: RebalanceRequest) -> list[Path]:
    """The files asked for, or the sample where the warehouse holds nothing else and no vendor is asked."""
    if request.bars or request.vendors:
        return list(request.bars)
    sources = {source for (source,) in con.execute("select distinct source from raw.batches").fetchall()}
    return [SAMPLE] if sources <= {SAMPLE.name} else []


def _deliveries(files: Sequence[Path]) -> tuple[list[Delivery], dict[str, tuple[str, ...]]]:
    deliveries, ignored = [], {}
    for path in files:
        payload = file_adapter.fetch(path)
        parsed = file_adapter.parse(payload)
        deliveries.append(Delivery(parsed.rows, payload.payload_hash, payload.name))
        if parsed.ignored:
            ignored[payload.name] = parsed.ignored
    return deliveries, ignored


def _default_as_of(
    con: "duckdb.DuckDBPyConnection",
    deliveries: list[Delivery],
    seeds: "Mapping[str, pa.Table]",
    asset_file: Delivery | None,
) -> dt.datetime:
    """Where the files end, or the last landing or run did if that is later."""
    latest, last = latest_available_at(con, deliveries, seeds, asset_file=asset_file), _last_as_of(con)
    return latest if last is None else max(latest, last)


def _last_as_of(con: "duckdb.DuckDBPyConnection") -> Any:
    """The as_of of the last landing or run; None in an empty warehouse."""
    return _one(
        con, "select max(as_of) from (from raw.runs select as_of union all from raw.batches select as_of)"
    )


def _land_policy(con: "duckdb.DuckDBPyConnection", batch_id: int, portfolio: str, policy: Policy) -> bool:
    """Append the policy unless it is the one in force; says whether it was new."""
    in_force = _one(
        con,
        "select arg_max(policy_hash, batch_id) from raw.policies where portfolio = $portfolio",
        {"portfolio": portfolio},
    )
    if in_force == digest(policy):
        return False
    con.execute(
        "insert into raw.policies values ($batch, $portfolio, $hash, $json)",
        {"batch": batch_id, "portfolio": portfolio, "hash": digest(policy), "json": to_json(policy)},
    )
    return True


def _row(table: "pa.Table", column: str, wanted: str) -> dict[str, str]:
    rows = table.to_pylist()
    return next(row for row in rows if row[column] == wanted)


def _one(con: "duckdb.DuckDBPyConnection", query: str, parameters: dict[str, object] | None = None) -> Any:
    return con.execute(query, parameters or {}).fetchall()[0][0]
