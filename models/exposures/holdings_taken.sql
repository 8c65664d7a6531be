-- Where a portfolio was told what is really held, and went on from there: one row per portfolio, decision_at
-- and symbol that the book held or was told of, CASH among them.
select * from {{ source("steps", "holdings_taken").include(database=false) }}
