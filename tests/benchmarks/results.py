"""RESULTS.md: a section for each benchmark, written when it runs; the others stay as they were measured."""

import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).parent / "RESULTS.md"
HEAD = """# What `make bench` measured

Times depend on the machine; ratios to a yardstick run beside them in the same process, less so. Each section
says where it was measured.
"""
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def record(title: str, lines: list[str], *packages: str, file: Path = FILE) -> str:
    """Put the lines under the title, in place of what stood there, and return the section."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {gigabytes:.0f} GB, {python}"
    with_packages = ", ".join([machine, *(f"{name} {version(name)}" for name in packages)])
    found = dict(SECTION.findall(file.read_text("utf-8"))) if file.exists() else {}
    found[title] = "\n".join(["", *lines, "", f"{with_packages}.", "", ""])
    sections = [f"## {name}\n{text.rstrip()}\n" for name, text in sorted(found.items())]
    file.write_text("\n".join([HEAD, *sections]), "utf-8")
    return f"\n## {title}\n{found[title]}"


def show(text: str) -> None:
    """Print a section, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
