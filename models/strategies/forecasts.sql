-- What each learner forecast: one row per clock, plan, learner, window_id, symbol and decision_at; is_train
-- rows are in-sample.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "forecasts") }}
