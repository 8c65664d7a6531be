"""`portfolio report`: the page of any decision that is published."""

import datetime as dt
from pathlib import Path

from flows import outputs
from flows.page import PAGE
from flows.publish import write_atomically


def write_page(warehouse: Path, portfolio: str, decision_at: dt.datetime | None, out: Path) -> Path:
    """Write report.html of a decision, the last one unless named, into `out`. Raises NothingPublished."""
    con = outputs.open_published(warehouse)
    try:
        evidence = outputs.gather(con, portfolio, decision_at)
    finally:
        con.close()
    write_atomically(out / PAGE, outputs.render(evidence)[PAGE])
    return out / PAGE
