-- What became of each order, from fill to fill, had it been for the weights of an earlier decision: one row
-- per portfolio, scenario, symbol and decision_at. No order is awaited for longer than fourteen days, like
-- in the groups of strategies.
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
    settled as ({{ settled_orders() }}),
    awaited as (
        select
            used.portfolio,
            used.scenario,
            used.decision_at,
            exposures.symbol,
            exposures.weight,
            settled.unit_return,
            settled.cost_rate,
            settled.is_closing,
            settled.known_at as settled_at,
            least(
                max(coalesce(settled.known_at, '9999-01-01'::timestamp)) over of_decision,
                used.decision_at + interval 14 day
            ) as known_at
        from used
        inner join
            {{ ref("target_exposures") }} as exposures
            on exposures.portfolio = used.portfolio
            and exposures.decision_at = used.weighed_at
        inner join
            {{ ref("decision_bars") }} as bars
            on bars.clock = used.clock
            and bars.symbol = exposures.symbol
            and bars.decision_at = used.decision_at
        left join
            settled
            on settled.clock = used.clock
            and settled.symbol = exposures.symbol
            and settled.decision_at = used.decision_at
        window of_decision as (partition by used.portfolio, used.scenario, used.decision_at)
    )
select
    awaited.portfolio,
    awaited.scenario,
    awaited.symbol,
    awaited.decision_at,
    awaited.weight,
    awaited.weight * awaited.unit_return as gross_return,
    awaited.cost_rate * (
        abs(awaited.weight - coalesce(lag(awaited.weight) over by_fill, 0))
        + case when awaited.is_closing then abs(awaited.weight) else 0 end
    ) as cost,
    awaited.known_at
from awaited
cross join {{ ref("run_bounds") }} as bounds
where awaited.known_at <= bounds.as_of and awaited.settled_at <= awaited.known_at
window
    by_fill as (
        partition by awaited.portfolio, awaited.scenario, awaited.symbol, awaited.unit_return is not null
        order by awaited.decision_at
    )
