-- What ran, on what, and how it ended; the hashes chain each run to the one before: one row per run. A view,
-- because a run writes its outcome after the last model is built.
{{ config(materialized="view") }}
select *
from {{ source("raw", "runs") }}
