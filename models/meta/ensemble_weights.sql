-- Weights that the next run goes on from: one row per portfolio, method, decision_at (the last with positions
-- of each run), symbol and strategy with weight.
select * from {{ source("steps", "ensemble_weights").include(database=false) }}
