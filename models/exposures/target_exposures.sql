-- What to hold: one row per portfolio, decision_at and symbol, CASH and zeros among them.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "target_exposures") }}
