-- What the guards against leaks said: one row per check_id and finding_number.
select * from {{ source("steps", "leak_findings").include(database=false) }}
