"""What the warehouse's own SQL says of returns that a test gives it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from flows.publish import PUBLISHED
from python_steps import warehouse
from tests.worlds.small import World

SYMBOL, CLOCK, PLAN, WINDOW = "AAA", "global", "short", 30  # settled, and bars at every decision
SETTLED = ["strategy_pnl+,+window_metrics"]

# A strategy that is no learner stands for each case: its train span holds what it traded.
SLOTS = "select strategy from main.strategies where kind <> 'learner' order by strategy"
SPAN = f"""
    select train_from_number, test_from_number - train_from_number from main.walk_forward_windows
    where clock = '{CLOCK}' and plan = '{PLAN}' and window_id = {WINDOW}
"""
PROFIT = """
    insert into main.strategy_pnl by name
    select
        instants.clock, $strategy as strategy, $symbol as symbol, instants.decision_at,
        instants.decision_number, told.position,
        case when told.position = 0 then 0.0 else told.net / told.position end as unit_return,
        told.net as gross_return, 0.0 as turnover, 0.0 as cost, told.net as net_return,
        false as is_trade, 'filled' as status, instants.decision_at as known_at
    from (select unnest($returns) as net, unnest($positions) as position, unnest($numbers) as number) as told
    inner join main.clock_instants as instants
        on instants.clock = $clock and instants.decision_number = told.number
"""


def judge(
    world: World,
    folder: Path,
    cases: Mapping[str, Sequence[float]],
    positions: Mapping[str, Sequence[float]] | None = None,
) -> pd.DataFrame:
    """The row of window_metrics for each case, by its name, with `periods`, the decisions a year.

    A case is at most 126 net returns, the first in the first decision of a train span; `positions` are 1
    unless given. They take the place of all profit in a copy of the small world, on which the SQL from
    there to window_metrics runs.
    """
    file = Path(shutil.copy(world.whole, folder / PUBLISHED))
    con = warehouse.connect(file)
    try:
        slots = [slot for (slot,) in con.execute(SLOTS).fetchall()][: len(cases)]
        first, length = con.execute(SPAN).fetchall()[0]
        assert len(slots) == len(cases)
        con.execute("truncate main.strategy_pnl")
        for slot, (name, returns) in zip(slots, cases.items(), strict=True):
            assert len(returns) <= length
            told = {"returns": [float(value) for value in returns], "strategy": slot}
            held = (positions or {}).get(name, [1.0] * len(returns))
            numbers = list(range(first, first + len(returns)))
            con.execute(
                PROFIT, told | {"positions": held, "numbers": numbers, "symbol": SYMBOL, "clock": CLOCK}
            )
    finally:
        con.close()
    world.dbt.on(file).run(select=SETTLED, exclude=["strategy_pnl"])
    return _said(file, dict(zip(slots, cases, strict=True)))


def _said(file: Path, names: Mapping[str, str]) -> pd.DataFrame:
    con = warehouse.connect(file, read_only=True)
    try:
        rows = con.execute(f"""
            select metrics.*, clocks.decisions_per_year as periods
            from main.window_metrics as metrics
            inner join main.clocks as clocks using (clock)
            where symbol = '{SYMBOL}' and plan = '{PLAN}' and window_id = {WINDOW} and span = 'train'
        """).df()
    finally:
        con.close()
    rows = rows[rows["strategy"].isin(names)]
    return rows.assign(case=rows["strategy"].map(names)).set_index("case")
