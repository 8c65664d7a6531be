-- Who was let in and who was not, and why: one row per portfolio, decision_at, symbol and strategy.
select * from {{ source("steps", "strategy_gates").include(database=false) }}
