-- What each asset brings to the volatility of the portfolio: one row per portfolio, decision_at and symbol.
select * from {{ source("steps", "risk_contributions").include(database=false) }}
