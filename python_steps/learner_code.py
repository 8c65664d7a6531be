"""Which files make a learner what it is: its own, and those of its package that they use."""

import ast
from pathlib import Path

PACKAGE = "python_steps.learners"
LEARNERS = Path(__file__).parent / "learners"


def files(module: Path, folder: Path = LEARNERS) -> list[Path]:
    """The module's file and every file of `folder` it imports, itself or through others, in order of name."""
    found: dict[str, Path] = {}
    ahead = [module]
    while ahead:
        file = ahead.pop()
        if file.stem not in found:
            found[file.stem] = file
            ahead += [folder / f"{name}.py" for name in _imported(file) if (folder / f"{name}.py").is_file()]
    return [found[name] for name in sorted(found)]


def _imported(file: Path) -> set[str]:
    """Names in imports from the package of learners."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            names.add(str(node.module).rsplit(".", maxsplit=1)[-1])
    return names
