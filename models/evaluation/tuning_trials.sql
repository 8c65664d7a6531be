-- What a learner that chooses tried inside its train spans: one row per clock, plan, learner, window_id and
-- configuration.
select * from {{ source("steps", "tuning_trials").include(database=false) }}
