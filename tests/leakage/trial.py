"""One trial inside a copy of the project: the guards, by name, on what the copy makes of the small world.

Only the forks of score.py import this module, each from its own copy.
"""

import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from flows import pipeline
from flows.guards import canaries, counterfactual, generic_tests, identity, static_python, static_sql
from flows.guards.compare import OUTSIDE, differences
from flows.guards.compiled import CompiledDbt
from flows.guards.counterfactual import Origin, poisoned_by, told_by
from flows.guards.findings import Finding
from flows.publish import PUBLISHED
from python_steps import policy as policies
from tests.leakage import landed, remembered
from tests.leakage.catalogue import Mutant
from tests.leakage.remembered_models import Memory
from tests.worlds import canaries as planted
from tests.worlds import small

TARGET = "target_exposures"
FILLED = "strategy_pnl"  # what canaries are looked for in

# Leaks that generic tests find in the geometry of windows.
GEOMETRY = ("no_purge", "test_in_train")

# The cut for an edit that names none; where a run ends though more is landed; where later values are
# poisoned, and how.
CUT = "just before the last bar"
AS_OF = "a minute before the restatement"
POISON = ("in the middle of a test span, at a decision", "mirrored")

# Where a run may stop when nothing later is looked at: the note it makes, and the tables that are there then.
STAGES = {
    "Learners fitted": pipeline.LEARNED,
    "Strategies evaluated": (
        *("scores", "positions", "strategy_pnl", "in_sample_pnl"),
        *("block_sums", "settled_spans", "span_sums", "window_metrics"),
    ),
    "Strategies weighed": pipeline.BELIEVED,
}


# What of a model dbt must parse to know.
REFERENCE = re.compile(r"\b(?:ref|source|config)\([^)]*\)")

# One macro of a file.
MACRO = re.compile(r"{%-?\s*macro\b.*?{%-?\s*endmacro\s*-?%}", re.DOTALL)

# Guards whose runs must come to their end; a harmless edit has them all.
WHOLE_RUNS = (None, "state")

# Guards that make a file again.
REBUILDING = ("cut_off", "poison", "as_of", "order")


class Enough(Exception):
    """A run has made all that is looked at."""


@dataclass(frozen=True)
class Staged(Origin):
    """An origin whose runs stop after a stage; at their end where there is none.

    Without `has_evidence`, nothing is ever made that no decision reads.
    """

    stage: str | None = None
    has_evidence: bool = True

    def compute(self, file: Path, *, is_shown: bool = True) -> int:
        """Make all tables and decisions up to the stage."""

        def note(stage: str, **_: Any) -> None:
            if stage == self.stage:
                raise Enough

        try:
            run, dbt = self.run_of(file), self.dbt.on(file)
            shown = is_shown and self.has_evidence
            return pipeline.compute(run, dbt, note, is_tested=False, is_shown=shown)
        except Enough:
            return 0


class Bench:
    """What was told, and what the copy makes of it, each made when the first guard asks for it.

    `place` is the model or table at which making may stop; all is made unless it is given.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        dbt: CompiledDbt,
        mutant: Mutant,
        place: str | None,
        *,
        has_evidence: bool,
    ) -> None:
        self.folder, self.mutant, self.dbt, self.place = folder, mutant, dbt, place
        self.told = file.parent.parent
        stages = (stage for stage, tables in STAGES.items() if place in tables)
        name, policy = policies.load(self.told / f"{small.PORTFOLIO}.yml")
        self.origin = Staged(file, folder, name, policy, dbt, next(stages, None), has_evidence)

    @cached_property
    def until(self) -> str:
        """The place, where it is a model that no Python step comes before."""
        nodes = self.dbt.manifest.nodes
        names = [name for name in nodes if name == f"model.portfolio_warehouse.{self.place}"]
        seen, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += nodes[name].depends_on.nodes if name in nodes else []
        is_estimated = any(name.startswith("source.portfolio_warehouse.steps.") for name in seen)
        return "" if is_estimated or not names else str(self.place)

    @cached_property
    def whole(self) -> Path:
        """A file in which everything that was told is known, and all that is looked at is made."""
        return self.made(self.origin.known_by(small.RUNS[-1], "whole"))

    def made(self, file: Path, *, in_order: bool = True) -> Path:
        """A retold file, with everything made in it up to the place.

        Rows told in another order are not taken from a memory, which has them in theirs.
        """
        origin = self.origin if in_order else replace(self.origin, dbt=replace(self.dbt, maker=None))
        if self.until:
            origin.dbt.on(file).run(select=[f"+{self.until}"])
        else:
            origin.compute(file)
        return file

    @cached_property
    def behind(self) -> Path:
        """The same of a file in which only what was told by AS_OF is known."""
        return self.made(self.origin.known_by(small.CUTS[AS_OF], "behind"))

    @cached_property
    def tested(self) -> list[Finding]:
        """What dbt's generic tests find in the whole."""
        return generic_tests.check(self.dbt, self.whole, [self.place] if self.place else [])


def land(folder: Path) -> None:
    """The small world, told in the project as it stands, and its dbt, compiled, for the trials to come.

    All is made once, with and without evidence, so that what dbt selects for it need not be asked for again,
    and as harmless edits make it, so that they find in the memory what they leave as it was.
    """
    folder.mkdir()
    memory = folder.parent / "remembered"
    memory.mkdir()
    remembered.note_code(memory)
    remembered.remember(memory, is_edited=False)
    world = small.build(folder)
    world.dbt.maker = Memory(memory, world.dbt.manifest, world.dbt.compiled(), keeps_all=True).make
    for name, until in (
        ("with evidence", small.RUNS[-1]),
        ("without", small.RUNS[-1]),
        ("behind", small.CUTS[AS_OF]),
    ):
        file = world.origin.known_by(until, name)
        world.origin.compute(file, is_shown=name == "with evidence")
        if name == "with evidence":
            world.dbt.on(file).failures()
        shutil.rmtree(file.parent)
    _evidence(world.dbt)
    world.dbt.upstream(*counterfactual.FIXED_LOOK_BACK)
    world.dbt.upstream(FILLED)
    parsed = (world.dbt.manifest, world.dbt.selections)  # together, so that they share their nodes
    (folder / "parsed.pickle").write_bytes(pickle.dumps(parsed))


def tried(mutant: Mutant, folder: Path, is_first_only: bool = False) -> dict[str, Any]:
    """The first guard whose finding names the place of a mutant, or the first that flags a harmless edit.

    The guard that should fire goes first and makes no more than it needs: what no decision reads is made for
    an edit of it, and for the other guards, but not for harmless edits. `folder` is that of the score; the
    small world is told there, and told again for an edit of the landing.
    """
    build = Path("build").resolve()
    build.mkdir()
    remembered.remember(folder / "remembered", is_edited=mutant.language == "python")
    bench = _bench(build, mutant, folder / "world")
    said: dict[str, Any] = {}
    for number, (guard, look) in enumerate(_guards_for(mutant).items()):
        if number and is_first_only:
            break
        if number == 1 and mutant.guard:
            bench = Bench(build / "all", bench.origin.file, bench.dbt, mutant, None, has_evidence=True)
        for finding in look(bench):
            is_named = mutant.is_harmless or mutant.is_named_by(str(finding))
            if is_named or not said:
                said = {"guard": guard, "finding": str(finding), "is_named": is_named}
            if is_named:
                return said
    return said


def _guards_for(mutant: Mutant) -> "dict[str, Guard]":
    """Every guard, the one that should fire first.

    A harmless edit is shown to all that can see it, of which four share the files they make. Where it touches
    SQL alone there is no state to look for, since every model is made anew by every run; where it touches a
    step alone, SQL is what it was.
    """
    if mutant.guard:
        return {mutant.guard: GUARDS[mutant.guard]} | GUARDS
    shared: dict[str, Guard] = {"cut_off": _cut_off_behind, "as_of": _as_of_of_other_rows}
    left_out = {"order", "poison", *(("state", "python") if mutant.language == "sql" else ())}
    left_out |= set() if mutant.is_sql or mutant.lands else {"sql", "left_cut", "canary"}
    return {guard: look for guard, look in (GUARDS | shared).items() if guard not in left_out}


def _bench(folder: Path, mutant: Mutant, told: Path) -> Bench:
    if mutant.lands:
        file = small.build(folder).origin.file
    else:
        shutil.copytree(told, folder, dirs_exist_ok=True)
        file = folder / "told" / PUBLISHED
    manifest, selections = pickle.loads((told / "parsed.pickle").read_bytes())
    original = {
        one.name: one.compiled_code for one in manifest.nodes.values() if one.resource_type == "model"
    }
    dbt = CompiledDbt(file, project=Path.cwd(), _manifest=manifest, selections=selections)
    if mutant.is_sql and not _mended(manifest, mutant):
        dbt = _parsed(mutant, file, told / "told" / PUBLISHED, manifest)
    dbt.maker = Memory(told.parent / "remembered", dbt.manifest, original).make
    place = None if mutant.guard in WHOLE_RUNS else mutant.place
    has_evidence = mutant.guard in REBUILDING and place in _evidence(dbt)
    return Bench(folder, file, dbt, mutant, place, has_evidence=has_evidence)


def _parsed(mutant: Mutant, file: Path, before: Path, compiled: Any) -> CompiledDbt:
    """The project as it was edited; what was not is taken from the parse on another file, `before`.

    Not for macros: a plug-in would lose its edge. dbt parses all again where the file is another.
    """
    if not all(edit.file.startswith("models/") and edit.file.endswith(".sql") for edit in mutant.edits):
        return CompiledDbt(file, project=Path.cwd())
    os.environ["DBT_PARTIAL_PARSE"] = "true"
    dbt = CompiledDbt(before, project=Path.cwd(), target=file.parent / "dbt").on(file)
    for name, node in dbt.manifest.nodes.items():
        same = compiled.nodes.get(name)
        if same is not None and getattr(same, "compiled_code", None) and same.raw_code == node.raw_code:
            node.compiled, node.compiled_code = True, same.compiled_code
    return dbt


def _evidence(dbt: CompiledDbt) -> list[str]:
    """Models that are not made unless evidence is."""
    return [*dbt.chosen(pipeline.UNREAD), *pipeline.EXPLAINED]


def _mended(manifest: Any, mutant: Mutant) -> bool:
    """Whether edits leave all references as they were: then what they change alone is compiled again."""
    files = {edit.file for edit in mutant.edits if not edit.file.startswith("seeds/")}  # dbt reads none
    models = {one.original_file_path: one for one in manifest.nodes.values() if one.resource_type == "model"}
    edited: set[str] = set()
    for file in files:
        text, model = Path(file).read_text("utf-8"), models.get(file)
        macros = [one for one in manifest.macros.values() if one.original_file_path == file]
        before = model.raw_code if model else "".join(one.macro_sql for one in macros)
        if not before or set(REFERENCE.findall(text)) != set(REFERENCE.findall(before)):
            return False
        if model:
            model.raw_code, model.compiled, model.compiled_code = text, False, None
        for macro, code in zip(macros, MACRO.findall(text), strict=True):
            macro.macro_sql = code
            edited.add(macro.unique_id)
    if not _forgotten(manifest, edited):
        return False
    manifest.rebuild_ref_lookup()  # a pickled manifest mixes up its indexes
    manifest.rebuild_source_lookup()
    return True


def _forgotten(manifest: Any, macros: set[str]) -> bool:
    """Take back what was compiled with macros, directly or not; whether it is models alone.

    Those of a plug-in are called through union_plugins, which knows their names alone.
    """
    reached, waiting = set(), set(macros)
    while waiting:
        reached |= waiting
        if any("__" in name for name in waiting):
            waiting.add("macro.portfolio_warehouse.union_plugins")
        waiting |= {one.unique_id for one in manifest.macros.values() if waiting & {*one.depends_on.macros}}
        waiting -= reached
    users = [node for node in manifest.nodes.values() if reached & {*node.depends_on.macros}]
    for node in users:
        node.compiled, node.compiled_code = False, None
    return all(node.resource_type == "model" for node in users)


def _sql(bench: Bench) -> list[Finding]:
    bench.dbt.compile()
    models, sources = static_sql.compiled(bench.dbt.manifest)
    wanted = static_sql.upstream([TARGET], models)
    if bench.place in models:
        models = {name: models[name] for name in static_sql.upstream([bench.place], models)}
    return static_sql.check_models(models, sources, only=models.keys() & set(wanted)).findings


def _python(bench: Bench) -> list[Finding]:
    return static_python.check_modules(static_python.modules_of()).findings


def _tests(bench: Bench) -> list[Finding]:
    return [finding for finding in bench.tested if finding.leak not in GEOMETRY]


def _geometry(bench: Bench) -> list[Finding]:
    return [finding for finding in bench.tested if finding.leak in GEOMETRY]


def _identity(bench: Bench) -> list[Finding]:
    told = landed.check(bench.told, bench.origin.file) if bench.mutant.lands else []
    return told + identity.check(bench.whole)


def _cut_off(bench: Bench) -> list[Finding]:
    event = bench.mutant.cut if bench.mutant.cut and bench.place else CUT
    at = small.CUTS[event]
    return counterfactual.cut_off(bench.origin, bench.whole, event, at, until=bench.until).findings


def _cut_off_behind(bench: Bench) -> list[Finding]:
    """A cut where the other run behind an as_of is made."""
    at = small.CUTS[AS_OF]
    return counterfactual.findings(bench.origin, "cut_off", AS_OF, differences(bench.whole, bench.behind, at))


def _poison(bench: Bench) -> list[Finding]:
    event, how = POISON
    at = small.CUTS[event]
    return counterfactual.poison(bench.origin, bench.whole, event, at, how, until=bench.until).findings


def _left_cut(bench: Bench) -> list[Finding]:
    return counterfactual.left_cut(bench.origin, bench.whole)


def _as_of(bench: Bench) -> list[Finding]:
    """A run that ends at a cut, though more is landed, must say what one says that was told no more."""
    return _ahead(bench, told_by(small.RUNS[-1]))


def _as_of_of_other_rows(bench: Bench) -> list[Finding]:
    """The same, of rows told in another order, with other values after the cut."""
    told = _shuffled(poisoned_by(small.RUNS[-1], small.CUTS[AS_OF], POISON[1]))
    return _ahead(bench, told, in_order=False)


def _ahead(bench: Bench, told: dict[str, str], *, in_order: bool = True) -> list[Finding]:
    at = small.CUTS[AS_OF]
    told = told | {"raw.runs": told_by(at)["raw.runs"]}
    ahead = bench.made(bench.origin.retold("ahead of its as_of", told), in_order=in_order)
    event = f"a run as of {at} of what is told until {small.RUNS[-1]}"
    return _compared(bench, "as_of", ahead, bench.behind, event)


def _order(bench: Bench) -> list[Finding]:
    """The same rows, told in another order, must make the same tables."""
    told = _shuffled(told_by(small.RUNS[-1]))
    file = bench.made(bench.origin.retold("shuffled", told), in_order=False)
    return _compared(bench, "order", bench.whole, file, "rows in another order")


def _shuffled(told: dict[str, str]) -> dict[str, str]:
    """The same queries with their rows in another order, always the same."""
    return {table: f"select * from ({query}) as told order by hash(told)" for table, query in told.items()}


def _state(bench: Bench) -> list[Finding]:
    """A run after the first landing and one after the last must say what one run says."""
    again = (0, len(small.RUNS) - 1)
    lands = bench.mutant.lands
    grown = small.World(bench.told, bench.origin).grow(again).file if lands else _grown(bench.origin)
    return _compared(bench, "state", bench.whole, grown, "two runs")


def _grown(origin: Staged) -> Path:
    """As small.World.grow, of rows that were landed before."""
    before, after = _landed_first(), told_by(small.RUNS[-1])
    file = origin.retold("grown", before)
    origin.compute(file)
    origin.tell_more(file, before, after)
    origin.compute(file)
    return file


def _landed_first() -> dict[str, str]:
    """What stood there after the first landing: of an asset that came later, nothing of what was known."""
    told = told_by(small.RUNS[0])
    at = told["raw.batches"] + f" where as_of <= timestamp '{small.RUNS[0]}'"
    by_time = ("raw.runs", "raw.resets", "raw.holdings")
    return {
        table: query if table in by_time else f"from ({query}) where batch_id <= (select max(batch_id) {at})"
        for table, query in told.items()
    }


def _compared(bench: Bench, guard: str, one: Path, other: Path, event: str) -> list[Finding]:
    tables = [f"main.{name}" for name in bench.dbt.upstream(bench.until)] if bench.until else []
    dated = [table for table in tables if table not in OUTSIDE]
    found = differences(one, other, small.RUNS[-1], tables=dated)
    return counterfactual.findings(bench.origin, guard, event, found)


def _canary(bench: Bench) -> list[Finding]:
    told = planted.landed(bench.folder / "canaries")
    bench.dbt.on(told.file).run(select=[f"+{FILLED}"])
    return canaries.check(told.file, planted.CANARIES)


Guard = Callable[[Bench], list[Finding]]
GUARDS: dict[str, Guard] = {
    "sql": _sql,
    "python": _python,
    "tests": _tests,
    "geometry": _geometry,
    "identity": _identity,
    "cut_off": _cut_off,
    "poison": _poison,
    "left_cut": _left_cut,
    "as_of": _as_of,
    "order": _order,
    "canary": _canary,
    "state": _state,
}
