-- What each decision came to and why: one row per portfolio and decision_at. level is the worst of its stop
-- conditions.
with
    levels as (
        select portfolio, decision_at, max(level) as level
        from {{ ref("stop_conditions") }}
        group by portfolio, decision_at
    )
select logs.* exclude (known_at, run_id), coalesce(levels.level, 0) as level, logs.known_at, logs.run_id
from {{ source("steps", "allocation_log").include(database=false) }} as logs
left join levels on levels.portfolio = logs.portfolio and levels.decision_at = logs.decision_at
