"""The page of a decision: one HTML file, without scripts and without anything fetched from elsewhere."""

from pathlib import Path
from typing import Any

import jinja2

from flows import page_decision, page_evidence, page_risk
from flows.outputs import CASH, Evidence, stamp
from flows.page_parts import Page, Section, date, percent

TEMPLATE = Path(__file__).parent / "page.html"
PAGE = "report.html"


def render_page(evidence: Evidence, report: dict[str, Any], links: tuple[str, ...] = ()) -> bytes:
    """The page from the rows that the report was made of; the same rows give the same bytes.

    `report` is what `validation_document` says of the evidence, `links` are files beside the page.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(page=assemble(evidence, report, links)).encode()


def assemble(evidence: Evidence, report: dict[str, Any], links: tuple[str, ...]) -> Page:
    """What the page says, before it is HTML."""
    risky = evidence.exposures[evidence.exposures.symbol != CASH]
    held = int((risky.weight != 0).sum())
    what = (
        f"{percent(risky.weight.sum())} in {held} assets, the rest in cash" if held else "everything in cash"
    )
    if (risky.weight < 0).any():
        what = page_decision.both_sides(risky.weight)
    return Page(
        title=f"{evidence.portfolio}, {evidence.rebalance_date.isoformat()}",
        headline=f"From {date(evidence.rebalance_date)} hold {what}",
        about=f"Portfolio {evidence.portfolio}, decided at {stamp(evidence.decision_at)} on what was known.",
        alerts=page_decision.alerts(evidence, report),
        tiles=page_decision.tiles(evidence, report),
        sections=_sections(evidence, report),
        links=links,
    )


def _sections(evidence: Evidence, report: dict[str, Any]) -> list[Section]:
    return [
        page_decision.exposures(evidence),
        *page_decision.held(evidence),
        page_decision.reasons(evidence, report),
        page_evidence.past(evidence, report),
        page_evidence.walk_forward(evidence, report),
        page_evidence.luck(evidence, report),
        page_evidence.regimes(evidence, report),
        page_risk.risk(evidence, report),
        page_risk.cost_and_size(evidence, report),
        page_risk.data(evidence, report),
        page_decision.stopped_by(evidence),
        page_risk.basis(evidence, report),
    ]
