"""Other histories of one warehouse: told less, told otherwise, told from later on. What was known stays.

Each history is a new file with raw tables only, on which everything derived and estimated is made again. The
instants at which runs were made stand in `raw.runs`, because they say which decisions were live; a history
cut at T has a run with `as_of` T, and so has the whole one it is compared with. The number of trials is an
input of a run, like its seed, so it is the same in every history.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from flows import pipeline
from flows.dbt import Dbt
from flows.guards.compare import OUTSIDE, Difference, count_compared, differences
from flows.guards.compiled import CompiledDbt
from flows.guards.findings import Finding
from flows.publish import PUBLISHED
from python_steps import policy as policies
from python_steps import warehouse

STATISTICS = ("bar_statistics", "trend_statistics", "shape_statistics", "range_statistics")

# Tables of fixed look-back: cut off their oldest bars, and what is past its warm-up stays. Levels are chained
# from the first bar, and learners are fitted from the clock's start, so neither is among them.
FIXED_LOOK_BACK = ("daily_returns", *STATISTICS, "signals", "readings", "positions")
WARM_UP = 22  # bars beyond a year: the deviation a return is measured against, and the bar before it

DATED_TABLES = """
    select schema_name || '.' || table_name
    from duckdb_tables()
    semi join (from duckdb_columns() where column_name = 'known_at') as dated using (table_oid)
    where list_contains($schemas, schema_name)
    order by table_oid
"""

# What each Python step fills, in the order in which a run takes them.
STEPS = (pipeline.LEARNED, pipeline.BELIEVED, pipeline.ALLOCATED, pipeline.MEASURED)

# Factors put upon the prices of bars known after an instant; `anchor` is the last close known by then. A bar
# that is no number cannot be landed: it stands among the refused.
POISONS = {
    "noise": "exp(0.3 * (hash(symbol, session_date, version) % 2001 / 1000.0 - 1))",
    "mirrored": "pow(anchor, 2) / pow(close, 2)",
    "times a million": "1e6",
    "not a number": None,
}


@dataclass(frozen=True)
class Origin:
    """What one warehouse was told, and how to make its tables: `file` has a run at each instant to cut at.

    `folder` is where other histories are put, each in a folder of its own.
    """

    file: Path
    folder: Path
    portfolio: str
    policy: policies.Policy
    dbt: CompiledDbt

    def retold(self, name: str, tables: Mapping[str, str]) -> Path:
        """A new file whose raw tables are queries on those of the origin, attached as `told`."""
        file = self.folder / name.replace(" ", "_") / PUBLISHED
        file.parent.mkdir(parents=True)
        con = warehouse.connect(file)
        try:
            warehouse.create_tables(con)
            warehouse.attach(con, self.file, "told")
            con.begin()
            for table, query in tables.items():
                con.execute(f"insert into {table} by name {query}")
            con.execute("update raw.runs set batch_until = (select max(batch_id) from raw.batches)")
            con.commit()
            con.execute("detach told")
        finally:
            con.close()
        return file

    def known_by(self, until: dt.datetime, name: str) -> Path:
        """What was told by an instant, and nothing derived."""
        return self.retold(name, told_by(until))

    def poisoned(self, after: dt.datetime, how: str, name: str) -> Path:
        """All that was told, with the same stamps but other values from an instant on."""
        return self.retold(name, poisoned_by(self.last_run(), after, how))

    def left_cut(self, since: dt.date, name: str) -> Path:
        """All that was told of sessions from a day on."""
        told = told_by(self.last_run())
        return self.retold(
            name, told | {"raw.bars": f"{told['raw.bars']} and session_date >= date '{since}'"}
        )

    def tell_more(self, file: Path, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Add to a retold file what `after` has and `before`, which it was made of, has not."""
        con = warehouse.connect(file)
        try:
            warehouse.attach(con, self.file, "told")
            for table, query in after.items():
                con.execute(f"insert into {table} by name ({query}) except all ({before[table]})")
            con.execute("detach told")
        finally:
            con.close()

    def compute(self, file: Path, *, is_shown: bool = True) -> int:
        """Make all tables and decisions of a retold file; returns how many decisions.

        Without `is_shown`, nothing is made that no decision reads.
        """
        run, dbt = self.run_of(file), self.dbt.on(file)
        return pipeline.compute(run, dbt, _silent, is_tested=False, is_shown=is_shown)

    def run_of(self, file: Path) -> pipeline.Run:
        """The last run that stands in a file."""
        con = warehouse.connect(file, read_only=True)
        try:
            run_id, as_of, batch_until = con.execute(
                "select run_id, as_of, batch_until from raw.runs order by run_number desc limit 1"
            ).fetchall()[0]
        finally:
            con.close()
        return pipeline.Run(file, run_id, self.portfolio, self.policy, pd.Timestamp(as_of), batch_until)

    def last_run(self) -> dt.datetime:
        """The as_of of the last run."""
        return self.run_of(self.file).as_of.to_pydatetime()


@dataclass(frozen=True)
class Compared:
    """What a comparison found, and how many tables and rows it looked at."""

    findings: list[Finding]
    tables: int
    rows: int


def cut_off(
    origin: Origin, whole: Path, event: str, at: dt.datetime, *, until: str = "", is_shown: bool = True
) -> Compared:
    """What is known at a cut and is not the same when nothing came after it.

    `whole` is the origin with everything made. `until` names a model after which building stops, for guards
    that look no further; all tables and Python steps are made unless it is given, or those alone that lead
    to a decision, without `is_shown`.
    """
    file = origin.known_by(at, f"cut {event}")
    made = _make(origin, file, until, is_shown)
    found = findings(origin, "cut_off", f"{event} ({at})", differences(whole, file, at, tables=made))
    return Compared(found, *count_compared(file, at, made))


def poison(
    origin: Origin,
    whole: Path,
    event: str,
    at: dt.datetime,
    how: str,
    *,
    until: str = "",
    is_shown: bool = True,
) -> Compared:
    """What is known at a cut and is not the same when other values came after it; as `cut_off` otherwise."""
    file = origin.poisoned(at, how, f"poison {how} {event}")
    made = _make(origin, file, until, is_shown)
    found = differences(file, whole, at, tables=made)
    counts = count_compared(file, at, made)
    return Compared(findings(origin, "poison", f"{event} ({at}), {how} after it", found), *counts)


def left_cut(origin: Origin, whole: Path, share: float = 0.2) -> list[Finding]:
    """What is past its warm-up and is not the same when the oldest bars are gone."""
    since = _left_day(origin, share)
    file = origin.left_cut(since, "left cut")
    origin.dbt.on(file).run(select=[f"+{table}" for table in FIXED_LOOK_BACK])
    tables = [f"main.{table}" for table in FIXED_LOOK_BACK]
    found = differences(file, whole, origin.last_run(), tables=tables, conditions=_past_warm_up(since))
    return _of_memory(findings(origin, "left_cut", f"bars before {since} gone", found))


def grown(origin: Origin, whole: Path, since: dt.datetime, *, until: str) -> Compared:
    """What is not the same where what came after an instant is added to what stood, as a new day's run does.

    `until` names a model that no Python step comes before.
    """
    last = origin.last_run()
    file = origin.known_by(since, "grown")
    tables = _make(origin, file, until, is_shown=False)
    origin.tell_more(file, told_by(since), told_by(last))
    Dbt(file, project=origin.dbt.project, since=since).run(select=[f"+{until}"])
    found = findings(origin, "grown", f"added after {since}", differences(whole, file, last, tables=tables))
    counts = count_compared(file, last, tables)
    return Compared(_of_memory(found), *counts)


def _of_memory(found: Sequence[Finding]) -> list[Finding]:
    """Differences that come of what is far back, and not of what came later."""
    return [replace(one, leak="long_memory") if one.leak == "anticipates" else one for one in found]


def _make(origin: Origin, file: Path, until: str, is_shown: bool) -> list[str]:
    """Make what a guard looks at, and name its tables; none are named where that is everything."""
    if until:
        origin.dbt.on(file).run(select=[f"+{until}"])
    else:
        origin.compute(file, is_shown=is_shown)
        if is_shown:
            return []
    unread = (*pipeline.MEASURED, *pipeline.EXPLAINED)
    left_out = {*OUTSIDE, *(f"steps.{table}" for table in unread)}
    left_out |= {f"main.{table}" for table in pipeline.EXPLAINED}
    con = warehouse.connect(file, read_only=True)
    try:
        rows = con.execute(DATED_TABLES, {"schemas": ["main"] if until else ["main", "steps"]}).fetchall()
    finally:
        con.close()
    return [name for (name,) in rows if name not in left_out]


def findings(origin: Origin, guard: str, event: str, found: Sequence[Difference]) -> list[Finding]:
    """One finding for the table in which a difference first shows, with how many it reaches after it.

    Tables that one Python step fills come at once, so all of these that differ are named.
    """
    if not found:
        return []
    lineage = _lineage(origin.dbt)
    first, *others = sorted(found, key=lambda one: lineage[one.table.partition(".")[2]])
    step = next((tables for tables in STEPS if first.table.removeprefix("steps.") in tables), ())
    beside = [one.table for one in others if one.table.removeprefix("steps.") in step]
    reached = f"; with it {', '.join(beside)}" if beside else ""
    reached += f"; and {len(others) - len(beside)} tables after it" if len(others) > len(beside) else ""
    leak, advice = "anticipates", ""
    if first.is_rounding:
        leak, advice = "rounding", "; add with exact_sum, exact_mean or exact_deviation"
    return [Finding(guard, leak, first.table, f"{first}{reached}; cut: {event}{advice}", rows=first.rows)]


def _lineage(dbt: CompiledDbt) -> dict[str, tuple[int, int]]:
    """Models by when a run makes them: what a Python step fills comes after all that the step reads.

    The file does not tell: DuckDB numbers tables by name when it is opened again.
    """
    nodes = {node.name: node for node in dbt.manifest.nodes.values() if node.resource_type == "model"}
    stages: dict[str, int] = {}
    for name in dbt.compiled():
        own = next((number for number, tables in enumerate(STEPS, 1) if name in tables), 0)
        read = [one.split(".")[-1] for one in nodes[name].depends_on.nodes if one.startswith("model.")]
        stages[name] = max([own, *(stages[model] for model in read)])
    return {name: (stage, number) for number, (name, stage) in enumerate(stages.items())}


def told_by(until: dt.datetime) -> dict[str, str]:
    """What of each table was known by an instant, as queries on an origin attached as `told`."""
    known = f"known_at <= timestamp '{until}'"
    return {
        "raw.batches": "from told.raw.batches",
        "raw.bars": f"from told.raw.bars where {known}",
        "raw.actions": f"from told.raw.actions where {known}",
        "raw.quarantined_bars": f"from told.raw.quarantined_bars where {known}",
        "raw.asset_vendors": "from told.raw.asset_vendors",
        "raw.assets": f"from told.raw.assets where known_at is null or {known}",
        "raw.study": "from told.raw.study",
        "raw.policies": "from told.raw.policies",
        "raw.runs": f"from told.raw.runs where as_of <= timestamp '{until}'",
        "raw.resets": f"from told.raw.resets where reset_at <= timestamp '{until}'",
        "raw.holdings": f"from told.raw.holdings where decision_at <= timestamp '{until}'",
        "steps.trials": "from told.steps.trials",
    }


def poisoned_by(until: dt.datetime, after: dt.datetime, how: str) -> dict[str, str]:
    """As `told_by`, with other values of bars and actions from another instant on."""
    told = told_by(until)
    bars, refused = _poisoned_bars(after, how)
    refusals = f"{told['raw.quarantined_bars']} union all by name {refused}"
    others = {"raw.bars": bars, "raw.quarantined_bars": refusals, "raw.actions": _poisoned_actions(after)}
    return told | others


def _poisoned_bars(after: dt.datetime, how: str) -> tuple[str, str]:
    """Queries for the bars, and for the refused rows that stand in their place where they are no numbers."""
    later = f"known_at > timestamp '{after}'"
    factor = POISONS[how]
    if factor is None:
        refused = f"""
            select batch_id, payload_number, row_number, symbol, session_date, 'not_finite' as reason,
                'poison' as detail, '' as row_json, vendor, '' as source, recorded_at, known_at
            from told.raw.bars where {later}
        """
        return f"from told.raw.bars where not ({later})", refused
    anchored = f"""
        select bars.*, coalesce(max_by(close, known_at) filter (where not ({later})) over of_symbol,
            min_by(close, known_at) over of_symbol) as anchor
        from told.raw.bars as bars
        window of_symbol as (partition by symbol)
    """
    prices = ", ".join(f"{name} * factor as {name}" for name in ("open", "high", "low", "close", "volume"))
    bars = f"""
        select * exclude (anchor, factor) replace ({prices})
        from (select *, case when {later} then {factor} else 1 end as factor from ({anchored}))
    """
    return bars, "select * from told.raw.quarantined_bars where false"


def _poisoned_actions(after: dt.datetime) -> str:
    """A query for the actions, with other values where they are known later."""
    later = f"known_at > timestamp '{after}'"
    return (
        f"select * replace (case when {later} then 3 * value else value end as value) from told.raw.actions"
    )


def origin_of(
    published: Path, folder: Path, portfolio: str, cuts: Mapping[str, dt.datetime], dbt: CompiledDbt
) -> Origin:
    """What a published warehouse was told, with a run of the portfolio at each cut beside those it had.

    Raises LookupError where the portfolio has no run there.
    """
    file = folder / "told" / PUBLISHED
    file.parent.mkdir(parents=True)
    con = warehouse.connect(file)
    try:
        warehouse.create_tables(con)
        warehouse.attach(con, published, "told")
        for table, query in told_by(dt.datetime.max).items():
            con.execute(f"insert into {table} by name {query}")
        con.execute("delete from raw.runs where portfolio <> $portfolio", {"portfolio": portfolio})
        row = con.execute(
            "select policy_json from raw.policies inner join raw.runs using (portfolio, policy_hash)"
            " where portfolio = $portfolio order by run_number desc limit 1",
            {"portfolio": portfolio},
        ).fetchall()
        if not row:
            raise LookupError(f"{portfolio}: no run of it is published here")
        for name, at in cuts.items():
            con.execute(RUN_AT, {"run_id": f"cut {name}", "as_of": at})
        con.execute(IN_ORDER)
    finally:
        con.close()
    policy = policies.Policy.model_validate_json(row[0][0])
    return Origin(file, folder, portfolio, policy, dbt)


# Runs are numbered in the order of their as_of, so that the last run of a cut history is that of its cut.
RUN_AT = """
    insert into raw.runs by name
    select * replace ($run_id as run_id, $as_of as as_of)
    from raw.runs where $as_of not in (select as_of from raw.runs) order by run_number desc limit 1
"""
IN_ORDER = """
    update raw.runs set run_number = numbered.run_number
    from (
        select run_id, row_number() over (order by as_of, run_number) as run_number from raw.runs
    ) as numbered
    where numbered.run_id = raw.runs.run_id
"""


def events(published: Path, count: int) -> dict[str, dt.datetime]:
    """Instants to cut a published warehouse at: a minute beside what changed the past, then decisions.

    Half of them, where there are so many, beside restatements, late bars and announcements spread over the
    history; the rest at, or just before, decisions spread over it.
    """
    con = warehouse.connect(published, read_only=True)
    try:
        news = con.execute(NEWS).fetchall()
        decisions = con.execute("select distinct decision_at from main.decisions order by 1").fetchall()
    finally:
        con.close()
    chosen = _spread(news, count // 2)
    cuts = {f"{what} of {symbol}": at for at, what, symbol in chosen}
    for number, (at,) in enumerate(_spread(decisions, count - len(cuts))):
        cuts[f"decision {number + 1}"] = at - dt.timedelta(seconds=number % 2)
    return cuts


NEWS = """
    select known_at + interval 1 minute, 'after a restatement', symbol from main.bars where version > 1
    union
    select known_at - interval 1 minute, 'before a restatement', symbol from main.bars where version > 1
    union
    select known_at + interval 1 minute, 'after a late bar', symbol from main.first_prints where is_late
    union
    select known_at - interval 1 minute, 'before a late action', symbol from main.late_actions
    union
    select known_at + interval 1 minute, 'after a late action', symbol from main.late_actions
    union
    select known_at, 'as a membership is told', symbol from main.memberships
    where known_at > '1900-01-01' and member_until is not null
    order by all
"""


def _spread(rows: Sequence[tuple[Any, ...]], count: int) -> list[tuple[Any, ...]]:
    """So many rows, evenly spaced, neither the first nor the last."""
    wanted = min(count, len(rows))
    return [rows[(2 * place + 1) * len(rows) // (2 * wanted)] for place in range(wanted)]


def _left_day(origin: Origin, share: float) -> dt.date:
    con = warehouse.connect(origin.file, read_only=True)
    try:
        first, last = con.execute("select min(session_date), max(session_date) from raw.bars").fetchall()[0]
    finally:
        con.close()
    return first + dt.timedelta(days=int((last - first).days * share))


def _past_warm_up(since: dt.date) -> dict[str, str]:
    """By table, which of its rows stand on bars whose longest look-back is all there."""
    warm = f"""
        (
            select numbered.symbol, min(numbered.session_date) as session_date
            from (
                select *, row_number() over (partition by symbol order by session_date) as bar_number
                from cut.main.daily_returns where session_date >= date '{since}'
            ) as numbered
            inner join cut.main.assets using (symbol)
            inner join cut.main.asset_classes using (asset_class)
            where numbered.bar_number > asset_classes.bars_per_year + {WARM_UP}
            group by numbered.symbol
        )
    """
    unfitted = "strategy in (select strategy from cut.main.strategies where kind <> 'learner')"
    days = {"readings": "decision_at", "positions": "decision_at - interval 7 day"}
    return {
        f"main.{table}": (
            f"exists (select 1 from {warm} as warm where warm.symbol = rows.symbol"
            f" and {days.get(table, 'rows.session_date')} >= warm.session_date)"
            + (f" and {unfitted}" if table == "positions" else "")
        )
        for table in FIXED_LOOK_BACK
    }


def _silent(*_: object, **__: object) -> None:
    pass
