-- The bar by which a suspect one is judged, the first that is known after it: one row per symbol,
-- session_date and version of the suspect. Where more come at once, or were known before, it is that of
-- the next session.
select
    suspects.symbol,
    suspects.session_date,
    suspects.version,
    suspects.reason,
    suspects.close,
    suspects.level,
    later.session_date as next_session,
    later.close as next_close,
    greatest(suspects.known_at, later.known_at) as known_at
from {{ ref("suspect_bars") }} as suspects
inner join
    {{ ref("told_bars") }} as later
    on later.symbol = suspects.symbol
    and later.session_date > suspects.session_date
qualify
    row_number() over (
        partition by suspects.symbol, suspects.session_date, suspects.version
        order by greatest(suspects.known_at, later.known_at), later.session_date, later.version desc
    )
    = 1
