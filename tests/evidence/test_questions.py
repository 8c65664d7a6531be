"""The questions of the README, asked of a real warehouse through the hardened session: each is answered."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.sql import session

README = (Path(__file__).parents[2] / "README.md").read_text()
QUESTIONS = [
    query.strip()
    for block in re.findall(r"```sql\n(.*?)```", README, re.S)
    for query in block.split(";")
    if query.strip()
]
# The sample has no restated bar, no vendor and nothing refused: these have rows once there is such a thing.
OF_WHAT_MAY_NOT_BE = ("raw.quarantined_bars", "bars", "raw.payloads", "vendor_differences")


@pytest.fixture(scope="module")
def asked(sample) -> Iterator[duckdb.DuckDBPyConnection]:
    con = session(sample.published.parent)
    yield con
    con.close()


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_each_question_is_answered(asked, question):
    rows = asked.execute(question).fetchall()
    assert rows or _of(question) in OF_WHAT_MAY_NOT_BE


@pytest.mark.parametrize(
    "escape",
    [
        "set enable_external_access = true",
        "set lock_configuration = false",
        "select * from read_csv('README.md')",
        "attach 'other.duckdb' as other",
        "copy (select 1) to 'stolen.csv'",
        "update target_exposures set weight = 1",
    ],
)
def test_the_session_that_answers_refuses_all_else(asked, escape):
    with pytest.raises(duckdb.Error):
        asked.execute(escape)


def _of(question: str) -> str:
    return re.findall(r"\bfrom (\S+)", question)[0]
