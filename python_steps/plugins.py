"""Plug-ins are the modules of a package, named by file: a new one is one file and no registration."""

import importlib
import importlib.util
import pkgutil
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


def missing(module: ModuleType) -> list[str]:
    """Packages a plug-in asks for in EXTRA, an optional extra of the project, that are not installed."""
    return [name for name in getattr(module, "EXTRA", ()) if importlib.util.find_spec(name) is None]


def load(package: str, name: str) -> ModuleType:
    """The module `name` of `package`; raises UnknownPlugin, which lists the names there are."""
    known = names(package)
    if name not in known:
        raise UnknownPlugin(f"{package} has no '{name}'; it has: {', '.join(known) or 'none'}")
    return importlib.import_module(f"{package}.{name}")
