"""The static check of SQL: every way of writing a leak is named, and honest SQL is let pass."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from flows.dbt import Dbt
from flows.guards.static_sql import (
    EXPOSURES,
    ModelSql,
    Report,
    check_models,
    check_signal,
    compiled,
    declared,
    upstream,
)
from flows.publish import PUBLISHED
from python_steps import warehouse

SOURCES = {
    "raw.bars": "batch_id row_number symbol session_date version opened_at closed_at available_at recorded_at "
    "known_at open high low close volume".split(),
    "raw.study": "batch_id seed rows_json".split(),
    "raw.policies": "batch_id portfolio policy_json".split(),
    "raw.runs": "run_id run_number portfolio as_of batch_until".split(),
    "raw.assets": "batch_id symbol venue member_from member_until known_at".split(),
    "steps.forecasts": "clock plan learner window_id symbol decision_at value is_train known_at".split(),
}
# A world as small as may be: what was told, calendars, one table of each kind.
WORLD = {
    "run_bounds": "select as_of, batch_until, run_number from raw.runs order by run_number desc limit 1",
    "sessions": """
        select row.venue as venue, row.session_date::date as session_date, row.closed_at::timestamp as closed_at,
            row_number() over (partition by row.venue order by row.session_date::date) as session_number
        from (select unnest(from_json(rows_json, '[]')) as row from raw.study) as listed""",
    "clock_instants": """
        select clock, decision_at, row_number() over (partition by clock order by decision_at) as decision_number,
            decision_at::date + 1 as rebalance_date
        from (select 'global' as clock, unnest(generate_series(timestamp '2020-01-01', as_of, interval 1 day))
            as decision_at from run_bounds) as days""",
    "assets": "select symbol, venue, member_from, member_until, known_at as membership_known_at from raw.assets",
    "prices": """
        select symbol, session_date, opened_at, closed_at, open, high, low, close, volume,
            ln(close / lag(close) over (partition by symbol order by session_date)) as log_return, known_at
        from raw.bars where version = 1""",
    "vintage_prices": """
        select symbol, version as vintage, session_date, version = 1 as is_own, open, high, low, close,
            row_number() over (partition by symbol, version order by session_date) as bar_number, known_at
        from raw.bars""",
    "signals": "select 'one' as signal, symbol, session_date, close as value, known_at from prices",
    "decision_bars": """
        select instants.clock, prices.symbol, instants.decision_at, instants.decision_number,
            instants.rebalance_date, prices.session_date, prices.close as mark, prices.known_at as bar_known_at,
            instants.decision_at as known_at
        from clock_instants as instants asof join prices on instants.decision_at >= prices.known_at""",
    "positions": """
        select clock, 'one' as strategy, symbol, decision_at, decision_number, 1.0 as position, known_at
        from decision_bars""",
    "order_returns": """
        select bars.clock, bars.symbol, bars.decision_at, bars.decision_number, exits.close / bars.mark as unit_return,
            greatest(bars.known_at, exits.known_at) as known_at
        from decision_bars as bars
        inner join prices as exits on exits.symbol = bars.symbol and exits.session_date = bars.rebalance_date""",
    "labels": """
        select starts.clock, starts.symbol, starts.decision_at, sum(steps.unit_return) as label,
            max(steps.known_at) as known_at
        from decision_bars as starts inner join order_returns as steps on steps.symbol = starts.symbol
            and steps.decision_number >= starts.decision_number
            and steps.decision_number < starts.decision_number + 5
        group by starts.clock, starts.symbol, starts.decision_at""",
    "walk_forward_windows": """
        select placed.clock, placed.window_id, starts.decision_at as test_from, ends.decision_at as test_until,
            embargoes.decision_at as embargo_at, starts.decision_number as test_from_number,
            starts.decision_at as known_at
        from (select 'global' as clock, unnest(range(0, 9)) as window_id, 5 as embargo) as placed
        inner join clock_instants as starts on starts.decision_number = 252 + placed.window_id * 21
        inner join clock_instants as ends on ends.decision_number = 315 + placed.window_id * 21
        inner join clock_instants as embargoes
            on embargoes.decision_number = 252 + placed.window_id * 21 - placed.embargo""",
}  # fmt: skip

AHEAD, WHOLE, EVENT = "looks_ahead", "whole_sample", "event_time"
BACK, RESTATED, CLOCK = "backfill", "restated_value", "loader_clock"


def _over(expression: str, tail: str = "") -> str:
    return f"select symbol, session_date, {expression} as value, known_at from prices {tail}"


def _as_known(expression: str) -> str:
    return f"select symbol, session_date, close as value, {expression} as known_at from prices"


LEAKY = [
    # Windows that reach ahead
    (AHEAD, _over("lead(close) over (partition by symbol order by session_date)")),
    (AHEAD, _over("lead(close, 5) over by_day", "window by_day as (partition by symbol order by session_date)")),
    (AHEAD, _over("lag(close, -1) over (partition by symbol order by session_date)")),
    (AHEAD, _over("lag(close, -volume::int) over (partition by symbol order by session_date)")),
    (AHEAD, _over("lag(close, volume::int) over (partition by symbol order by session_date)")),
    (AHEAD, _over("lag(close) over (partition by symbol order by session_date desc)")),
    (AHEAD, _over("lag(close) over (partition by symbol order by -epoch(known_at))")),
    (AHEAD, _over("avg(close) over (partition by symbol order by session_date rows between 5 preceding and 5 following)")),
    (AHEAD, _over("avg(close) over (partition by symbol order by session_date rows between current row and 3 following)")),
    (AHEAD, _over("avg(close) over (partition by symbol order by session_date rows between 1 following and 2 following)")),
    (AHEAD, _over("sum(close) over (partition by symbol order by session_date rows between unbounded preceding and unbounded following)")),
    (AHEAD, _over("avg(close) over (partition by symbol order by session_date range between interval 3 day preceding and interval 3 day following)")),
    (AHEAD, _over("max(close) over (partition by symbol order by known_at groups between 1 preceding and 1 following)")),
    (AHEAD, _over("avg(close) over (partition by symbol order by session_date desc rows between 20 preceding and current row)")),
    (AHEAD, _over("avg(close) over (partition by symbol order by session_date desc)")),
    (AHEAD, _over("min(close) over w", "window w as (partition by symbol order by known_at desc rows 9 preceding)")),
    (AHEAD, _over("avg(close) over (base rows between 2 preceding and 2 following)", "window base as (partition by symbol order by session_date)")),
    (AHEAD, _over("last_value(close) over (partition by symbol order by session_date rows between unbounded preceding and unbounded following)")),
    (AHEAD, _over("nth_value(close, 2) over (partition by symbol order by session_date rows between current row and 5 following)")),
    (AHEAD, _over("first_value(close) over (partition by symbol order by session_date desc)")),
    (AHEAD, _over("arg_max(close, high) over (partition by symbol order by session_date rows between 3 preceding and 3 following)")),
    (AHEAD, _over("list(close) over (partition by symbol order by session_date rows between current row and unbounded following)")),
    (AHEAD, _over("sum(close) filter (where volume > 0) over (partition by symbol order by session_date rows between 1 preceding and 1 following)")),
    (AHEAD, _over("exp(ln(lead(close) over (partition by symbol order by session_date)) - ln(close))")),
    (AHEAD, "with base as (select *, lead(close) over (partition by symbol order by session_date) as nearby from prices), "
        "shaped as (select symbol, session_date, nearby / close as ratio, known_at from base) "
        "select symbol, session_date, ratio as value, known_at from shaped"),
    (AHEAD, "select p.symbol, p.session_date, p.n as value, p.known_at from (select *, row_number() over "
        "(partition by symbol order by session_date desc) as n from prices) as p"),
    (AHEAD, "select symbol, session_date, close as value, known_at from prices qualify row_number() over "
        "(partition by symbol order by session_date desc) > 5"),
    (AHEAD, "from prices as q select q.symbol, q.session_date, lead(q.close) over (partition by q.symbol order by q.session_date) as value, q.known_at"),
    (AHEAD, "with numbered as (select *, row_number() over (partition by symbol order by session_date) * -1 as back from prices) "
        "select symbol, session_date, avg(close) over (partition by symbol order by back rows 5 preceding) as value, known_at from numbered"),
    (BACK, _over("first_value(close ignore nulls) over (partition by symbol order by session_date rows between current row and unbounded following)")),
    (BACK, _over("coalesce(close, last_value(close ignore nulls) over (partition by symbol order by session_date desc))")),
    # Joins of a table to its own later rows
    (AHEAD, "select a.symbol, a.session_date, b.close as value, a.known_at from prices as a inner join prices as b "
        "on b.symbol = a.symbol and b.session_date > a.session_date"),
    (AHEAD, "select a.symbol, a.session_date, b.close as value, a.known_at from prices a left join prices b "
        "on b.symbol = a.symbol and b.session_date = a.session_date + 1"),
    (AHEAD, "select a.symbol, a.session_date, b.close as value, a.known_at from prices a left join prices b "
        "on b.symbol = a.symbol and b.session_date - interval 1 day = a.session_date"),
    (AHEAD, "with n as (select *, row_number() over (partition by symbol order by session_date) as bar_number from prices) "
        "select a.symbol, a.session_date, b.close as value, a.known_at from n as a join n as b on b.symbol = a.symbol and b.bar_number = a.bar_number + 1"),
    (AHEAD, "with n as (select *, row_number() over (partition by symbol order by session_date) as bar_number from prices) "
        "select a.symbol, a.session_date, avg(b.close) as value, a.known_at from n as a join n as b on b.symbol = a.symbol "
        "and b.bar_number between a.bar_number - 5 and a.bar_number + 5 group by all"),
    (AHEAD, "select a.symbol, a.session_date, b.close as value, a.known_at from prices a asof join prices b "
        "on b.symbol = a.symbol and a.known_at <= b.known_at"),
    (AHEAD, "select a.symbol, a.session_date, (select b.close from prices b where b.symbol = a.symbol and "
        "b.session_date > a.session_date order by b.session_date limit 1) as value, a.known_at from prices a"),
    # Statistics over everything
    (WHOLE, _over("close - avg(close) over (partition by symbol)")),
    (WHOLE, _over("(close - min(close) over ()) / (max(close) over () - min(close) over ())")),
    (WHOLE, _over("percent_rank() over (order by close)")),
    (WHOLE, _over("ntile(5) over (partition by symbol order by close)")),
    (WHOLE, _over("rank() over (partition by symbol order by volume)")),
    (WHOLE, _over("cume_dist() over (partition by symbol order by session_date)")),
    (WHOLE, _over("quantile_cont(close, 0.9) over (partition by symbol)")),
    (WHOLE, _over("close / avg(close) over w", "window w as (partition by symbol)")),
    (WHOLE, _over("close / (select max(close) from prices)")),
    (WHOLE, _over("close / (select avg(p.close) from prices p where p.symbol = prices.symbol)")),
    (WHOLE, "select p.symbol, p.session_date, p.close / m.mean as value, p.known_at from prices p cross join (select avg(close) as mean from prices) m"),
    (WHOLE, "with m as (select symbol, stddev(log_return) as size from prices group by symbol) "
        "select p.symbol, p.session_date, p.log_return / m.size as value, p.known_at from prices p inner join m using (symbol)"),
    (WHOLE, "with m as (select symbol, month(session_date) as month, avg(log_return) as season from prices group by all) "
        "select p.symbol, p.session_date, m.season as value, p.known_at from prices p join m on m.symbol = p.symbol and m.month = month(p.session_date)"),
    # Time joins
    (EVENT, "select i.clock, p.symbol, i.decision_at, p.close, i.decision_at as known_at from clock_instants i "
        "asof join prices p on p.session_date <= i.decision_at::date"),
    (EVENT, "select i.clock, p.symbol, i.decision_at, p.close, i.decision_at as known_at from clock_instants i "
        "inner join prices p on p.session_date = date_trunc('day', i.decision_at)"),
    (EVENT, "select a.symbol, a.session_date, b.close as value, a.known_at from prices a asof join prices b "
        "on b.symbol = 'EUR-USD' and a.session_date >= b.session_date"),
    ("not_simultaneous", "select a.symbol, a.session_date, a.close / b.close as value, a.known_at from prices a "
        "inner join prices b on b.session_date = a.session_date and b.symbol <> a.symbol"),
    ("not_simultaneous", _over("rank() over (partition by session_date order by close)")),
    ("not_simultaneous", _over("close - avg(close) over (partition by session_date)")),
    ("not_simultaneous", "select i.clock, p.symbol, i.decision_at, p.close, i.decision_at as known_at from clock_instants i "
        "asof join prices p on i.decision_at + interval 6 hour >= p.known_at"),
    ("early_fill", "select b.symbol, b.decision_at, s.session_date, b.known_at from decision_bars b "
        "asof join sessions s on b.decision_at::date <= s.session_date"),
    ("early_fill", "select b.symbol, b.decision_at, s.session_date, b.known_at from decision_bars b "
        "asof join sessions s on b.rebalance_date >= s.session_date"),
    ("early_fill", "select r.clock, r.symbol, r.decision_at, p.position * r.unit_return as net, r.known_at from order_returns r "
        "inner join positions p on p.symbol = r.symbol and p.decision_number = r.decision_number + 1"),
    ("early_profit", "select b.clock, b.symbol, b.decision_at, r.unit_return as value, b.known_at from decision_bars b "
        "inner join order_returns r on r.symbol = b.symbol and r.decision_at = b.decision_at"),
    # When a row was known
    (RESTATED, _as_known("min(known_at) over (partition by symbol)")),
    (RESTATED, _as_known("least(known_at, closed_at)")),
    (RESTATED, _as_known("lag(known_at) over (partition by symbol order by session_date)")),
    ("unfinished_bar", _as_known("opened_at")),
    (CLOCK, _as_known("closed_at")),
    (EVENT, _as_known("session_date::timestamp")),
    ("time_zone", _as_known("known_at - interval 5 hour")),
    ("time_zone", _as_known("timezone('America/New_York', known_at)")),
    (EVENT, _as_known("known_at - interval 1 day")),
    ("time_zone", "select clock, day + time_of_day as decision_at from (select clock, decision_at::date as day, "
        "time '14:00' as time_of_day from clock_instants) as days"),
    (CLOCK, "select symbol, session_date, close as value, known_at from prices where session_date < current_date"),
    (CLOCK, _over("close * epoch(now())")),
    (CLOCK, _over("date_diff('day', session_date, today())")),
    ("build_state", _over("close * random()")),
    ("build_state", "select symbol, session_date, close as value, known_at from prices limit 10"),
    ("build_state", "select symbol, session_date, close as value, known_at from prices using sample 10%"),
    # The latest
    (RESTATED, "select symbol, session_date, close, known_at from raw.bars qualify version = max(version) over (partition by symbol, session_date)"),
    (RESTATED, "select symbol, session_date, close, known_at from raw.bars qualify row_number() over "
        "(partition by symbol, session_date order by batch_id desc) = 1"),
    (RESTATED, "select distinct on (symbol, session_date) symbol, session_date, close, known_at from raw.bars order by symbol, session_date, version desc"),
    (RESTATED, "select seed, arg_max(rows_json, batch_id) as rows_json from raw.study group by seed"),
    (RESTATED, "select portfolio, policy_json from raw.policies qualify row_number() over (partition by portfolio order by batch_id desc) = 1"),
    (RESTATED, "select p.symbol, p.session_date, b.close as value, p.known_at from prices p inner join raw.bars b using (symbol, session_date)"),
    # Who is there
    ("survivorship", "select * from prices where symbol in (select symbol from prices group by symbol having count(*) >= 500)"),
    ("survivorship", "select * from prices qualify count(*) over (partition by symbol) > 500"),
    ("survivorship", "select p.* from prices p where exists (select 1 from prices q where q.symbol = p.symbol and q.session_date > '2024-01-01')"),
    ("survivorship", "select b.symbol, b.decision_at, b.known_at from decision_bars b inner join assets a on a.symbol = b.symbol "
        "where b.rebalance_date < coalesce(a.member_until, '9999-01-01'::date)"),
    ("chosen_by_result", "select * from positions where symbol in (select symbol from order_returns group by symbol having sum(unit_return) > 0)"),
    ("chosen_by_result", "select p.clock, p.symbol, p.decision_at, p.position * sign(t.total) as position, p.known_at from positions p "
        "cross join (select sum(unit_return) as total from order_returns) t"),
    # The rest
    ("adjusted_price", "select symbol, session_date, close / lag(close) over (partition by symbol order by session_date) as value, known_at from vintage_prices"),
    ("adjusted_price", "select a.symbol, a.session_date, b.close / a.close as value, greatest(a.known_at, b.known_at) as known_at "
        "from vintage_prices a inner join vintage_prices b on b.symbol = a.symbol and b.session_date = a.session_date - 1"),
    ("optimistic_fill", "select symbol, session_date, (open + low) / 2 as fill_price, known_at from prices"),
    ("optimistic_fill", "select * from order_returns where unit_return > -0.05"),
    ("target_in_features", "select b.symbol, b.session_date, l.label as value, b.known_at from decision_bars b "
        "inner join labels l on l.symbol = b.symbol and l.decision_at = b.decision_at"),
    ("anchored_at_end", "select clock, (select max(decision_number) from clock_instants) - decision_number as place from clock_instants"),
    ("anchored_at_end", "select clock, decision_at, row_number() over (partition by clock order by decision_at desc) as place from clock_instants"),
    ("test_in_train", "select w.window_id, b.symbol, b.decision_at, b.decision_number <= w.test_from_number as is_train, b.known_at "
        "from decision_bars b inner join walk_forward_windows w on w.clock = b.clock"),
    ("test_in_train", "select f.symbol, f.decision_at, f.value as score, f.decision_at as known_at from steps.forecasts f"),
]  # fmt: skip

HONEST = [
    _over("close / lag(close) over (partition by symbol order by session_date)"),
    _over("lead(close) over (partition by symbol order by session_date desc)"),
    _over("lag(close, 252) over by_day", "window by_day as (partition by symbol order by session_date)"),
    _over("avg(close) over (partition by symbol order by session_date rows between 19 preceding and current row)"),
    _over("avg(close) over (partition by symbol order by session_date rows 250 preceding)"),
    _over("avg(close) over (partition by symbol order by session_date rows between 20 preceding and 1 preceding)"),
    _over("avg(close) over (partition by symbol order by session_date desc rows between current row and 19 following)"),
    _over("avg(close) over (partition by symbol order by -epoch(known_at) rows between current row and 5 following)"),
    _over("avg(close) over (partition by symbol order by known_at range between interval 30 day preceding and current row)"),
    _over("max(high) over (partition by symbol order by session_date)"),
    _over("first_value(close) over (partition by symbol order by session_date)"),
    _over("last_value(close) over (partition by symbol order by session_date)"),
    _over("last_value(close ignore nulls) over (partition by symbol order by session_date)"),
    _over("row_number() over (partition by symbol order by session_date)"),
    _over("count(*) filter (where volume > 0) over (partition by symbol order by session_date)"),
    _over("avg(close) over (base rows between 9 preceding and current row)", "window base as (partition by symbol order by session_date)"),
    _over("list(close) over (partition by symbol order by session_date rows between 9 preceding and 1 preceding)"),
    _over("tanh(log_return / nullif(stddev(log_return) over (partition by symbol order by session_date rows 20 preceding), 0))"),
    _over("case when close > open then 1 else -1 end"),
    _over("list_sum([greatest(x - close, 0) for x in [open, high, low]])"),
    _over("close / min(close) over (partition by symbol order by session_date rows between unbounded preceding and current row)"),
    # A row known when its last input is
    "select symbol, session_date, lead(close) over w as value, lead(known_at) over w as known_at from prices "
    "window w as (partition by symbol order by session_date)",
    "select symbol, session_date, avg(close) over w as value, max(known_at) over w as known_at from prices "
    "window w as (partition by symbol order by session_date rows between 5 preceding and 5 following)",
    "select symbol, session_date, close - avg(close) over (partition by session_date) as value, "
    "max(known_at) over (partition by session_date) as known_at from prices",
    "select a.symbol, a.session_date, b.close / a.close as value, greatest(a.known_at, b.known_at) as known_at from prices a "
    "inner join prices b on b.symbol = a.symbol and b.session_date = a.session_date + 1",
    "with m as (select symbol, avg(close) as mean, max(known_at) as known_at from prices group by symbol) "
    "select p.symbol, p.session_date, p.close / m.mean as value, greatest(p.known_at, m.known_at) as known_at from prices p join m using (symbol)",
    "select clock, symbol, lag(decision_at, 5) over w as decision_at, sum(unit_return) over (w rows between 4 preceding and current row) as label, "
    "known_at from order_returns window w as (partition by clock, symbol order by decision_number)",
    "select p.symbol, p.session_date, p.close as value, p.known_at + interval 1 day as known_at from prices p",
    # Rows of one instant
    "select *, rank() over (partition by clock, decision_at order by mark) as place from decision_bars",
    "select *, avg(mark) over (partition by clock, decision_at) as mean from decision_bars",
    "select *, lead(mark) over (partition by decision_at order by mark) as next from decision_bars",
    "select *, sum(mark) over (partition by decision_at order by symbol rows between 1 preceding and 3 following) as near from decision_bars",
    "select *, first_value(symbol) over (partition by decision_at order by mark desc) as best from decision_bars",
    "select clock, decision_at, avg(mark) as mean, decision_at as known_at from decision_bars group by clock, decision_at",
    # Joins on what was known
    "select i.clock, p.symbol, i.decision_at, p.close, i.decision_at as known_at from clock_instants i asof join prices p on i.decision_at >= p.known_at",
    "select b.clock, b.symbol, b.decision_at, s.value, b.decision_at as known_at from decision_bars b inner join signals s "
    "on s.symbol = b.symbol and s.known_at <= b.decision_at and s.known_at >= b.decision_at - interval 9 day",
    "select b.clock, b.symbol, b.decision_at, p.high, b.known_at from decision_bars b inner join prices p "
    "on p.symbol = b.symbol and p.session_date = b.session_date",
    "select p.symbol, p.session_date, (select avg(q.close) from prices q where q.symbol = p.symbol and q.known_at <= p.known_at) as value, p.known_at from prices p",
    "select p.symbol, p.session_date, (select q.close from prices q where q.symbol = 'SPY' and q.known_at <= p.known_at order by q.known_at desc limit 1) as value, p.known_at from prices p",
    "select a.symbol, a.session_date, a.close / b.close as value, a.known_at from prices a inner join prices b "
    "on b.symbol = a.symbol and b.session_date < a.session_date",
    "select r.clock, r.symbol, r.decision_at, p.position * r.unit_return as net, r.known_at from order_returns r inner join positions p using (clock, symbol, decision_at)",
    "select b.symbol, b.decision_at, s.session_date as fill_session, b.known_at from decision_bars b asof join sessions s on b.rebalance_date <= s.session_date",
    "select b.symbol, b.decision_at, b.known_at from decision_bars b inner join assets a on a.symbol = b.symbol "
    "where a.membership_known_at <= b.decision_at and b.rebalance_date < a.member_until",
    "select f.symbol, f.decision_at, f.value as score, f.decision_at as known_at from steps.forecasts f inner join walk_forward_windows w "
    "on w.window_id = f.window_id where f.decision_at >= w.test_from and f.decision_at < w.test_until",
    # Calendars and the study are laid down in advance
    "select s.session_date, n.session_date as next_date from sessions s inner join sessions n on n.venue = s.venue and n.session_number = s.session_number + 1",
    "select clock, decision_at, lead(decision_at) over (partition by clock order by decision_at) as next_at from clock_instants",
    "select clock, unnest(range(0, (select max(decision_number) from clock_instants))) as window_id from (select distinct clock from clock_instants) as c",
    "select portfolio, policy_json from raw.policies cross join run_bounds where batch_id <= batch_until "
    "qualify row_number() over (partition by portfolio order by batch_id desc) = 1",
    # The end of a version's validity
    "select b.symbol, b.session_date, b.version, n.known_at as superseded_at, b.close, b.known_at from raw.bars b left join raw.bars n "
    "on n.symbol = b.symbol and n.session_date = b.session_date and n.version = b.version + 1",
    "select symbol, session_date, version, lead(known_at) over (partition by symbol, session_date order by version) as superseded_at, close, known_at from raw.bars",
    "select symbol, session_date, close, known_at from vintage_prices where is_own",
    "select symbol, session_date, ln(close / lag(close) over (partition by symbol, vintage order by bar_number)) as value, known_at from vintage_prices",
]  # fmt: skip


def _checked(sql: str) -> Report:
    models = {name: _model(text, name) for name, text in WORLD.items()} | {"looked_at": _model(sql, "looked_at")}
    return check_models(models, SOURCES, only=["looked_at"])


def _model(sql: str, name: str) -> ModelSql:
    words = set(re.findall(r"\w+", sql))
    return ModelSql(sql, tuple(one for one in WORLD if one in words and one != name))


@pytest.mark.parametrize(("leak", "sql"), LEAKY, ids=range(len(LEAKY)))
def test_a_leak_is_named_however_it_is_written(leak: str, sql: str) -> None:
    report = _checked(sql)
    assert {finding.leak for finding in report.findings} == {leak}, "\n".join(map(str, report.findings))
    assert {finding.place for finding in report.findings} == {"looked_at"}
    assert report.undecided == []


@pytest.mark.parametrize("sql", HONEST, ids=range(len(HONEST)))
def test_honest_sql_passes(sql: str) -> None:
    report = _checked(sql)
    assert report.findings == []
    assert report.undecided == []


def test_the_world_of_these_tests_is_honest() -> None:
    models = {name: _model(text, name) for name, text in WORLD.items()}
    report = check_models(models, SOURCES)
    assert report.findings == []
    assert sorted(report.looked_at) == sorted(WORLD)


@pytest.mark.parametrize(
    "sql",
    [
        "select symbol, avg(close) over (partition by symbol order by hash(session_date)) as value, known_at from prices",
        "select symbol, value, known_at from elsewhere",
        "select symbol, no_such_column, known_at from prices",
        "select symbol, , from where",
        "with recursive r as (select 1 as n union all select n + 1 from r) select n from r",
    ],
)
def test_what_cannot_be_decided_is_listed(sql: str) -> None:
    assert _checked(sql).undecided


def test_a_finding_names_the_line_of_the_compiled_sql() -> None:
    sql = "select\n    symbol,\n    session_date,\n    lead(close) over (\n    order by session_date) as x,\n    known_at\nfrom prices"
    (found,) = _checked(sql).findings
    assert found.line == 4


def test_an_incremental_model_and_one_that_reads_itself_are_refused() -> None:
    built = replace(_model("select * from prices", "looked_at"), materialized="incremental")
    models = {name: _model(text, name) for name, text in WORLD.items()}
    assert [f.leak for f in check_models({**models, "looked_at": built}, SOURCES).findings] == ["build_state"]
    again = ModelSql("select symbol from looked_at")
    assert [f.leak for f in check_models({**models, "looked_at": again}, SOURCES).findings] == ["build_state"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, ModelSql], dict[str, list[str]]]:
    """The models of this project as dbt compiles them."""
    file = tmp_path_factory.mktemp("static") / PUBLISHED
    con = warehouse.connect(file)
    warehouse.create_tables(con)
    con.close()
    dbt = Dbt(file)
    dbt._invoke(["compile", "--select", "resource_type:model"], manifest=dbt.manifest)
    return compiled(dbt.manifest)


def test_the_project_has_no_leak_and_every_model_upstream_of_exposures_was_read(
    project: tuple[dict[str, ModelSql], dict[str, list[str]]],
) -> None:
    models, sources = project
    report = check_models(models, sources)
    assert report.findings == []
    assert report.undecided == []
    wanted = upstream([EXPOSURES], models)
    assert {"stg_bars", "signals", "examples", "strategy_pnl", "data_quality"} <= set(wanted)
    assert set(wanted) <= set(report.looked_at)


def test_every_declared_exception_is_still_needed(
    project: tuple[dict[str, ModelSql], dict[str, list[str]]],
) -> None:
    report = check_models(*project)
    assert sorted(map(str, report.exempted)) == sorted(map(str, declared()))
    bare = check_models(*project, exceptions=[])
    assert {(f.place, f.leak) for f in bare.findings} == {(e.model, e.leak) for e in declared()}
    assert all(exempt.reason.strip() and exempt.provided for exempt in declared())


def test_an_exception_stands_only_while_its_condition_does(
    project: tuple[dict[str, ModelSql], dict[str, list[str]]],
) -> None:
    models, sources = project
    held = "bars.known_at < coalesce(vintages.until_at, '9999-01-01'::timestamp)"
    leaky = replace(models["vintage_bars"], sql=models["vintage_bars"].sql.replace(held, "true"))
    assert leaky.sql != models["vintage_bars"].sql
    found = check_models({**models, "vintage_bars": leaky}, sources).findings
    assert {(f.place, f.leak) for f in found} == {("vintage_bars", "restated_value")}


def test_a_signal_is_checked_by_itself(project: tuple[dict[str, ModelSql], dict[str, list[str]]]) -> None:
    models, sources = project
    honest = "select symbol, session_date, tanh(log_return_week) as value, known_at from main.bar_statistics"
    assert check_signal("mine", honest, models, sources).findings == []
    leaky = honest.replace("tanh(log_return_week)", "close / avg(close) over (partition by symbol)")
    (found,) = check_signal("mine", leaky, models, sources).findings
    assert (found.place, found.leak) == ("signal mine", "whole_sample")
