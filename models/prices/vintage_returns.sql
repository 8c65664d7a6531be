-- Returns of each vintage against their usual size: one row per symbol, vintage and session_date with a bar
-- before it. The size is that of the 20 bars before, never of the bar itself. Prices are put on the scale of
-- the vintage's first share, so that a split is no move.
select
    symbol,
    vintage,
    bar_number,
    session_date,
    is_own,
    is_late,
    open * shares as open,
    high * shares as high,
    low * shares as low,
    has_range,
    close * shares as close,
    close_base,
    volume,
    simple_return,
    log_return,
    simple_return_base,
    log_return_base,
    total_return,
    log_total_return,
    case
        when count(log_total_return) over past_month = 20
        then log_total_return / nullif({{ exact_deviation("log_total_return", "past_month") }}, 0)
    end as normalised_return,
    version_known_at,
    known_at
from {{ sliced(ref("vintage_prices")) }}
window
    past_month as (partition by symbol, vintage order by bar_number rows between 20 preceding and 1 preceding)
qualify log_total_return is not null
