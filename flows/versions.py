"""Which code and which packages a run was made with."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).parent.parent
LOCK = PROJECT / "requirements.lock"
CODE = (
    *("dbt_project.yml", "models/**/*.sql", "models/**/*.yml", "macros/**/*.sql"),
    *("python_steps/**/*.py", "flows/**/*.py"),
)


def code_version() -> str:
    """SHA-256 over every model with its contract, macro, step and flow: names and bytes."""
    seen = hashlib.sha256()
    for pattern in CODE:
        for file in sorted(PROJECT.glob(pattern)):
            seen.update(f"{file.relative_to(PROJECT)}\n".encode())
            seen.update(hashlib.sha256(file.read_bytes()).digest())
    return seen.hexdigest()


def lock_hash() -> str:
    """SHA-256 of the lock file."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


@cache
def worker_version() -> str:
    """What the last bits of an answer hang on: code, packages, and the kind of processor."""
    import numpy  # noqa: F401 (brings what is asked about)
    from threadpoolctl import threadpool_info

    found = (one for one in threadpool_info() if one["user_api"] == "blas")
    # Of numpy's own alone: a solver brings another, which says something else, once it is asked.
    kernels = {str(one.get("architecture")) for one in found if "numpy" in Path(one["filepath"]).parent.name}
    packages = [f"{name} {version(name)}" for name in ("numpy", "pandas", "scipy", "scikit-learn")]
    return "; ".join([code_version(), *packages, *sorted(kernels)])
