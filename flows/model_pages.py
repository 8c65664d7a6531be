"""dbt's own pages of the project, as one file that asks nobody for anything."""

import re
import tempfile
from pathlib import Path

from flows.dbt import PROJECT, Dbt
from flows.publish import PUBLISHED, write_atomically

# The browser refuses whatever is not in the file; dbt's page brings its own scripts, styles and images.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)
META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><link rel="icon" href="data:,">'
HEAD = "<head>"
# Written so, a browser asks for an image named {{ ... }} before the page's script has filled it in.
EARLY = {' src="{{': ' ng-src="{{', ' xlink:href="{{': ' ng-attr-xlink:href="{{'}
ICON = re.compile(r'<link rel="shortcut icon"[^>]*>')


class PageError(RuntimeError):
    """dbt's page is not of the shape that is mended here."""


def write(out: Path, project: Path = PROJECT) -> Path:
    """Write models.html into `out`: every table with its columns, tests, SQL and lineage, from files alone.

    Raises DbtError, and PageError if dbt's page is of another shape.
    """
    with tempfile.TemporaryDirectory() as folder:
        page = Dbt(Path(folder) / PUBLISHED, project=project).docs().read_text("utf-8")
    write_atomically(out / "models.html", mended(page).encode())
    return out / "models.html"


def mended(page: str) -> str:
    """The page without requests."""
    if HEAD not in page:
        raise PageError(f"dbt docs: no {HEAD} in its page; expected one to put the policy into")
    page = ICON.sub("", page).replace(HEAD, HEAD + META, 1)
    for early, late in EARLY.items():
        page = page.replace(early, late)
    return page
