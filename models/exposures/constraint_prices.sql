-- What each limit that holds the weights costs: one row per portfolio, decision_at, stage and limit_name.
select * from {{ source("steps", "constraint_prices").include(database=false) }}
