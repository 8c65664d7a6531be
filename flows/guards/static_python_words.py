"""What the rules of the static check of Python ask of a piece of code."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

Seen = Iterator[tuple[str, ast.expr, str]]


STATISTICS = {"mean", "std", "var", "median", "quantile", "percentile", "nanmean", "nanstd", "nanmedian",
              "ptp", "nanquantile", "nanpercentile", "average"}  # fmt: skip


TIMED = {"decision_at", "session_date", "known_at", "date", "decision", "instant", "window_id"}


@dataclass(frozen=True)
class Where:
    """A node, and where it stands."""

    place: str
    node: ast.AST
    parents: Mapping[ast.AST, ast.AST]
    tree: ast.Module

    @cached_property
    def above(self) -> list[ast.AST]:
        """What the node stands in, from the inside out."""
        found, at = [], self.parents.get(self.node)
        while at is not None:
            found.append(at)
            at = self.parents.get(at)
        return found

    @cached_property
    def scope(self) -> ast.FunctionDef | None:
        """The function the node stands in."""
        return next((at for at in self.above if isinstance(at, ast.FunctionDef)), None)

    @property
    def function(self) -> str:
        """Its name; empty at the top of the module."""
        return self.scope.name if self.scope else ""


def name_of(node: ast.AST) -> str:
    """The last name of what is called or looked up."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def words_of(node: ast.AST) -> set[str]:
    """Every name, attribute and text in an expression."""
    words = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute):
            words.add(name_of(part))
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            words.add(part.value)
    return words


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """What a call gives for a keyword."""
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def is_value(node: ast.expr | None, *values: object) -> bool:
    """Whether an expression is one of some constants, written out."""
    return isinstance(node, ast.Constant) and node.value in values and type(node.value) in map(type, values)


def is_minus(node: ast.expr | None) -> bool:
    """Whether an expression is written with a minus before it."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and node.value < 0
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def chain(node: ast.AST) -> Iterator[ast.AST]:
    """What methods and functions were applied to, from the outside in."""
    while True:
        yield node
        if isinstance(node, ast.Call):
            inner = node.func.value if isinstance(node.func, ast.Attribute) else None
            is_module = isinstance(inner, ast.Name) and inner.id in {"np", "pd", "scipy", "signal", "math"}
            is_ufunc = (
                isinstance(inner, ast.Attribute)
                and isinstance(inner.value, ast.Name)
                and inner.value.id == "np"
            )
            if (inner is None or is_module or is_ufunc) and node.args:
                node = node.args[0]
                continue
            if inner is None:
                return
            node = inner
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        else:
            return


def said(node: ast.AST) -> str:
    """An expression as a finding quotes it."""
    text = ast.unparse(node)
    return text if len(text) <= 90 else f"{text[:87]}..."
