-- How much of an asset's view each strategy gives: one row per portfolio, decision_at, symbol and strategy.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "strategy_weights") }}
