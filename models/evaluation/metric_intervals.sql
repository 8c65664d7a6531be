-- Bounds on what each strategy and portfolio has shown: one row per clock, plan, kind, subject, asset_group,
-- window_id and metric.
select * from {{ source("steps", "metric_intervals").include(database=false) }}
