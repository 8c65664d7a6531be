"""What the terminal, and Prefect, show of a check for leaks."""

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from flows.guards.findings import LEAKS, Finding
from flows.leakcheck import LeakReport
from flows.logs import console

DIFFERENCES_SHOWN = 12


def tell(text: str) -> None:
    """Say on standard error which guard is done."""
    console().print(text, markup=False, style="dim")


def show(report: LeakReport, terminal: Console | None = None) -> None:
    """Print what was looked at and found."""
    (terminal or Console(highlight=False, soft_wrap=True)).print(summary(report))


def summary(report: LeakReport) -> RenderableType:
    """A table of guards, every finding with its evidence and the two rows that differ, and one last line."""
    table = Table("guard", "looked at", "found", title=f"Leaks: {report.about}")
    for check in report.checks:
        table.add_row(check.guard, check.looked_at, str(len(check.findings)) if check.findings else "nothing")
    undecided = [text for check in report.checks for text in check.undecided]
    return Group(
        table,
        *(line for finding in report.findings for line in _lines(finding)),
        *(f"To look at: {escape(text)}" for text in undecided),
        verdict(report),
    )


def verdict(report: LeakReport) -> str:
    """One line: how many leaks, and where the findings are kept."""
    count = len(report.findings)
    kept = (
        f"kept in leak_findings as {report.check_id}" if report.check_id else "not kept: nothing is published"
    )
    return f"{'No leak' if not count else '1 leak' if count == 1 else f'{count} leaks'} found; {kept}"


def markdown(report: LeakReport) -> str:
    """The same for Prefect."""
    rows = [
        f"| {check.guard} | {check.looked_at} | {len(check.findings) or 'nothing'} |"
        for check in report.checks
    ]
    found = [f"- {finding}" for finding in report.findings]
    heading = [f"# Leaks: {report.about}", "", "| guard | looked at | found |", "| --- | --- | --- |"]
    return "\n".join([*heading, *rows, "", *found, "", verdict(report)])


def _lines(finding: Finding) -> list[str]:
    where = finding.place if finding.line is None else f"{finding.place}, line {finding.line}"
    lines = [
        f"[bold]{finding.leak}[/bold] in {escape(where)} ({finding.guard}): {LEAKS[finding.leak]}",
        f"  {escape(finding.evidence)}",
    ]
    if finding.rows:
        said = [dict(_pairs(row)) for row in finding.rows]
        names = [name for name in {**said[0], **said[1]} if said[0].get(name) != said[1].get(name)]
        for title, row in zip(("known then", "with what came later"), said, strict=True):
            shown = ", ".join(f"{name} {row.get(name, 'no row')}" for name in names[:DIFFERENCES_SHOWN])
            lines.append(f"    {title}: {escape(shown)}")
    return lines


def _pairs(row: str) -> list[tuple[str, str]]:
    cells = (cell.partition(" ") for cell in row.split(", "))
    return [(name, value) for name, _, value in cells]
