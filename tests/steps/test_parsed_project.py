"""What dbt made of the project is kept for the next process, until a byte of what it read changes."""

import os
import shutil
from pathlib import Path

import pytest

from flows import parsed_project
from flows.dbt import PROJECT, Dbt
from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED
from python_steps import warehouse

PLUGIN = """{% macro signal__planted_idea() %}
    select symbol, session_date, known_at, 0.5 as value
    from {{ ref('signal_quality') }}
{% endmacro %}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of all that dbt reads, read and compiled once."""
    copy = tmp_path_factory.mktemp("project")
    for part in ("models", "macros", "tests/generic"):
        shutil.copytree(PROJECT / part, copy / part)
    for file in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / file, copy / file)
    dbt = dbt_on(copy)
    dbt.compile()
    return copy


def dbt_on(project: Path) -> CompiledDbt:
    folder = project / "elsewhere"
    folder.mkdir(exist_ok=True)
    if not (folder / PUBLISHED).exists():
        con = warehouse.connect(folder / PUBLISHED)
        warehouse.create_tables(con)
        con.close()
    return CompiledDbt(folder / PUBLISHED, project=project)


def counted(monkeypatch) -> list[str]:
    """Names of the commands that dbt is asked for."""
    asked: list[str] = []
    invoke = Dbt._invoke

    def counts(self, arguments, manifest):
        asked.append(arguments[0])
        return invoke(self, arguments, manifest)

    monkeypatch.setattr(Dbt, "_invoke", counts)
    return asked


def test_the_same_files_are_not_read_again_and_say_the_same(project, monkeypatch):
    asked = counted(monkeypatch)
    found = dbt_on(project).compiled()
    assert set(asked) == {"list"}
    shutil.rmtree(project / "target" / "parsed")
    assert found == dbt_on(project).compiled()
    assert asked.count("parse") == 1


def test_a_file_more_is_another_project_and_its_edge_is_there(project):
    """With dbt's own partial parsing the model would not know of it."""
    file = project / "macros" / "signals" / "planted_idea.sql"
    file.write_text(PLUGIN, "utf-8")
    try:
        dbt = Dbt(project / "elsewhere" / PUBLISHED, project=project)
        edges = dbt.manifest.nodes["model.portfolio_warehouse.signals"].depends_on.nodes
        assert "model.portfolio_warehouse.signal_quality" in edges
    finally:
        file.unlink()


@pytest.mark.parametrize("name", ["models/windows/labels.sql", "models/raw/sources.yml", "profiles.yml"])
def test_each_byte_that_dbt_reads_is_in_the_key(project, name):
    before = parsed_project.entry(project, "published", "parsed")
    file = project / name
    text = file.read_bytes()
    file.write_bytes(text + b"\n")
    try:
        assert parsed_project.entry(project, "published", "parsed") != before
    finally:
        file.write_bytes(text)
    assert parsed_project.entry(project, "published", "parsed") == before
    assert parsed_project.entry(project, "working", "parsed") != before
    assert parsed_project.entry(project, "published", "compiled") != before


def test_what_is_changed_while_it_is_read_is_not_kept(project, monkeypatch):
    file = project / "models" / "windows" / "labels.sql"
    text = file.read_text("utf-8")
    invoke = Dbt._invoke

    def changes(self, arguments, manifest):
        outcome = invoke(self, arguments, manifest)
        file.write_text(text, "utf-8")
        return outcome

    file.write_text(text + "-- as it stood when the key was taken\n", "utf-8")
    monkeypatch.setattr(Dbt, "_invoke", changes)
    dbt = Dbt(project / "elsewhere" / PUBLISHED, project=project)
    taken = dbt._entry("parsed")
    dbt.parse()
    assert dbt._entry("parsed") != taken
    assert not taken.exists()


def test_what_is_kept_and_hurt_is_made_again(project):
    dbt = Dbt(project / "elsewhere" / PUBLISHED, project=project)
    dbt.parse()
    kept = dbt._entry("parsed")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    assert parsed_project.load(kept) is None
    again = Dbt(project / "elsewhere" / PUBLISHED, project=project)
    again.parse()
    assert len(kept.read_bytes()) == len(whole)
    assert again.manifest.nodes.keys() == dbt.manifest.nodes.keys()


def test_only_the_newest_are_kept(project):
    manifest = dbt_on(project).manifest
    folder = project / "target" / "many"
    for number in range(parsed_project.KEPT + 3):
        kept = folder / f"{number}.msgpack"
        parsed_project.save(manifest, kept)
        os.utime(kept, (number, number))
    left = {int(file.stem) for file in folder.iterdir()}
    assert left == set(range(3, parsed_project.KEPT + 3))
