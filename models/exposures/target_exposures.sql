-- What to hold: one row per portfolio, decision_at and symbol, CASH and zeros among them.
select * from {{ source("steps", "target_exposures").include(database=false) }}
