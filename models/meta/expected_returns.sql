-- What the adopted strategies expect together: one row per portfolio, decision_at and symbol.
select * from {{ source("steps", "expected_returns").include(database=false) }}
