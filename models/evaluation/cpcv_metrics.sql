-- How a learner forecast inside one train span, by combinatorial purged cross-validation: one row per clock,
-- plan, learner, window_id, unit, number, span and metric. An estimate of overfit: no profit is made of it.
select * from {{ source("steps", "cpcv_metrics").include(database=false) }}
