"""What a score says, on the terminal and in SCORE.md."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.leakage.catalogue import Mutant


@dataclass(frozen=True)
class Trial:
    """How one mutant or harmless edit fared."""

    mutant: Mutant
    guard: str | None
    finding: str | None
    named: bool
    broken: str | None
    seconds: float


def shown(trial: Trial) -> str:
    state = "broken" if trial.broken else "killed" if trial.named else "found" if trial.guard else "SURVIVED"
    return f"{state:8s} {trial.seconds:5.1f} s {trial.mutant.name}: {trial.broken or trial.finding}"[:260]


def failures(trials: Sequence[Trial]) -> list[str]:
    return [t.mutant.name for t in trials if not t.named]


def page(trials, seconds):
    return ""
