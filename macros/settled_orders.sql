{# When each order was settled, whatever became of it: with its return where it was filled and its exit is known. #}
{% macro settled_orders(back=none) %}
    select clock, symbol, decision_at, unit_return, cost_rate, borrow_cost, is_closing, known_at
    from {{ since_decided(ref("order_returns"), back) }}
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
    from {{ since_decided(ref("order_fills"), back) }}
    where status <> 'filled'
{% endmacro %}

{# The relation, or where `back` is given those of its rows that were decided so long before a new day. #}
{% macro since_decided(relation, back) %}
    {{ news(relation, "decision_at", back) if back else relation }}
{% endmacro %}

{# How long the profits of a decision are awaited. #}
{% macro patience() %} {{ return("interval 14 day") }} {% endmacro %}
