"""What a run leaves on Prefect's page: what to hold, the report, and the link to the page of the run."""

from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows import outputs
from flows.outputs import Evidence
from flows.requests import RunResult
from flows.validation import validation_document

REPORT = "validation_report.yaml"


def keep(result: RunResult, warehouse: Path) -> None:
    """Keep three artifacts of a decision, under keys that end with the portfolio's name."""
    con = outputs.open_published(warehouse)
    try:
        evidence = outputs.gather(con, result.portfolio, result.decision_at)
    finally:
        con.close()
    name = slug(result.portfolio)
    create_table_artifact(
        table=exposures(evidence), key=f"exposures-{name}", description=f"What {result.portfolio} holds."
    )
    create_markdown_artifact(
        markdown=report(evidence),
        key=f"report-{name}",
        description="Why, and how far to believe it.",
    )
    if page := page_of(result):
        create_link_artifact(
            link=page.resolve().as_uri(), link_text=page.name, key=f"page-{name}", description="The evidence."
        )


def exposures(evidence: Evidence) -> list[dict[str, str]]:
    """One row an asset of the universe, largest weight first."""
    rows = evidence.exposures.sort_values(["weight", "symbol"], ascending=[False, True])
    return [
        {
            "asset": row.symbol,
            "class": row.asset_class,
            "weight": f"{row.weight:.2%}",
            "change": f"{row.weight - row.previous_weight:+.2%}",
        }
        for row in rows.itertuples()
    ]


def report(evidence: Evidence) -> str:
    """What walked forward, the signs of overfitting, stops in force and warnings, in Markdown."""
    said = validation_document(evidence)["validation_report"]
    figures = said["walk_forward_results"] | said["overfit_metrics"]
    stops = [str(condition) for condition in outputs.latched(evidence)["condition"]]
    lines = [
        f"# {evidence.portfolio}, {outputs.stamp(evidence.decision_at)}",
        f"\nConfidence {_figure(evidence.allocation['confidence'])}, regime {evidence.allocation['regime']},"
        f" stops in force: {', '.join(stops) or 'none'}",
        "\n| measure | value |\n| --- | ---: |",
        *(f"| {name} | {_figure(value)} |" for name, value in figures.items()),
        "\n## Warnings\n",
        *(f"- {warning}" for warning in said["warnings"] or ["none"]),
    ]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def page_of(result: RunResult) -> Path | None:
    """The page of a run, or the report where it has none."""
    pages = [file for file in result.files if file.suffix == ".html"]
    reports = [file for file in result.files if file.name == REPORT]
    return next(iter(pages + reports), None)


def slug(name: str) -> str:
    """A name as Prefect takes it: lower-case letters, digits and dashes only."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
