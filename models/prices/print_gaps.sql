-- How many sessions of its venue a symbol had missed when each bar was printed:
-- one row per symbol and session_date that did not come late.
select
    index.symbol,
    index.session_date,
    sessions.session_number,
    sessions.session_number - lag(sessions.session_number, 63) over by_print - 63 as missed_in_63,
    index.known_at
from {{ ref("price_index") }} as index
inner join {{ ref("assets") }} as assets on assets.symbol = index.symbol
inner join
    {{ ref("sessions") }} as sessions
    on sessions.venue = assets.venue
    and sessions.session_date = index.session_date
window by_print as (partition by index.symbol order by index.print_number)
