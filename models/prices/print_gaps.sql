-- How many sessions of its venue a symbol had missed when each bar was printed, in all and in a row:
-- one row per symbol and session_date that did not come late.
with
    numbered as (
        select
            index.symbol,
            index.session_date,
            index.print_number,
            sessions.session_number,
            sessions.session_number - lag(sessions.session_number) over by_print - 1 as missed,
            index.known_at
        from {{ sliced(ref("price_index")) }} as index
        inner join {{ ref("assets") }} as assets on assets.symbol = index.symbol
        inner join
            {{ ref("sessions") }} as sessions
            on sessions.venue = assets.venue
            and sessions.session_date = index.session_date
        window by_print as (partition by index.symbol order by index.print_number)
    )
select
    symbol,
    session_date,
    session_number,
    session_number - lag(session_number, 63) over by_print - 63 as missed_in_63,
    max(missed) over past_63 as longest_in_63,
    known_at
from numbered
window
    by_print as (partition by symbol order by print_number),
    past_63 as (partition by symbol order by print_number rows between 62 preceding and current row)
