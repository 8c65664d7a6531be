-- How far the whole answer can be believed: one row per portfolio and decision_at.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "confidences") }}
