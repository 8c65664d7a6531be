-- How far the whole answer can be believed: one row per portfolio and decision_at.
select * from {{ source("steps", "confidences").include(database=false) }}
