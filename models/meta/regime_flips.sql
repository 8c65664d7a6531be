-- How often each detector changed its mind, to date: one row per clock, detector and decision_at, from the
-- first at which it knows anything.
with
    changes as (
        select *, regime <> lag(regime) over by_detector as is_flip
        from {{ ref("spoken_regimes") }}
        window by_detector as (partition by clock, detector order by decision_at)
    ),
    counted as (
        select
            clock,
            detector,
            decision_at,
            count(*) over to_date as decisions,
            count(*) filter (where is_flip) over to_date as flips,
            known_at
        from changes
        window to_date as (partition by clock, detector order by decision_at)
    )
select
    counted.clock,
    counted.detector,
    counted.decision_at,
    counted.decisions,
    counted.flips,
    counted.flips * clocks.decisions_per_year / nullif(counted.decisions - 1, 0) as flips_per_year,
    counted.known_at
from counted
inner join {{ ref("clocks") }} as clocks on clocks.clock = counted.clock
