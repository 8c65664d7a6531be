-- Where bars come from and how long after its close a bar can be had: one row per venue.
select venue, time_zone, lag_minutes::bigint as lag_minutes
from {{ study_rows("venues", ["venue", "time_zone", "lag_minutes"]) }}
