"""What dbt made of the project's files, kept: a process that finds the same files need not read them again.

This is not dbt's partial parsing, under which a new plug-in silently loses its edge. The key is a hash of
every file that dbt reads, so one byte in one file, or one file more, is another key; nothing is ever mended.
"""

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

READ = ("dbt_project.yml", "profiles.yml", "models", "macros", "tests")
SUFFIXES = {".sql", ".yml", ".md"}
KEPT = 8  # files; a parsed project is about 4 MB
PACKAGES = ("dbt-core", "dbt-common", "dbt-adapters", "dbt-duckdb")


def entry(project: Path, database: str, state: str) -> Path:
    """Where a project as it now stands is kept, on a database of this name: dbt names tables after it.

    `state` is parsed or compiled.
    """
    content = hashlib.sha256()
    for said in (state, database, platform.python_version(), *map(version, PACKAGES)):
        content.update(f"{said}\n".encode())
    for file in _files(project):
        text = file.read_bytes()
        content.update(f"{file.relative_to(project).as_posix()} {len(text)}\n".encode())
        content.update(text)
    return project / "target" / "parsed" / f"{content.hexdigest()}.msgpack"


def load(kept: Path) -> Any:
    """dbt's manifest, or None where the project has not been read as it now stands, or the file is hurt."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        return Manifest.from_msgpack(kept.read_bytes(), decoder=extended_mashumuro_decoder)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def save(manifest: Any, kept: Path) -> None:
    """Keep a manifest, whole or not at all; where the project's folder cannot be written to, do not."""
    from dbt.parser.manifest import extended_mashumaro_encoder

    new = kept.with_suffix(f".{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(manifest.to_msgpack(extended_mashumaro_encoder))
        new.replace(kept)
        for old in sorted(kept.parent.glob("*.msgpack"), key=_age)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        new.unlink(missing_ok=True)


def _files(project: Path) -> list[Path]:
    places = [project / name for name in READ]
    found = [place for place in places if place.is_file()]
    for folder in places:
        found += [file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file()]
    return sorted(found)


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # another process removed it first
        return 0.0
