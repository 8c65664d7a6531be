{# Profits of positions that came later than they could have, from these returns of orders: one row per clock,
   delay, strategy, symbol and decision_at of a filled order. #}
{% macro delayed_profits(returns) %}
    with
        filled as (
            select
                positions.*,
                coalesce(lag(positions.position) over by_fill, 0) as previous_position,
                returns.unit_return,
                returns.cost_rate,
                returns.borrow_cost,
                returns.is_closing,
                returns.known_at as return_known_at
            from {{ returns }} as returns
            inner join
                {{ ref("delayed_positions") }} as positions
                on positions.clock = returns.clock
                and positions.symbol = returns.symbol
                and positions.decision_at = returns.decision_at
            window
                by_fill as (
                    partition by positions.clock, positions.delay, positions.strategy, positions.symbol
                    order by positions.decision_at
                )
        ),
        turned as (
            select
                *,
                abs(position - previous_position)
                + case when is_closing then abs(position) else 0 end as turnover
            from filled
        ),
        charged as (
            select *, turnover * cost_rate + greatest(- position, 0) * borrow_cost as cost from turned
        )
    select
        clock,
        delay,
        strategy,
        symbol,
        decision_at,
        decision_number,
        position,
        unit_return,
        position * unit_return as gross_return,
        turnover,
        cost,
        position * unit_return - cost as net_return,
        position <> 0 and sign(position) <> sign(previous_position) as is_trade,
        return_known_at as known_at
    from charged
{% endmacro %}

{# The view of all profits; or where a run adds to what stands, those of decisions that are still awaited. #}
{% macro new_delayed_profits() %}
    {% set returns = from_before_news(ref("order_returns"), ["clock", "symbol"], "decision_at", patience()) %}
    {% set profits = delayed_profits(returns) %}
    {% if since() is none %} {{ ref("delayed_pnl") }}
    {% else %}({{ profits }})
    {% endif %}
{% endmacro %}
