-- The grid on which decisions may fall, from the clock's start to two years past as_of, for clocks that a
-- portfolio goes by: one row per clock and decision_at. rebalance_date is the next day of the clock.
with
    days as (
        select
            clocks.clock,
            clocks.time_zone,
            clocks.time_of_day,
            unnest(
                generate_series(clocks.starts_at::timestamp, bounds.as_of + interval 2 year, interval 1 day)
            )::date as day,
            string_split(clocks.weekdays, ',') as weekdays
        from {{ ref("clocks") }} as clocks
        inner join (select distinct clock from {{ ref("portfolios") }}) as used on used.clock = clocks.clock
        cross join {{ ref("run_bounds") }} as bounds
    ),
    numbered as (
        select
            clock,
            day,
            timezone(time_zone, day + time_of_day) at time zone 'UTC' as decision_at,
            row_number() over (partition by clock order by day) as decision_number
        from days
        where list_contains(weekdays, isodow(day)::varchar)
    )
select numbered.clock, numbered.decision_at, numbered.decision_number, following.day as rebalance_date
from numbered
inner join
    numbered as following
    on following.clock = numbered.clock
    and following.decision_number = numbered.decision_number + 1
