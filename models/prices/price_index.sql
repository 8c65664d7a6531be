-- Chained base-currency returns, each as it was first known, so that levels of two vintages are never
-- compared: one row per symbol and session_date that did not come late. Only ratios mean something.
select
    bars.symbol,
    bars.session_date,
    bars.close_base,
    exp(sum({{ exact("coalesce(bars.log_return_base, 0)") }}) over by_session / 1e12) as index_level,
    row_number() over by_session as print_number,
    bars.known_at
from {{ ref("vintage_prices") }} as bars
where bars.is_own and not bars.is_late
window
    by_session as (
        partition by bars.symbol order by bars.session_date rows between unbounded preceding and current row
    )
