-- Every configuration ever evaluated: one row per config_hash and batch_id.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "trials") }}
