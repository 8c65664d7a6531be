"""Every guard against leaks, on the project, on one new signal, or on what a published warehouse was told."""

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from flows.dbt import PROJECT
from flows.guards.counterfactual import Origin
from flows.guards.findings import Finding
from flows.lock import LOCK_WAIT, held
from flows.outputs import NothingPublished
from flows.publish import PUBLISHED, publish, published, sweep, working_copy
from flows.requests import RequestError
from flows.versions import code_version
from python_steps import warehouse

if TYPE_CHECKING:
    import datetime as dt

TARGET = "target_exposures"
PREFIX = "signal__"  # of the macros in macros/signals
SIGNAL_POISONS = 2
Tell = Callable[[str], Any]


@dataclass(frozen=True)
class Check:
    """What one guard looked at, in words with counts, what it found, and places it leaves to the reader."""

    guard: str
    looked_at: str
    findings: list[Finding] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LeakReport:
    """All checks of one call. `check_id` is null where nothing is published, so that nothing was kept."""

    about: str
    checks: list[Check]
    check_id: str | None

    @property
    def findings(self) -> list[Finding]:
        """Those of all guards."""
        return [finding for check in self.checks for finding in check.findings]


def leakcheck(
    folder: Path,
    *,
    signals: Sequence[str] = (),
    cuts: int = 4,
    own: str | None = None,
    lock_wait: float = LOCK_WAIT,
    tell: Tell = lambda _: None,
) -> LeakReport:
    """Run the guards, and keep what they say in `steps.leak_findings` of the warehouse published in `folder`.

    On the small world of the tests, which holds an event of every kind, unless `own` names a portfolio: then
    on what the published warehouse was told. With `signals`, on their way to positions and profit alone.
    `tell` hears which guard is done. Raises RequestError for a signal that no file has.
    """
    with tempfile.TemporaryDirectory(prefix="leakcheck-") as place:
        if own is not None:
            about, checks = f"what {own} was told", _on_own(folder, Path(place), own, cuts)
        elif signals:
            about, checks = f"signal {', '.join(signals)}", _on_signals(Path(place), signals, cuts)
        else:
            about, checks = "the project", _on_project(Path(place), cuts)
        done = []
        for check in checks:
            tell(f"{check.guard}: {check.looked_at}")
            done.append(check)
    return LeakReport(about, done, _keep(folder, done, lock_wait))


def _on_project(place: Path, cuts: int) -> Iterator[Check]:
    from flows.guards import counterfactual, generic_tests, identity

    worlds = _worlds()
    world = worlds.small.build(place)
    origin = world.origin
    yield from _static(origin)
    whole = world.whole
    yield Check("tests", "dbt's generic tests on every model", generic_tests.check(origin.dbt, whole))
    examined = identity.examine(whole)
    yield Check("identity", _counted(examined.rows), examined.findings)
    yield _cut_off(origin, whole, _chosen(worlds.small.CUTS, cuts))
    yield _poison(origin, whole, _chosen(worlds.small.CUTS, 1))
    yield Check("left_cut", "the oldest fifth of the bars gone", counterfactual.left_cut(origin, whole))
    yield _canaries(worlds, place, origin, "everything")


def _on_signals(place: Path, signals: Sequence[str], cuts: int) -> Iterator[Check]:
    """The way of a signal to its positions and profit is SQL alone, so no Python step is run."""
    from flows.guards import counterfactual

    worlds = _worlds()
    traded = [name for name in signals if (PROJECT / "macros" / "signals" / f"{name}.sql").exists()]
    origin = worlds.small.build(place, traded).origin
    yield from [_static_signal(origin, signal) for signal in signals]
    whole = origin.known_by(origin.last_run(), "whole")
    origin.dbt.on(whole).run(select=["+strategy_pnl", "+daily_returns"])
    chosen = _chosen(worlds.small.CUTS, 2 * cuts)
    yield _cut_off(origin, whole, chosen, until="positions")
    yield _poison(origin, whole, _chosen(worlds.small.CUTS, SIGNAL_POISONS), until="positions")
    yield Check("left_cut", "the oldest fifth of the bars gone", counterfactual.left_cut(origin, whole))
    added = counterfactual.grown(origin, whole, worlds.small.RUNS[-2], until="positions")
    yield Check("grown", f"{added.rows:,} rows of {added.tables} tables, a day added", added.findings)
    yield _canaries(worlds, place, origin, "+strategy_pnl")


def _on_own(folder: Path, place: Path, portfolio: str, cuts: int) -> Iterator[Check]:
    from flows.guards import counterfactual, identity
    from flows.guards.compiled import CompiledDbt

    if not published(folder).exists():
        raise NothingPublished(f"nothing is published in {folder}; run portfolio rebalance first")
    chosen = counterfactual.events(published(folder), cuts)
    dbt = CompiledDbt(place / "told" / PUBLISHED)
    try:
        origin = counterfactual.origin_of(published(folder), place, portfolio, chosen, dbt)
    except LookupError as error:
        raise RequestError(f"--own: {error}") from None
    yield from _static(origin)
    examined = identity.examine(published(folder))
    yield Check("identity", _counted(examined.rows), examined.findings)
    whole = origin.known_by(origin.last_run(), "whole")
    origin.compute(whole)
    yield _cut_off(origin, whole, chosen)


def _static(origin: Origin) -> Iterator[Check]:
    from flows.guards import static_python, static_sql

    origin.dbt.compile()
    models, sources = static_sql.compiled(origin.dbt.manifest)
    report = static_sql.check_models(models, sources, only=static_sql.upstream([TARGET], models))
    yield Check(
        "sql", f"{len(report.looked_at)} models", report.findings, [str(one) for one in report.undecided]
    )
    python = static_python.check_modules(static_python.modules_of(PROJECT))
    yield Check(
        "python", f"{len(python.looked_at)} modules", python.findings, [str(one) for one in python.undecided]
    )


def _static_signal(origin: Origin, signal: str) -> Check:
    from flows.guards import static_sql

    origin.dbt.compile()
    names = [macro.name for macro in origin.dbt.manifest.macros.values()]
    known = sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    if signal not in known:
        raise RequestError(f"--signal: '{signal}' is unknown; expected one of {', '.join(known)}")
    models, sources = static_sql.compiled(origin.dbt.manifest)
    sql = origin.dbt.inline("{{ " + f"{PREFIX}{signal}()" + " }}")
    report = static_sql.check_signal(signal, sql, models, sources)
    return Check("sql", f"signal {signal}", report.findings, [str(one) for one in report.undecided])


def _cut_off(origin: Origin, whole: Path, cuts: "Mapping[str, dt.datetime]", *, until: str = "") -> Check:
    """Evidence that no decision reads is made at the first cut alone, as under the first poison."""
    from flows.guards import counterfactual

    found: list[Finding] = []
    compared: list[tuple[int, int]] = []
    for event, at in cuts.items():
        one = counterfactual.cut_off(origin, whole, event, at, until=until, is_shown=not compared)
        found += one.findings
        compared.append((one.tables, one.rows))
    rows = sum(count for _, count in compared)
    return Check("cut_off", f"{rows:,} rows of {compared[0][0]} tables at {_cuts(cuts)}", found)


def _poison(origin: Origin, whole: Path, cuts: "Mapping[str, dt.datetime]", *, until: str = "") -> Check:
    from flows.guards import counterfactual

    told = [(event, at, how) for event, at in cuts.items() for how in counterfactual.POISONS]
    done = [
        counterfactual.poison(origin, whole, *history, until=until, is_shown=history == told[0])
        for history in told
    ]
    found = [finding for one in done for finding in one.findings]
    looked_at = f"{sum(one.rows for one in done):,} rows, {len(counterfactual.POISONS)} poisons"
    return Check("poison", f"{looked_at} at {_cuts(cuts)}", found)


def _cuts(cuts: "Mapping[str, dt.datetime]") -> str:
    return "1 cut" if len(cuts) == 1 else f"{len(cuts)} cuts"


def _canaries(worlds: Any, place: Path, origin: Origin, select: str) -> Check:
    from flows.guards import canaries

    landed = worlds.canaries.landed(place / "canaries")
    dbt = origin.dbt.on(landed.file)
    if select == "everything":
        landed.compute(dbt, is_shown=False)
    else:
        dbt.run(select=[select])
    planted = worlds.canaries.CANARIES
    return Check("canaries", f"{len(planted)} planted assets", canaries.check(landed.file, planted))


def _worlds() -> SimpleNamespace:
    """The worlds live with the tests, in the project's folder, where an installed command does not look."""
    if str(PROJECT) not in sys.path:
        sys.path.append(str(PROJECT))
    return SimpleNamespace(
        small=importlib.import_module("tests.worlds.small"),
        canaries=importlib.import_module("tests.worlds.canaries"),
    )


def _chosen(cuts: "Mapping[str, dt.datetime]", count: int) -> "dict[str, dt.datetime]":
    """So many of the cuts, evenly spread."""
    names = list(cuts)
    wanted = min(max(count, 1), len(names))
    picked = [names[(2 * place + 1) * len(names) // (2 * wanted)] for place in range(wanted)]
    return {name: cuts[name] for name in picked}


def _counted(rows: Mapping[str, int]) -> str:
    return f"{sum(rows.values()):,} rows of {len(rows)} tables recomputed"


def _keep(folder: Path, checks: Sequence[Check], lock_wait: float) -> str | None:
    """Write the findings into the published warehouse, if there is one; returns the name of the check."""
    if not published(folder).exists():
        return None
    with held(folder, "leakcheck", lock_wait):
        sweep(folder)
        with working_copy(folder) as file:
            con = warehouse.connect(file)
            try:
                warehouse.create_tables(con)
                number, as_of = con.execute(
                    "select (select count(distinct check_id) from steps.leak_findings) + 1,"
                    " (select max(as_of) from raw.runs)"
                ).fetchall()[0]
                check_id = f"leakcheck-{number:05d}"
                rows = pd.DataFrame([row for check in checks for row in _rows(check)])
                about = {"check_id": check_id, "as_of": as_of, "code_version": code_version()}
                rows = rows.assign(**about, finding_number=range(1, len(rows) + 1))
                warehouse.write(con, "steps.leak_findings", rows)
            finally:
                con.close()
            publish(file, folder)
    return check_id


def _rows(check: Check) -> Iterator[dict[str, Any]]:
    """One row a finding and an undecided place; of a guard that found nothing, what it looked at."""
    row = {"guard": check.guard, "place": "all", "verdict": "clean", "leak": None, "line": None}
    row |= {"evidence": check.looked_at, "row_known_then": None, "row_with_later": None}
    for found in check.findings:
        before, after = found.rows or (None, None)
        yield row | {
            "verdict": "leak",
            "place": found.place,
            "leak": found.leak,
            "line": found.line,
            "evidence": found.evidence,
            "row_known_then": before,
            "row_with_later": after,
        }
    for text in check.undecided:
        yield row | {"verdict": "undecided", "evidence": text}
    if not check.findings:
        yield row
