-- The market's mood as each detector filtered it, never revised: one row per clock, detector and decision_at.
select * from {{ source("steps", "regimes").include(database=false) }}
