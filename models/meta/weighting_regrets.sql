-- How far a weighting that promises it stayed behind the best strategy in hindsight, and how far it may: one
-- row per portfolio, method, decision_at and symbol with at least two strategies adopted.
select * from {{ source("steps", "weighting_regrets").include(database=false) }}
