-- What the allocator would say if something were left out of what it is told: one row per portfolio, method,
-- decision_at and symbol.
select * from {{ source("steps", "ablated_weights").include(database=false) }}
