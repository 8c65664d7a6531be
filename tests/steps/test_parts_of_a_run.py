"""A run is made in parts, some of them beside a Python step: nothing is left out, made twice, or silent."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import pipeline
from flows.dbt import Dbt
from flows.publish import PUBLISHED

FILE = Path(PUBLISHED)
STEPS = ("learn", "weigh", "tell_held", "allocate", "bootstrap", "count_trials", "new_decisions", "_counts")


@pytest.fixture
def parts(monkeypatch) -> list[dict]:
    """What a run without its steps asks dbt to build, one after the other."""
    asked: list[dict] = []
    for step in STEPS:
        monkeypatch.setattr(pipeline, step, lambda *_: 0)
    monkeypatch.setattr(pipeline, "new_decisions", lambda _: [])
    monkeypatch.setattr(pipeline, "_counts", lambda *_: {})
    dbt = SimpleNamespace(build=lambda **chosen: asked.append(chosen), project=Path())
    pipeline.compute_all([SimpleNamespace(file=FILE)], dbt, lambda *_, **__: None)
    return asked


def test_every_model_and_every_test_is_made_once_in_a_run(parts, tmp_path):
    dbt = Dbt(tmp_path / PUBLISHED)
    made = Counter(name for part in parts for name in dbt.names(**part))
    assert set(dbt.names()) == set(made)
    assert [name for name, times in made.items() if times > 1] == []


def test_a_step_and_what_is_built_beside_it_both_end_before_an_error_is_raised():
    ended = []
    with pytest.raises(ValueError, match="the step"), pipeline._beside(FILE, lambda: _fail(ended, "step")):
        _fail(ended, "build")
    assert sorted(ended) == ["build", "step"]


def test_what_is_built_beside_a_step_may_fail_alone():
    ended = []
    with pytest.raises(ValueError, match="the build"), pipeline._beside(FILE, lambda: ended.append("step")):
        _fail(ended, "build")
    assert sorted(ended) == ["build", "step"]


def _fail(ended: list[str], what: str) -> None:
    ended.append(what)
    raise ValueError(f"the {what}")
