-- Returns of each vintage against their usual size: one row per symbol, vintage and session_date with a bar
-- before it. The size is that of the 20 bars before, never of the bar itself.
select
    symbol,
    vintage,
    bar_number,
    session_date,
    is_own,
    is_late,
    high,
    low,
    close,
    close_base,
    volume,
    simple_return,
    log_return,
    simple_return_base,
    log_return_base,
    case
        when count(log_return_base) over past_month = 20
        then log_return_base / nullif({{ exact_deviation("log_return_base", "past_month") }}, 0)
    end as normalised_return,
    version_known_at,
    known_at
from {{ ref("vintage_prices") }}
window
    past_month as (partition by symbol, vintage order by bar_number rows between 20 preceding and 1 preceding)
qualify log_return_base is not null
