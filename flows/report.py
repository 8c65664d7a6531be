"""`portfolio report`: the page of any decision that is published."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flows import landing, outputs
from flows.page import PAGE
from flows.publish import write_atomically


def write_page(
    warehouse: Path,
    portfolio: str,
    decision_at: dt.datetime | None,
    out: Path,
    holdings: Path | None = None,
) -> Path:
    """Write report.html of a decision, the last one unless named, into `out`.

    With a file of `holdings` it shows the trades from them to the target. Raises NothingPublished and
    InputError.
    """
    con = outputs.open_published(warehouse)
    try:
        evidence = outputs.gather(con, portfolio, decision_at)
        held = landing.holdings(holdings, [evidence.policy])
        landing.check_holdings(con, held)
    finally:
        con.close()
    if held:
        evidence = _holding(evidence, held)
    write_atomically(out / PAGE, outputs.render(evidence)[PAGE])
    return out / PAGE


def _holding(evidence: outputs.Evidence, held: Mapping[str, float]) -> outputs.Evidence:
    return replace(evidence, page=replace(evidence.page, held=dict(held)))
