-- What each learner forecast: one row per clock, plan, learner, window_id, symbol and decision_at; is_train
-- rows are in-sample.
select * from {{ source("steps", "forecasts").include(database=false) }}
