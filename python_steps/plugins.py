"""Plug-ins are the modules of a package, named by file: a new one is one file and no registration."""

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType


class UnknownPlugin(LookupError):
    """A name that no file of the package has."""


def names(package: str) -> list[str]:
    """Names of the plug-ins of `package` (a dotted name), sorted; none of them is imported.

    Names that begin with an underscore are helpers and are left out.
    """
    parent = importlib.import_module(package)
    found = sorted(found.name for found in pkgutil.iter_modules(parent.__path__))
    return [name for name in found if not name.startswith("_")]


def discover(package: str) -> dict[str, ModuleType]:
    """The plug-ins of `package`, keyed by name and sorted by it."""
    return {name: importlib.import_module(f"{package}.{name}") for name in names(package)}


def missing(package: str, name: str) -> list[str]:
    """Packages of an extra that a plug-in asks for and that are not installed.

    It names them in EXTRA, a tuple that is read from its file: what bears it may take seconds to import.
    """
    return [extra for extra in extras(package, name) if importlib.util.find_spec(extra) is None]


def extras(package: str, name: str) -> tuple[str, ...]:
    """EXTRA of a plug-in; empty where it has none."""
    found = importlib.util.find_spec(f"{package}.{name}")
    source = Path(str(found.origin if found else "")).read_text("utf-8")
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "EXTRA":
            return tuple(ast.literal_eval(line.value))
    return ()


def load(package: str, name: str) -> ModuleType:
    """The module `name` of `package`; raises UnknownPlugin, which lists the names there are."""
    known = names(package)
    if name not in known:
        raise UnknownPlugin(f"{package} has no '{name}'; it has: {', '.join(known) or 'none'}")
    return importlib.import_module(f"{package}.{name}")
