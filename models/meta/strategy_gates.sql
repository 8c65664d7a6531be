-- Who was let in and who was not, and why: one row per portfolio, decision_at, symbol and strategy.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "strategy_gates") }}
