"""A past decision can be made again to the byte, whatever was landed since; and a changed past shows."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from flows.publish import PUBLISHED
from flows.replay import replay
from python_steps import warehouse
from tests.worlds import small

BEFORE_THE_NEWS = dt.datetime(2017, 4, 12, 14)  # made by the first run; the restatements came with the second
AFTER_THE_NEWS = dt.datetime(2017, 9, 20, 14)


@pytest.mark.parametrize(
    "decision_at",
    [BEFORE_THE_NEWS, AFTER_THE_NEWS, small.HELD_AT],
    ids=["before", "after", "told what is held"],
)
def test_a_decision_replays_to_the_byte_after_later_landings(
    small_world: small.World, decision_at: dt.datetime
) -> None:
    again = replay(
        portfolio=small.PORTFOLIO, decision_at=decision_at, warehouse=small_world.grown.file.parent
    )
    assert again.differences == []
    assert again.is_same
    assert again.is_proof
    assert again.signal_divergence == 0.0  # live against replay: no tolerance
    assert again.rows_compared > 100


def test_both_versions_of_a_restated_bar_can_be_seen(small_world: small.World) -> None:
    symbol, date, factor, known_at = small.RESTATED
    con = warehouse.connect(small_world.grown.file, read_only=True)
    try:
        rows = con.execute(
            """
            select version, close, known_at, superseded_at from bars
            where symbol = $symbol and session_date = $date order by version
            """,
            {"symbol": symbol, "date": date},
        ).fetchall()
    finally:
        con.close()
    assert [row[0] for row in rows] == [1, 2]
    assert rows[1][1] == pytest.approx(rows[0][1] * factor)
    assert rows[0][3] == rows[1][2] == known_at


def test_a_close_changed_behind_our_back_shows_in_the_replay(
    small_world: small.World, tmp_path: Path
) -> None:
    shutil.copy(small_world.grown.file, tmp_path / PUBLISHED)
    con = warehouse.connect(tmp_path / PUBLISHED)
    try:
        con.execute(
            "update raw.bars set close = close * 1.05 where symbol = 'AAA' and session_date = '2017-03-01'"
        )
    finally:
        con.close()
    again = replay(portfolio=small.PORTFOLIO, decision_at=BEFORE_THE_NEWS, warehouse=tmp_path)
    assert not again.is_same
    assert any("expected_returns" in line for line in again.differences)
    assert again.signal_divergence > 0
    assert any(line.startswith("readings: signals differ by up to") for line in again.differences)
