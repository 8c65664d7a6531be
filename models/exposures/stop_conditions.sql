-- When to stop, measured and latched: one row per portfolio, decision_at and condition.
select * from {{ source("steps", "stop_conditions").include(database=false) }}
