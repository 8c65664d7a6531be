"""The static check of Python steps: leaks are named however they are written, and honest code is let pass."""

import ast
import textwrap
from itertools import chain
from pathlib import Path

import pytest
import yaml

from flows.guards.static_python import Allowed, Answer, check_modules, declared, modules_of
from flows.guards.static_python_bounds import BOUNDS
from flows.guards.static_sql import STEPS
from flows.pipeline import ALLOCATED, BELIEVED, LEARNED

STEP = "python_steps/new_step.py"
CASES = yaml.safe_load((Path(__file__).parent / "static_python.yml").read_text("utf-8"))
LEAKY = [(leak, case["module"], case["text"]) for leak, cases in CASES["leaky"].items() for case in cases]
HONEST = [(case["module"], case["text"]) for case in CASES["honest"]]
EDITS = [(edit["module"], edit["from"], edit["to"], edit["leak"]) for edit in CASES["edits"]]


def _checked(place: str, text: str) -> Answer:
    return check_modules({place: textwrap.dedent(text)}, exceptions=[])


@pytest.mark.parametrize(("leak", "place", "text"), LEAKY, ids=range(len(LEAKY)))
def test_a_leak_in_a_step_is_named(leak: str, place: str, text: str) -> None:
    answer = _checked(place, text)
    assert {finding.leak for finding in answer.findings} == {leak}, answer
    assert all(finding.place == place and finding.line for finding in answer.findings)


@pytest.mark.parametrize(("place", "text"), HONEST, ids=range(len(HONEST)))
def test_honest_steps_pass(place: str, text: str) -> None:
    answer = _checked(place, text)
    assert answer.findings == []
    assert answer.undecided == []


@pytest.mark.parametrize(("module", "old", "new", "leak"), EDITS, ids=range(len(EDITS)))
def test_an_edit_that_lets_the_future_in_is_named(module: str, old: str, new: str, leak: str) -> None:
    text = modules_of()[module]
    assert old in text
    found = check_modules({module: text.replace(old, new, 1)}).findings
    assert leak in {finding.leak for finding in found}


def test_a_shift_by_a_variable_is_listed_as_undecided() -> None:
    answer = _checked(STEP, "after = returns.shift(days)")
    assert answer.findings == []
    assert [(one.place, one.line) for one in answer.undecided] == [(STEP, 1)]


def test_the_steps_of_the_project_have_no_leak_and_all_were_read() -> None:
    modules = modules_of()
    answer = check_modules(modules)
    assert answer.findings == []
    assert answer.undecided == []
    assert len(answer.looked_at) == len(modules) >= 40
    assert "flows/pipeline.py" in answer.looked_at


def test_every_declared_exception_for_python_is_still_needed() -> None:
    answer = check_modules(modules_of())
    assert sorted(map(str, answer.exempted)) == sorted(map(str, declared()))


def test_an_exception_stands_for_one_expression_of_one_function() -> None:
    text = "def one(x):\n    return x.shift(-1)\n\n\ndef two(x):\n    return x.shift(-1)\n"
    allowed = Allowed(STEP, "one", "looks_ahead", "x.shift(-1)", "because it is a test")
    answer = check_modules({STEP: text}, exceptions=[allowed])
    assert [finding.line for finding in answer.findings] == [6]
    assert answer.exempted == [allowed]


def test_every_bound_names_a_function_that_there_is() -> None:
    modules = modules_of()
    for module, function, *_ in BOUNDS:
        names = {
            node.name for node in ast.walk(ast.parse(modules[module])) if isinstance(node, ast.FunctionDef)
        }
        assert function in names, f"{module}: {function}"


def _read_by(function: ast.FunctionDef) -> set[str]:
    """Tables that a function of the pipeline reads."""
    return {
        call.args[0].value
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "read"
        and isinstance(call.args[0], ast.Constant)
    }


def test_the_edges_through_steps_are_those_that_the_pipeline_reads() -> None:
    tree = ast.parse(modules_of()["flows/pipeline.py"])
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    parts = {
        "learn": ["learn", "_learn_plan"],
        "weigh": ["weigh", "count_trials"],
        "allocate": ["allocate", "allocation_inputs"],
    }
    readers = {name for name, node in functions.items() if _read_by(node)}
    assert readers <= {*chain(*parts.values()), "bootstrap"}, "a step reads in a function of its own"
    for step, (reads, _) in STEPS.items():
        read = set().union(*(_read_by(functions[part]) for part in parts[step]))
        assert {table for table in read if "." not in table} == set(reads)
    written = {
        step: [table.removeprefix("steps.") for table in tables] for step, (_, tables) in STEPS.items()
    }
    assert sorted(written["learn"]) == sorted(LEARNED)
    assert sorted(written["weigh"]) == sorted(BELIEVED)
    assert sorted(written["allocate"]) == sorted(ALLOCATED)
