"""Made-up panels, told to the models as the tables that they read, and the same work done by others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from flows.guards import compiled
from flows.guards.compiled import CompiledDbt
from flows.publish import PUBLISHED
from python_steps import warehouse

YEAR, HALF, QUARTER, MONTH, FORTNIGHT, WEEK = 252, 126, 63, 21, 14, 5

BARS = """
    insert into vintage_returns by name
    with drawn as (
        select
            's' || lpad((row // $bars)::varchar, 3, '0') as symbol,
            row % $bars + 1 as bar_number,
            0.0002 + 0.02 * sqrt(-2 * ln(one)) * cos(2 * pi() * other) as log_return
        from (
            select
                range as row,
                (hash(range) % 1000003 + 1) / 1000004.0 as one,
                (hash(range, 1) % 1000003) / 1000003.0 as other
            from range($assets * $bars)
        )
    ),
    priced as (
        select *, 100 * exp(sum(log_return) over (partition by symbol order by bar_number)) as close
        from drawn
    )
    select
        symbol,
        1 as vintage,
        bar_number,
        date '2000-01-01' + bar_number::int as session_date,
        true as is_own,
        false as is_late,
        close * 1.01 as high,
        close * 0.99 as low,
        close,
        close as close_base,
        log_return as log_total_return,
        log_return / 0.02 as normalised_return,
        date '2000-01-02' + bar_number::int as version_known_at,
        date '2000-01-02' + bar_number::int as known_at
    from priced
    order by symbol, bar_number
"""
CLASSES = {
    "bars_per_week": WEEK,
    "bars_per_month": MONTH,
    "bars_per_quarter": QUARTER,
    "bars_per_half": HALF,
    "bars_per_year": YEAR,
}
BACK = {"week": WEEK, "fortnight": FORTNIGHT, "month": MONTH, "quarter": QUARTER, "half": HALF, "year": YEAR}
SPANS = ("week", "month", "quarter", "half", "year")
# What a bar statistic is called: what is taken, of which column, over how many bars, and shifted by how many.
ROLLED: dict[str, tuple[str, str, int, int]] = {
    **{f"log_return_{span}": ("sum", "log_return", BACK[span], 0) for span in SPANS},
    **{f"deviation_{span}": ("std", "log_return", BACK[span], 0) for span in SPANS[1:]},
    **{f"bars_{span}": ("count", "log_return", BACK[span], 0) for span in SPANS[2:]},
    "gain_14d": ("sum", "gain", FORTNIGHT, 0),
    "loss_14d": ("sum", "loss", FORTNIGHT, 0),
    "shock_week": ("sum", "shock", WEEK, 0),
    "high_before_month": ("max", "high", MONTH, 1),
    "low_before_month": ("min", "low", MONTH, 1),
    "high_before_quarter": ("max", "high", QUARTER, 1),
    "low_before_quarter": ("min", "low", QUARTER, 1),
    "high_year": ("max", "high", YEAR, 0),
    "low_year": ("min", "low", YEAR, 0),
}
PREPARED = """
    select
        symbol, bar_number, log_total_return as log_return, high, low,
        greatest(log_total_return, 0) as gain, greatest(-log_total_return, 0) as loss,
        case when abs(normalised_return) >= 2 then sign(log_total_return) else 0 end as shock
    from vintage_returns
"""
IN_SQL = {"std": "stddev_samp"}


def opened(folder: Path, models: tuple[str, ...]) -> tuple[duckdb.DuckDBPyConnection, CompiledDbt]:
    """A warehouse in which these models are tables without rows, and the project's compiled SQL."""
    file = folder / PUBLISHED
    dbt = CompiledDbt(file)
    dbt.compile()
    con = warehouse.connect(file)
    for model in models:
        compiled.shape(con, node_of(dbt, model))
    return con, dbt


def node_of(dbt: CompiledDbt, model: str) -> Any:
    return dbt.manifest.nodes[f"model.portfolio_warehouse.{model}"]


def told_bars(con: duckdb.DuckDBPyConnection, assets: int, bars: int) -> pd.DataFrame:
    """Fill what bar_statistics reads, in the order in which it is kept; returns the same bars as a frame."""
    con.execute("insert into asset_classes by name select 'equity' as asset_class, " + _listed(CLASSES))
    con.execute(BARS, {"assets": assets, "bars": bars})
    told = "'equity' as asset_class, 'none' as adjustment"
    con.execute(f"insert into assets by name select distinct symbol, {told} from vintage_returns")
    return con.execute(PREPARED + " order by symbol, bar_number").df()


def _listed(columns: Mapping[str, int]) -> str:
    return ", ".join(f"{value} as {name}" for name, value in columns.items())


def shared_window(con: duckdb.DuckDBPyConnection) -> None:
    """The columns as one would write them: floats, one WINDOW clause, a frame for each span."""
    columns = ", ".join(
        f"{IN_SQL.get(how, how)}({column}) over back_{back}_{shift} as {name}"
        for name, (how, column, back, shift) in ROLLED.items()
    )
    frames = sorted({(back, shift) for _, _, back, shift in ROLLED.values()})
    windows = ", ".join(
        f"back_{back}_{shift} as (partition by symbol order by bar_number"
        f" rows between {back - 1 + shift} preceding and {shift} preceding)"
        for back, shift in frames
    )
    con.execute(
        f"create or replace table peer as select symbol, {columns} from ({PREPARED}) window {windows}"
    )


def in_pandas(bars: pd.DataFrame) -> dict[str, Any]:
    """The same columns, wide: one row per bar, one column per asset."""
    length = bars["bar_number"].max()
    wide = {
        name: pd.DataFrame(bars[name].to_numpy().reshape(-1, length).T)
        for name in ("log_return", "gain", "loss", "shock", "high", "low")
    }
    rolled = {}
    for name, (how, column, back, shift) in ROLLED.items():
        source = wide[column].shift(shift) if shift else wide[column]
        rolled[name] = source.rolling(back, min_periods=1).agg(how).to_numpy()
    return rolled


def in_polars(bars: Any) -> Any:
    """The same columns, in one `over`: `bars` is a frame of polars."""
    import polars as pl

    rolled = []
    for name, (how, column, back, shift) in ROLLED.items():
        source = pl.col(column).shift(shift) if shift else pl.col(column)
        source = source.is_not_null().cast(pl.Int32) if how == "count" else source
        how = "sum" if how == "count" else how
        rolled.append(getattr(source, f"rolling_{how}")(back, min_samples=1).over("symbol").alias(name))
    return bars.select(rolled)


def peers_of(bars: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Peers that are there, by name."""
    peers: dict[str, Callable[[], Any]] = {"pandas": lambda: in_pandas(bars)}
    try:
        import polars as pl
    except ImportError:
        return peers
    frame = pl.from_dict({name: bars[name].to_numpy() for name in bars.columns if name != "symbol"})
    frame = frame.with_columns(symbol=pl.Series(np.unique(bars["symbol"], return_inverse=True)[1]))
    return peers | {"polars": lambda: in_polars(frame)}


# A strategy's profits, known at once, and windows of a year of decisions that begin every so many.
PROFITS = """
    insert into group_returns by name
    select
        'daily' as clock, 'plain' as scenario, 's' || lpad(number::varchar, 3, '0') as strategy,
        'all' as asset_group, timestamp '2000-01-01' + interval 1 day * day as decision_at,
        day as decision_number, 1 as assets,
        0.0001 + 0.01 * sqrt(-2 * ln((hash(number, day) % 1000003 + 1) / 1000004.0))
            * cos(2 * pi() * (hash(day, number, 1) % 1000003) / 1000003.0) as net_return,
        0.1 as turnover, (day % 7 = 0)::bigint as trades, true as is_active, 0.1 as correlation,
        decision_at + interval 1 day as known_at
    from range($strategies) as strategies(number), range(1, $days + 1) as days(day)
"""
WINDOWS = """
    insert into group_spans by name
    select
        'daily' as clock, 'rolling' as plan, number as window_id, 'test' as span, 'all' as asset_group,
        range(number, number + $back // $step) as blocks, 1 as windows,
        timestamp '2000-01-01' as from_at, from_at as until_at, from_at as known_at
    from range($windows) as windows(number)
"""
# Metrics as one would write them: each window joined with its days.
NAIVE = """
    create or replace table peer as
    with
        laid as (
            select
                returns.strategy, spans.window_id, returns.decision_number, returns.net_return,
                sum(ln(1 + returns.net_return)) over so_far as wealth
            from group_spans as spans
            inner join
                group_returns as returns
                on returns.decision_number > spans.window_id * $step
                and returns.decision_number <= spans.window_id * $step + $back
            window so_far as (partition by strategy, window_id order by decision_number)
        ),
        fallen as (
            select *, wealth - greatest(0, max(wealth) over so_far) as fall
            from laid
            window so_far as (partition by strategy, window_id order by decision_number)
        )
    select
        strategy, window_id, avg(net_return) as expected_return, stddev_samp(net_return) as volatility,
        avg(net_return) / stddev_samp(net_return) as sharpe,
        avg(net_return) / sqrt(avg(power(least(net_return, 0), 2))) as sortino,
        exp(min(fall)) - 1 as max_drawdown, quantile_disc(net_return, 0.05) as var_95,
        avg((net_return > 0)::int) as win_rate,
        sum(greatest(net_return, 0)) / -sum(least(net_return, 0)) as profit_factor
    from fallen
    group by strategy, window_id
"""
METRICS = ("group_block_sums", "group_sums", "group_metrics")


def told_profits(
    con: duckdb.DuckDBPyConnection, strategies: int, days: int, windows: int, step: int
) -> dict[str, int]:
    """Fill what METRICS read; returns the parameters of NAIVE."""
    con.execute(PROFITS, {"strategies": strategies, "days": days})
    con.execute(WINDOWS, {"windows": windows, "step": step, "back": YEAR})
    con.execute("insert into clocks by name select 'daily' as clock, 252 as decisions_per_year")
    plan = "'daily' as clock, 'rolling' as plan, $step as block_length, false as is_compared"
    con.execute(f"insert into laid_plans by name select {plan}", {"step": step})
    named = "select distinct strategy, 'signal' as kind from group_returns order by all"
    con.execute(f"insert into strategies by name {named}")
    return {"step": step, "back": YEAR}


# Bars with a second version for each twentieth, as the model has them.
VERSIONS = """
    insert into bars by name
    select
        's' || row // $days as symbol,
        date '2000-01-01' + (row % $days)::int as session_date, version, hash(row) % 1000 / 10.0 as close,
        timestamp '2000-01-01' + interval 1 day * (row % $days + 1 + 30 * (version - 1)) as known_at,
        case when version = 1 and row % 20 = 0
            then timestamp '2000-01-01' + interval 1 day * (row % $days + 31) end as superseded_at
    from range($rows) as rows(row), range(1, 3) as versions(version)
    where version = 1 or row % 20 = 0
"""
AT = "timestamp '2012-01-01'"
READS = {
    "a bare scan": "select count(*), sum(close) from bars",
    "known then, not yet superseded": (
        f"select count(*), sum(close) from bars where known_at <= {AT}"
        f" and coalesce(superseded_at, '9999-01-01'::timestamp) > {AT}"
    ),
    "qualify row_number()": (
        f"select count(*), sum(close) from (select close from bars where known_at <= {AT}"
        " qualify row_number() over (partition by symbol, session_date order by version desc) = 1)"
    ),
    "arg_max by group": (
        "select count(*), sum(close) from (select arg_max(close, version) as close from bars"
        f" where known_at <= {AT} group by symbol, session_date)"
    ),
}
