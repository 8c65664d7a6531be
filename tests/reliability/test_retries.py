"""What Prefect tries again: what may end otherwise, and never a question that was wrong."""

import duckdb
import pytest
from prefect.states import Failed

from flows.prefect_flows import is_passing
from python_steps.errors import InputError, UnansweredError

ERRORS = [
    (OSError(28, "No space left on device"), True),
    (duckdb.IOException("could not write"), True),
    (UnansweredError("nothing could be fetched"), True),
    (InputError("bars.csv, row 3: no close"), False),
    (ValueError("a mistake of ours"), False),
]


@pytest.mark.parametrize(("error", "is_tried_again"), ERRORS, ids=lambda value: type(value).__name__)
def test_another_attempt_is_for_what_passes(error: Exception, is_tried_again: bool) -> None:
    assert is_passing(None, None, Failed(message="failed", data=error)) == is_tried_again
