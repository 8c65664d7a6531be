-- Bars that cannot be believed as they came: one row per symbol, session_date and version. They are out from
-- the instant they are known; bar_verdicts says which of them came back, and when.
select
    symbol,
    session_date,
    version,
    reason,
    close,
    close_before,
    session_before,
    level_week as level,
    jump,
    spike_limit,
    surge,
    is_surge,
    unchanged_bars,
    known_at
from {{ ref("judged_bars") }}
where is_own and reason is not null
