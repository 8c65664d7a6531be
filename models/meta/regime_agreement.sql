-- How often two detectors said the same, to date: one row per clock, detector, other_detector and
-- decision_at, each pair once, from the first decision at which both know anything.
with
    pairs as (
        select
            said.clock,
            said.detector,
            others.detector as other_detector,
            said.decision_at,
            said.regime = others.regime as is_same,
            said.known_at
        from {{ ref("spoken_regimes") }} as said
        inner join
            {{ ref("spoken_regimes") }} as others
            on others.clock = said.clock
            and others.decision_at = said.decision_at
            and others.detector > said.detector
            and others.known_at <= said.known_at
    )
select
    clock,
    detector,
    other_detector,
    decision_at,
    count(*) over to_date as decisions,
    count(*) filter (where is_same) over to_date as agreed,
    count(*) filter (where is_same) over to_date / count(*) over to_date as agreement,
    known_at
from pairs
window to_date as (partition by clock, detector, other_detector order by decision_at)
