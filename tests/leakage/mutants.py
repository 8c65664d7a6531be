"""Copies of the dbt project with a small edit each, to see whether the guards find it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from flows.dbt import PROJECT
from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED

PARTS = ("models", "macros", "tests/generic")
FILES = ("dbt_project.yml", "profiles.yml")


def mutant(folder: Path, edits: Mapping[str, tuple[str, str]]) -> CompiledDbt:
    """dbt on a copy of the project with edits: by path, text that must stand there once, and its place taker.

    A file that does not exist yet is written, if the text to be found is empty.
    """
    project = folder / "project"
    for part in PARTS:
        shutil.copytree(PROJECT / part, project / part)
    for file in FILES:
        shutil.copy(PROJECT / file, project / file)
    for name, (old, new) in edits.items():
        path = project / name
        text = path.read_text("utf-8") if path.exists() else ""
        assert text.count(old) == 1 if old else not text, f"{name}: '{old}' does not stand there once"
        path.write_text(text.replace(old, new) if old else new, "utf-8")
    return CompiledDbt(folder / PUBLISHED, project=project)
