"""`make audit`: pip-audit on the lock, by OSV's advisories. 0 clean or not possible here, 1 something found.

It asks the advisory service, never the package registry, and installs nothing.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"
CLEAN, FOUND = 0, 1
AWAY = re.compile(
    r"(ConnectionError|Failed to connect|Could not connect|Max retries|NameResolution|Timeout)", re.I
)


def audit(lock: Path = LOCK, *options: str) -> tuple[int | None, str]:
    """pip-audit's verdict and words; None where it is not installed or its service cannot be reached."""
    if importlib.util.find_spec("pip_audit") is None:
        return None, "pip-audit is not installed: pip install 'portfolio-warehouse[audit]'"
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text(pins(lock.read_text("utf-8")), "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pinned), "--no-deps"]
        command += [
            "--disable-pip",
            "--vulnerability-service",
            "osv",
            "--progress-spinner",
            "off",
            "--timeout",
            "10",
        ]
        ran = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=600)
    said = (ran.stdout + ran.stderr).strip()
    if ran.returncode and "vulnerabilit" not in said and AWAY.search(said):
        return None, "no advisory service can be reached from here"
    return ran.returncode, said


def pins(lock: str) -> str:
    """Each package and version of a lock once, without hashes and for every platform."""
    return "".join(f"{pin}\n" for pin in sorted(set(re.findall(r"^[A-Za-z0-9._-]+==[^\s;\\]+", lock, re.M))))


if __name__ == "__main__":
    code, words = audit()
    sys.stdout.write(f"{words}\n" if code is not None else f"skipped: {words}\n")
    sys.exit(FOUND if code else CLEAN)
