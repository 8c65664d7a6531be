-- What each learner fitted: one row per clock, plan, learner and window_id.
select * from {{ source("steps", "fitted_models").include(database=false) }}
