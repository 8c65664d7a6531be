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
    ),
    in_order as (
        -- What an order cost hangs on the one before, which may be known later where a venue was closed.
        select
            awaited.* exclude (known_at),
            awaited.known_at as awaited_until,
            max(awaited.known_at) over (
                partition by awaited.portfolio, awaited.scenario order by awaited.decision_at
            ) as known_at
        from awaited
    )
select
    in_order.portfolio,
    in_order.scenario,
    in_order.symbol,
    in_order.decision_at,
    in_order.weight,
    in_order.weight * in_order.unit_return as gross_return,
    in_order.cost_rate * (
        abs(in_order.weight - coalesce(lag(in_order.weight) over by_fill, 0))
        + case when in_order.is_closing then abs(in_order.weight) else 0 end
    ) as cost,
    in_order.known_at
from in_order
cross join {{ ref("run_bounds") }} as bounds
where in_order.known_at <= bounds.as_of and in_order.settled_at <= in_order.awaited_until
window
    by_fill as (
        partition by in_order.portfolio, in_order.scenario, in_order.symbol, in_order.unit_return is not null
        order by in_order.decision_at
    )
