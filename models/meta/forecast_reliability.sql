-- What forecasts of a profitable span said and how many came true: one row per portfolio, decision_at, sort
-- and bin, a tenth of [0, 1].
select * from {{ source("steps", "forecast_reliability").include(database=false) }}
