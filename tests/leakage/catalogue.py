"""The catalogue: small edits that leak, and harmless ones, each a file in tests/leakage/mutants."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parent.parent.parent
MUTANTS = Path(__file__).parent / "mutants"
PARTS = ("flows", "macros", "models", "python_steps", "seeds", "tests")
LANDING = ("seeds/", "flows/landing.py", "python_steps/adapters/")
LANDING_STEPS = ("land_actions", "land_bars", "landing_sql", "register_assets", "study")
FAMILIES = {
    1: "window that looks ahead",
    2: "statistic over the whole sample",
    3: "backfill, interpolation",
    4: "survivorship",
    5: "restated values",
    6: "adjusted prices",
    7: "event time for knowledge time",
    8: "closes that are not simultaneous",
    9: "label at the open, unclosed candle",
    10: "time zone, summer time",
    11: "fill on the bar of the signal, or before the decision",
    12: "optimistic fill, sample chosen by outcome",
    13: "overlapping labels without purge, no embargo",
    14: "test row in training",
    15: "folds anchored at the end of the data",
    16: "strategy weights from test spans or later windows",
    17: "choice after seeing everything",
    18: "smoothed regimes",
    19: "covariance, scaler, imputer fitted on everything",
    20: "profit used before it is known",
    21: "target among the features",
    22: "clock of the loader",
    23: "state of what was built before",
    24: "cache of the orchestrator",
    25: "fill-forward by calendar",
}


@dataclass(frozen=True)
class Edit:
    """Text that stands exactly once in a file, and what takes its place; no text at all begins a new file."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """One mistake: the row of the table of leaks, who should find it and where; or an edit without harm.

    `cut` names the event at which a rebuild is cut, for the guards that rebuild.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    leak: int | None = None
    guard: str | None = None
    place: str | None = None
    cut: str | None = None
    is_harmless: bool = False

    @property
    def lands(self) -> bool:
        """Whether the edit touches what is landed, so that bars must be landed again."""
        steps = tuple(f"python_steps/{step}.py" for step in LANDING_STEPS)
        return any(edit.file.startswith(LANDING) or edit.file in steps for edit in self.edits)

    @property
    def is_sql(self) -> bool:
        """Whether dbt must compile again."""
        return any(edit.file.startswith(("models/", "macros/", "tests/")) for edit in self.edits)

    @property
    def language(self) -> str:
        """`python` where a Python file is edited, else `sql`."""
        return "python" if any(edit.file.endswith(".py") for edit in self.edits) else "sql"

    def is_named_by(self, words: str) -> bool:
        """Whether the words of a finding name the place as a word of its own."""
        return re.search(rf"(?<!\w){re.escape(self.place or '')}(?!\w)", words) is not None


def catalogue(folder: Path = MUTANTS) -> list[Mutant]:
    """Every mutant and harmless edit, by name."""
    return [read(file) for file in sorted(folder.glob("*.yml"))]


def read(file: Path) -> Mutant:
    """One file of the catalogue; raises ValueError where it is not what a mutant or harmless edit must be."""
    said: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    is_harmless = said.pop("harmless", False)
    wanted = {"what", "edits"} | (set() if is_harmless else {"leak", "guard", "place"})
    if not wanted <= said.keys() <= wanted | ({"cut"} if not is_harmless else set()):
        raise ValueError(f"{file.name}: has {', '.join(said)}; expected {', '.join(sorted(wanted))}")
    if not is_harmless and said["leak"] not in FAMILIES:
        raise ValueError(f"{file.name}: leak {said['leak']} is unknown; expected 1 to 25")
    edits = tuple(Edit(edit["file"], edit["from"] or "", edit["to"]) for edit in said.pop("edits"))
    return Mutant(name=file.stem, edits=edits, is_harmless=is_harmless, **said)


def copy_project(folder: Path, source: Path = PROJECT) -> None:
    """A copy of all that a run and its guards need, the catalogue left out."""
    for part in PARTS:
        shutil.copytree(source / part, folder / part, ignore=shutil.ignore_patterns("mutants", "sample"))
    for file in source.iterdir():
        if file.suffix in {".yml", ".toml", ".lock"}:
            shutil.copy(file, folder)


def apply(mutant: Mutant, project: Path) -> None:
    """Make the edits in a copy; raises ValueError where a text does not stand there exactly once."""
    for edit in mutant.edits:
        path = project / edit.file
        text = path.read_text("utf-8") if path.exists() else ""
        if edit.old and text.count(edit.old) != 1:
            raise ValueError(f"{mutant.name}: {edit.file}: '{edit.old}' stands {text.count(edit.old)} times")
        if not edit.old and text:
            raise ValueError(f"{mutant.name}: {edit.file}: is there already; 'from' must not be empty")
        path.write_text(text.replace(edit.old, edit.new) if edit.old else edit.new, "utf-8")
