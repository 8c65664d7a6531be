-- What ran, on what, and how it ended; the hashes chain each run to the one before: one row per run.
select * from {{ source("raw", "runs").include(database=false) }}
