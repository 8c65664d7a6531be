-- What the allocator did and why: one row per portfolio and decision_at.
select * from {{ source("steps", "allocation_log").include(database=false) }}
