-- What the allocator did and why: one row per portfolio and decision_at.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "allocation_log") }}
