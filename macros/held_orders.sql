{# What became of the orders for weights, from fill to fill, the notional 1 again at each fill: one row per
   portfolio, `key`, symbol and decision_at. `held` has the weight for each of these, with the clock. No order
   is awaited for longer than fourteen days, like in the groups of strategies. #}
{% macro held_orders(held, key) %}
    with
        settled as ({{ settled_orders(patience()) }}),
        awaited as (
            select
                held.portfolio,
                held.{{ key }},
                held.decision_at,
                held.symbol,
                held.weight,
                settled.unit_return,
                settled.cost_rate,
                settled.borrow_cost,
                settled.is_closing,
                settled.known_at as settled_at,
                least(
                    max(coalesce(settled.known_at, '9999-01-01'::timestamp)) over of_decision,
                    held.decision_at + {{ patience() }}
                ) as known_at
            from {{ held }} as held
            inner join
                {{ ref("decision_bars") }} as bars
                on bars.clock = held.clock
                and bars.symbol = held.symbol
                and bars.decision_at = held.decision_at
            left join
                settled
                on settled.clock = held.clock
                and settled.symbol = held.symbol
                and settled.decision_at = held.decision_at
            where {{ new("held.decision_at + " ~ patience()) }}
            window of_decision as (partition by held.portfolio, held.{{ key }}, held.decision_at)
        ),
        in_order as (
            -- What an order cost hangs on the one before, which may be known later where a venue was closed.
            select
                awaited.* exclude (known_at),
                awaited.known_at as awaited_until,
                max(awaited.known_at) over (
                    partition by awaited.portfolio, awaited.{{ key }} order by awaited.decision_at
                ) as known_at
            from
                awaited
                {{
                    and_kept(
                        "portfolio, " ~ key ~ ", symbol, decision_at, weight, 0.0 as unit_return, known_at,"
                        " known_at as awaited_until, known_at as settled_at",
                        "gross_return is not null",
                        last_of="portfolio, " ~ key ~ ", symbol",
                    )
                }}
        )
    select
        in_order.portfolio,
        in_order.{{ key }},
        in_order.symbol,
        in_order.decision_at,
        in_order.weight,
        in_order.weight * in_order.unit_return as gross_return,
        in_order.cost_rate * (
            abs(in_order.weight - coalesce(lag(in_order.weight) over by_fill, 0))
            + case when in_order.is_closing then abs(in_order.weight) else 0 end
        )
        + greatest(- in_order.weight, 0) * in_order.borrow_cost as cost,
        in_order.known_at
    from in_order
    cross join {{ ref("run_bounds") }} as bounds
    where in_order.known_at <= bounds.as_of and in_order.settled_at <= in_order.awaited_until
    window
        by_fill as (
            partition by
                in_order.portfolio, in_order.{{ key }}, in_order.symbol, in_order.unit_return is not null
            order by in_order.decision_at
        )
{% endmacro %}
