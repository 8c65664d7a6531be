-- How far each strategy's record can be believed: one row per portfolio, decision_at and strategy; 'all' is
-- the whole set.
select * from {{ source("steps", "overfit_metrics").include(database=false) }}
