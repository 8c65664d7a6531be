"""What a score says: a line a trial on the terminal, and the page SCORE.md."""

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from tests.leakage.catalogue import FAMILIES, Mutant

PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb", "sqlglot", "numpy", "pandas", "scikit-learn")
GOOD = ("killed", "killed by another", "not flagged")
WORDS = 260


@dataclass(frozen=True)
class Trial:
    """How one edit fared: the guard that spoke, its finding in words, whether that names the place.

    `broken` says why the copy could not be built or checked; `seconds` are of processor time.
    """

    mutant: Mutant
    guard: str | None
    finding: str | None
    is_named: bool
    broken: str | None
    seconds: float

    @property
    def outcome(self) -> str:
        """One of GOOD, or what went wrong."""
        if self.broken:
            return "broken"
        if self.mutant.is_harmless:
            return "flagged" if self.guard else "not flagged"
        if self.guard is None:
            return "survived"
        if not self.is_named:
            return "found elsewhere"
        return "killed" if self.guard == self.mutant.guard else "killed by another"

    @property
    def is_good(self) -> bool:
        """A mutant killed by a guard that names its place, or a harmless edit that no guard flags."""
        return self.outcome in GOOD


def shown(trial: Trial) -> str:
    """One line for the terminal."""
    said = trial.broken or trial.finding or ""
    return f"{trial.outcome:17s} {trial.seconds:5.1f} s  {trial.mutant.name}: {said}"[:WORDS]


def page(trials: Sequence[Trial], seconds: float) -> str:
    """SCORE.md."""
    mutants = [trial for trial in trials if not trial.mutant.is_harmless]
    harmless = [trial for trial in trials if trial.mutant.is_harmless]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    killed = sum(trial.is_good for trial in mutants)
    flagged = sum(not trial.is_good for trial in harmless)
    return "\n".join(
        [
            "# Score of the guards against leaks",
            "",
            "Written by `make mutants`. A mutant is killed when the finding of a guard names where it leaks.",
            "",
            f"- {killed} of {len(mutants)} mutants killed, {flagged} of {len(harmless)} harmless edits"
            " flagged",
            f"- {seconds:.0f} s on {platform.machine()}, Python {platform.python_version()}, {packages}",
            "",
            *_table("leak", FAMILIES.items(), mutants, lambda trial: trial.mutant.leak),
            *_table("guard", _guards(mutants), mutants, lambda trial: trial.mutant.guard),
            "## What is left",
            "",
            *([_item(trial) for trial in trials if not trial.is_good] or ["Nothing."]),
            "",
            "## Mutants",
            "",
            "| mutant | mistake | guard | what it said |",
            "| --- | --- | --- | --- |",
            *map(_row, mutants),
            "",
            "## Harmless edits",
            "",
            *(
                f"- {trial.mutant.name}: {trial.mutant.what} {trial.outcome.capitalize()}."
                for trial in harmless
            ),
            "",
        ]
    )


def _guards(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """Guards that were expected to fire, with no words beside the name."""
    return [(guard, "") for guard in sorted({str(trial.mutant.guard) for trial in trials})]


def _table(
    title: str, groups: Iterable[tuple[object, str]], trials: Sequence[Trial], of: Callable[[Trial], object]
) -> list[str]:
    """Mutants and kills of each group; a kill by another guard than the one expected is told apart."""
    lines = [
        f"## By {title}",
        "",
        f"| {title} | mutants | killed | of these by another guard |",
        "| --- |" + " --- |" * 3,
    ]
    for key, words in groups:
        mine = [trial.outcome for trial in trials if of(trial) == key]
        good, other = sum(one in GOOD for one in mine), mine.count("killed by another")
        lines.append(f"| {key} {words}".rstrip() + f" | {len(mine)} | {good} | {other} |")
    return [*lines, ""]


def _row(trial: Trial) -> str:
    said = (trial.broken or trial.finding or "").replace("|", "\\|").replace("\n", " ")
    guard = trial.guard or trial.outcome
    if trial.outcome == "killed by another":
        guard += f" (expected: {trial.mutant.guard})"
    return f"| {trial.mutant.name} | {trial.mutant.what} | {guard} | {said[:WORDS]} |"


def _item(trial: Trial) -> str:
    return (
        f"- {trial.outcome}: {trial.mutant.name}. {trial.mutant.what} {trial.broken or trial.finding or ''}"
    )
