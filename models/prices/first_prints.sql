-- When each bar first became known, and whether it came late: one row per symbol and session_date.
-- Late: a later session was known already, or at the same instant, so the next return spans it.
select
    symbol,
    session_date,
    coalesce(max(session_date) over up_to_now > session_date, false) as is_late,
    coalesce(max(session_date) over before_now > session_date, false) as is_cut,
    known_at
from {{ sliced(ref("bars")) }}
where version = 1
window
    up_to_now as (partition by symbol order by known_at range between unbounded preceding and current row),
    before_now as (
        partition by symbol order by known_at range between unbounded preceding and current row exclude group
    )
