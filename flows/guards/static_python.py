"""The static check of Python steps: what looks ahead, fits on everything, or asks a clock.

Each rule looks at one kind of node and says which leak it is. What is honest is told apart by where it
stands (a learner's `fit` may centre its rows), by what bounds it (a slice that ends where the loop is), and
where only a person can say so, by a declared exception.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from flows.guards.findings import Finding
from flows.guards.static_python_bounds import bounds
from flows.guards.static_python_rules import RULES
from flows.guards.static_python_words import Where

GUARD = "static_python"
EXCEPTIONS = Path(__file__).parent / "exceptions.yml"
ROOT = Path(__file__).parent.parent.parent
UNDECIDED = "?"


@dataclass(frozen=True)
class Unclear:
    """A place that nobody can decide from the text alone."""

    place: str
    line: int
    reason: str


@dataclass(frozen=True)
class Allowed:
    """An expression in a function of a module that is honest for a reason of its own."""

    module: str
    function: str
    leak: str
    expression: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """What was looked at, found, left undecided, and let pass by a declared exception."""

    findings: list[Finding] = field(default_factory=list)
    undecided: list[Unclear] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    exempted: list[Allowed] = field(default_factory=list)


def check_modules(modules: Mapping[str, str], exceptions: Iterable[Allowed] | None = None) -> Answer:
    """Findings in modules: their text by their path from the project's root.

    Raises SyntaxError for text that is not Python.
    """
    allowed = list(declared() if exceptions is None else exceptions)
    answer = Answer()
    for place, text in sorted(modules.items()):
        answer.looked_at.append(place)
        for where, leak, node, evidence in _looked(place, ast.parse(text)):
            expression = ast.unparse(node)
            exempt = next((one for one in allowed if _is(one, where, leak, expression)), None)
            if exempt is not None:
                if exempt not in answer.exempted:
                    answer.exempted.append(exempt)
            elif leak == UNDECIDED:
                answer.undecided.append(Unclear(place, node.lineno, evidence))
            else:
                finding = Finding(GUARD, leak, place, evidence, node.lineno)
                if finding not in answer.findings:
                    answer.findings.append(finding)
    return answer


def modules_of(root: Path = ROOT) -> dict[str, str]:
    """The steps, and the flow that feeds them, by their path from the project's root."""
    flows = [root / "flows" / "pipeline.py", root / "flows" / "prefect_flows.py"]
    files = [*sorted((root / "python_steps").rglob("*.py")), *flows]
    return {file.relative_to(root).as_posix(): file.read_text("utf-8") for file in files}


def declared(path: Path = EXCEPTIONS) -> list[Allowed]:
    """The declared exceptions for Python."""
    return [Allowed(**entry) for entry in yaml.safe_load(path.read_text("utf-8"))["python"]]


def _is(one: Allowed, where: Where, leak: str, expression: str) -> bool:
    return (one.module, one.function, one.leak, one.expression) == (
        where.place,
        where.function,
        leak,
        expression,
    )


def _looked(place: str, tree: ast.Module) -> Iterator[tuple[Where, str, ast.expr, str]]:
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr | ast.FunctionDef | ast.Assign):
            continue
        where = Where(place, node, parents, tree)
        for rule in RULES:
            for leak, at, evidence in rule(where):
                yield where, leak, at, evidence
    for leak, at, evidence in bounds(place, tree):
        yield Where(place, at, parents, tree), leak, at, evidence
