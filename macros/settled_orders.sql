{# When each order was settled, whatever became of it: with its return where it was filled and its exit is known. #}
{% macro settled_orders() %}
    select clock, symbol, decision_at, unit_return, cost_rate, borrow_cost, is_closing, known_at
    from {{ ref("order_returns") }}
    union all
    select
        clock,
        symbol,
        decision_at,
        null as unit_return,
        null as cost_rate,
        null as borrow_cost,
        false as is_closing,
        known_at
    from {{ ref("order_fills") }}
    where status <> 'filled'
{% endmacro %}
