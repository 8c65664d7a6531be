-- Return of each close over the one before it, in its own and in the base currency, and with dividends:
-- one row per symbol and session_date. Signals and profits are made of total returns.
select
    symbol,
    session_date,
    is_late,
    simple_return,
    log_return,
    simple_return_base,
    log_return_base,
    total_return,
    normalised_return,
    known_at
from {{ news(ref("vintage_returns")) }}
where is_own
