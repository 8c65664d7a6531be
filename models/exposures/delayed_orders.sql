-- What became of each order, from fill to fill, had it been for the weights of an earlier decision: one row
-- per portfolio, scenario, symbol and decision_at.
with
    used as (
        select portfolio, clock, decision_at, 'fill_to_fill' as scenario, decision_at as weighed_at
        from {{ ref("decisions") }}
        union all
        select
            portfolio,
            clock,
            decision_at,
            'delayed_bar' as scenario,
            lag(decision_at) over (partition by portfolio order by decision_number) as weighed_at
        from {{ ref("decisions") }}
        union all
        select
            decisions.portfolio,
            decisions.clock,
            decisions.decision_at,
            'delayed_day' as scenario,
            earlier.decision_at as weighed_at
        from {{ ref("decisions") }} as decisions
        asof join
            {{ ref("decisions") }} as earlier
            on earlier.portfolio = decisions.portfolio
            and earlier.decision_at <= decisions.decision_at - interval 1 day
    ),
    held as (
        select used.portfolio, used.clock, used.scenario, used.decision_at, exposures.symbol, exposures.weight
        from used
        inner join
            {{ ref("target_exposures") }} as exposures
            on exposures.portfolio = used.portfolio
            and exposures.decision_at = used.weighed_at
    ),
    orders as ({{ held_orders("held", "scenario") }})
select *
from orders
