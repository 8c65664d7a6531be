-- When to stop, measured and latched: one row per portfolio, decision_at and condition.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "stop_conditions") }}
