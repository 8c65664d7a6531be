"""dbt's generic tests as a guard: which of them speak of a leak, and of which."""

from collections.abc import Sequence
from pathlib import Path

from flows.guards.compiled import CompiledDbt, Failure
from flows.guards.findings import Finding

# Tests of shape (grain, range, sums) are no guards against leaks; a run ends with them all the same.
LEAK_OF = {
    "known_in_time": "event_time",
    "never_goes_back": "filled_forward",
    "not_before": "early_fill",
    "spans_in_order": "test_in_train",
    "spans_inside_windows": "test_in_train",
    "targets_withheld": "no_purge",
    "value_agrees": "untrue_profit",
}


def check(dbt: CompiledDbt, file: Path, select: Sequence[str] = ()) -> list[Finding]:
    """Findings of the generic tests, on a file in which the selected models (all unless named) are made."""
    failures = dbt.on(file).failures(select=select)
    return [_finding(failure) for failure in failures if failure.kind in LEAK_OF]


def _finding(failure: Failure) -> Finding:
    first = ", ".join(str(value) for value in failure.rows[0])
    evidence = f"{failure.kind} finds {failure.count} rows, the first is ({first})"
    return Finding("tests", LEAK_OF[failure.kind], failure.models[0], evidence)
