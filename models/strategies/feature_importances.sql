-- What each learner made of each signal: one row per clock, plan, learner, window_id and feature.
select * from {{ source("steps", "feature_importances").include(database=false) }}
