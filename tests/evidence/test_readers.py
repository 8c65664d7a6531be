"""An analyst reads the published file all through a rebalance: no error, and never half of a run."""

from pathlib import Path

from tests.evidence.conftest import query

STATE = """
    select
        (select max(run_number) from main.runs) as runs,
        count(*) as weights,
        count(distinct decision_at) as decisions,
        count(distinct run_id) as makers,
        (select count(*) from main.allocation_log) as logs,
        (select count(*) from main.portfolio_returns) as returns
    from main.target_exposures
"""


def test_readers_get_an_answer_all_through_a_rebalance(own):
    for seen in (own.fresh, own.kept):
        assert [line for line in seen if isinstance(line, str)] == []
        assert len(seen) > 20


def test_a_reader_sees_the_run_before_and_then_the_run_after_and_never_a_mix(own):
    before, after = state(own.after_first), state(own.next_day.published)
    assert before != after
    turn = own.fresh.index(after)
    assert turn > 10
    assert own.fresh == [before] * turn + [after] * (len(own.fresh) - turn)


def test_a_connection_kept_open_goes_on_reading_what_it_opened(own):
    assert own.kept == [state(own.after_first)] * len(own.kept)


def state(file: Path) -> list[int]:
    return [int(value) for value in query(file, STATE).iloc[0]]
