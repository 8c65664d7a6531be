"""A guard never seen to fire is no guard: mistakes are made on purpose, and must be found by name.

Here is a stratified dozen of the catalogue; `make mutants` tries all of it and writes SCORE.md.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.leakage.catalogue import FAMILIES, MUTANTS, PROJECT, apply, catalogue, copy_project, read
from tests.leakage.remembered import ROOTS, files_of
from tests.leakage.score_report import GOOD
from tests.leakage.trial import CUT, GUARDS, POISON
from tests.worlds import small

CATALOGUE = catalogue()
LEAKS = [mutant for mutant in CATALOGUE if not mutant.is_harmless]
HARMLESS = [mutant for mutant in CATALOGUE if mutant.is_harmless]

DOZEN = (
    *("01_lead_in_a_signal", "04_peers_before_they_were_listed", "05_latest_version_only"),
    *("07_marks_by_session_date",),
    *("11_fill_in_the_session_of_the_decision", "13_no_purge", "15_windows_from_the_last_decision"),
    *("16_judged_once_at_the_end", "18_mixture_fitted_on_the_whole_series", "22_now_in_staging"),
    *("harmless_descending_window_that_follows", "harmless_another_shrinkage"),
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Outcome and words of the dozen, by name; in a process that has none of the project imported."""
    file = tmp_path_factory.mktemp("score") / "outcomes.json"
    command = [sys.executable, "-m", "tests.leakage.score", *DOZEN, "--json", str(file)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert file.exists(), done.stdout + done.stderr
    return json.loads(file.read_text("utf-8"))


@pytest.mark.parametrize("name", DOZEN)
def test_a_mutant_is_killed_by_name_and_a_harmless_edit_is_not_flagged(
    outcomes: dict[str, list[str]], name: str
) -> None:
    outcome, words = outcomes[name]
    assert outcome in GOOD, words


def test_every_edit_can_be_made(tmp_path: Path) -> None:
    copy_project(tmp_path / "original")
    for mutant in CATALOGUE:
        files = {edit.file for edit in mutant.edits}
        for file in files:
            copied = tmp_path / mutant.name / file
            copied.parent.mkdir(parents=True, exist_ok=True)
            if (original := tmp_path / "original" / file).exists():
                copied.write_text(original.read_text("utf-8"), "utf-8")
        apply(mutant, tmp_path / mutant.name)


def test_an_edited_step_is_never_remembered() -> None:
    """What is edited is reached, or the original's rows would pass for those of the mutant."""
    reached = {step: {f"{file.relative_to(PROJECT)}" for file in files_of(step, PROJECT)} for step in ROOTS}
    assert "python_steps/covariances/oas.py" in reached["allocate"] - reached["learn"]
    assert "python_steps/learn_forecasts.py" in reached["learn"] - reached["allocate"]
    for mutant in CATALOGUE:
        files = {edit.file for edit in mutant.edits if edit.file.endswith(".py")}
        edited = {file for file in files if (PROJECT / file).exists()}
        if edited and not mutant.lands and mutant.guard != "python":
            assert edited <= set().union(*reached.values()), mutant.name


def test_the_catalogue_covers_every_leak_and_both_languages() -> None:
    families = Counter(mutant.leak for mutant in LEAKS)
    assert set(families) == set(FAMILIES)
    assert min(families.values()) >= 2
    assert len(LEAKS) >= 60
    assert len(HARMLESS) >= 15
    languages = Counter(mutant.language for mutant in LEAKS)
    assert min(languages["sql"], languages["python"]) >= 20


def test_every_mutant_names_a_guard_that_there_is_and_a_cut_that_there_is() -> None:
    for mutant in LEAKS:
        assert mutant.guard in GUARDS, mutant.name
        assert (mutant.guard == "cut_off") == (mutant.cut is not None), mutant.name
        assert mutant.cut in {None, *small.CUTS}, mutant.name
    assert {CUT, POISON[0]} <= small.CUTS.keys()


def test_a_file_that_says_too_little_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "short.yml"
    file.write_text((MUTANTS / "01_negative_lag.yml").read_text("utf-8").replace("guard: sql\n", ""), "utf-8")
    with pytest.raises(ValueError, match=r"short\.yml: .*expected .*guard"):
        read(file)


def test_an_edit_that_fits_nowhere_is_refused(tmp_path: Path) -> None:
    mutant = read(MUTANTS / "01_negative_lag.yml")
    (tmp_path / mutant.edits[0].file).parent.mkdir(parents=True)
    (tmp_path / mutant.edits[0].file).write_text("select 1", "utf-8")
    with pytest.raises(ValueError, match="stands 0 times"):
        apply(mutant, tmp_path)
