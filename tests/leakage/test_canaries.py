"""Planted assets give a leak away: nobody has skill on them in the honest project, and every leak that is
planted on purpose has a great deal, on the canary made for it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flows.guards.canaries import LIMIT, Canary, check, skill
from flows.guards.compiled import CompiledDbt
from flows.guards.findings import Finding
from python_steps import warehouse
from tests.leakage.edited import edited
from tests.worlds.canaries import CANARIES, FAR, LATE, NEXT, OPEN, RESTATED, landed
from tests.worlds.landed import Landed

# A signal that says which way the close goes so many bars later.
SEES = """
{% macro signal__sees_AHEAD() %}
    select
        symbol,
        session_date,
        sign(lead(close, AHEAD) over later - lead(close, AHEAD - 1) over later) as value,
        known_at
    from {{ ref("bar_statistics") }}
    window later as (partition by symbol order by session_date)
{% endmacro %}
"""
# How far a close lies below the mean of the closes around it.
CENTRED = """
{% macro signal__centred() %}
    select symbol, session_date, -tanh(30 * ln(close / avg(close) over around)) as value, known_at
    from {{ ref("bar_statistics") }}
    window around as (partition by symbol order by session_date rows between 5 preceding and 5 following)
{% endmacro %}
"""
STAGED = "models/staging/stg_bars.sql"
KNOWN_AT = "    bars.known_at\nfrom"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """The world of canaries, with nothing derived yet."""
    return landed(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def honest(told: Landed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, computed by the project as it is."""
    file = Path(shutil.copy(told.file, tmp_path_factory.mktemp("honest")))
    return replace(told, file=file, run=replace(told.run, file=file)).compute(CompiledDbt(file))


def test_nobody_has_skill_on_a_canary(honest: Path) -> None:
    assert check(honest, CANARIES) == []


def test_honest_skill_is_far_from_the_limit(honest: Path) -> None:
    measured = skill(honest, CANARIES)
    assert len(measured) > 40
    assert measured["errors"].abs().max() < LIMIT - 1


def test_every_canary_is_held_always_and_by_the_choice_of_many_strategies(honest: Path) -> None:
    measured = skill(honest, CANARIES)
    for canary in CANARIES:
        mine = measured[measured["symbol"] == canary.symbol].set_index("strategy")
        assert mine.loc["always_long", "mean_position"] == 1
        assert (mine["is_choosing"] & (mine["mean_position"] > 0.02)).sum() >= 5, mine


def test_the_portfolio_holds_canaries_too(honest: Path) -> None:
    """Those on which luck got through the gates; never the late one, which is left out for its late bars."""
    measured = skill(honest, CANARIES)
    held = measured.loc[measured["strategy"] == "portfolio world", "symbol"]
    assert {NEXT.symbol, FAR.symbol, OPEN.symbol} & set(held)
    assert LATE.symbol not in set(held)


def test_who_sees_a_later_bar_is_named(told: Landed, tmp_path: Path) -> None:
    """The next bar lies before the fill, so it says nothing of a walk, and all of what turns round it."""
    signals = {
        f"macros/signals/sees_{ahead}.sql": ("", SEES.replace("AHEAD", str(ahead))) for ahead in (1, 2)
    }
    found = _found(told, tmp_path, signals | {"macros/signals/centred.sql": ("", CENTRED)})
    assert {finding.place for finding in found} == {"sees_1", "sees_2", "centred"}
    assert "looks_ahead" in {finding.leak for finding in found}
    assert _canaries_of(found, "sees_1") == {NEXT, OPEN, LATE}
    assert FAR in _canaries_of(found, "sees_2")
    assert _canaries_of(found, "centred") == {FAR}


@pytest.mark.parametrize(
    ("file", "old", "new", "leak", "canaries"),
    [
        pytest.param(
            STAGED,
            KNOWN_AT,
            "    least(bars.known_at, bars.opened_at) as known_at\nfrom",
            "unfinished_bar",
            {OPEN, LATE, RESTATED},  # its corrections too
            id="a bar is known when it opens",
        ),
        pytest.param(
            STAGED,
            KNOWN_AT,
            "    case when bars.version = 1 then bars.closed_at else bars.known_at end as known_at\nfrom",
            "event_time",
            {LATE},
            id="a bar is known when its session closes",
        ),
        pytest.param(
            STAGED,
            KNOWN_AT,
            "    min(bars.known_at) over (partition by bars.symbol, bars.session_date) as known_at\nfrom",
            "restated_value",
            {RESTATED},
            id="a correction is known when the first print is",
        ),
        pytest.param(
            "models/windows/order_fills.sql",
            "and orders.rebalance_date <= sessions.session_date",
            "and orders.decision_at::date <= sessions.session_date",
            "early_fill",
            {OPEN, LATE, NEXT},
            id="an order is filled in the session of its decision",
        ),
    ],
)
def test_a_leak_in_time_is_named(
    told: Landed, tmp_path: Path, file: str, old: str, new: str, leak: str, canaries: set
) -> None:
    found = _found(told, tmp_path, {file: (old, new)})
    assert leak in {finding.leak for finding in found}
    assert set.union(*(_canaries_of(found, one.place) for one in found)) == canaries
    assert "standard errors" in str(found[0])


def test_a_canary_that_nobody_holds_by_choice_is_named(honest: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(honest, tmp_path))
    con = warehouse.connect(file)
    con.execute("update main.strategy_pnl set position = 1 where symbol = $far", {"far": FAR.symbol})
    con.execute("delete from steps.target_exposures")
    con.close()
    absent = Canary("ABSENT-USD", "event_time", "it is not there")
    found = check(file, [*CANARIES, absent])
    assert [(one.place, one.leak) for one in found] == [
        (FAR.symbol, FAR.leak),
        (absent.symbol, absent.leak),
    ]
    assert all(one.evidence.startswith("no exposure") for one in found)


def _found(told: Landed, folder: Path, edits: dict[str, tuple[str, str]]) -> list[Finding]:
    """What the guard says of an edited project, built up to the profits of its strategies."""
    dbt = edited(folder, edits)
    shutil.copy(told.file, dbt.file)
    dbt.run(select=["+strategy_pnl"])
    return check(dbt.file, CANARIES)


def _canaries_of(found: list[Finding], strategy: str) -> set:
    said = [finding.evidence for finding in found if finding.place == strategy]
    return {canary for canary in CANARIES if any(canary.symbol in evidence for evidence in said)}
