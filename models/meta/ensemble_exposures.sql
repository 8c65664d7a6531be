-- What each way to weigh strategies would hold of each asset, of a notional of 1 per asset: one row per
-- portfolio, method, decision_at and symbol.
select * from {{ source("steps", "ensemble_exposures").include(database=false) }}
