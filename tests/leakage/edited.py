"""dbt on an edited copy of the project's models, for tests that look at one guard."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED
from tests.leakage.catalogue import PROJECT, Edit, Mutant, apply


def edited(folder: Path, edits: Mapping[str, tuple[str, str]]) -> CompiledDbt:
    """dbt on a copy of the project with edits: by path, a text that stands there and its place taker."""
    project = folder / "project"
    for part in ("models", "macros", "tests/generic"):
        shutil.copytree(PROJECT / part, project / part)
    for file in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / file, project / file)
    made = tuple(Edit(path, old, new) for path, (old, new) in edits.items())
    apply(Mutant("edited", "an edit of a test", made), project)
    return CompiledDbt(folder / PUBLISHED, project=project)
