"""Which code and which packages a run was made with."""

import hashlib
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
