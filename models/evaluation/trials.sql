-- Every configuration ever evaluated: one row per config_hash and batch_id.
select * from {{ source("steps", "trials").include(database=false) }}
