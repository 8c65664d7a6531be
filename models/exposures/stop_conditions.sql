-- When to stop, measured and latched: one row per portfolio, decision_at and condition.
select stops.* exclude (known_at, run_id), {{ level_of("stops") }} as level, stops.known_at, stops.run_id
from {{ source("steps", "stop_conditions").include(database=false) }} as stops
