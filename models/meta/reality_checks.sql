-- Whether the best of all strategies beats a benchmark by more than luck: one row per portfolio,
-- decision_at and benchmark.
select * from {{ source("steps", "reality_checks").include(database=false) }}
