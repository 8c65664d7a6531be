-- How each weight came about, as steps that add up to it: one row per portfolio, decision_at, symbol and
-- stage.
select * from {{ source("steps", "weight_waterfall").include(database=false) }}
