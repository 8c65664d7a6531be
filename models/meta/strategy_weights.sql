-- How much of an asset's view each strategy gives: one row per portfolio, decision_at, symbol and strategy.
select * from {{ source("steps", "strategy_weights").include(database=false) }}
