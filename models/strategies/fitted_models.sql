-- What each learner fitted: one row per clock, plan, learner and window_id.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "fitted_models") }}
