-- The market's mood as each detector filtered it, never revised: one row per clock, detector and decision_at.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "regimes") }}
