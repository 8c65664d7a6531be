{# What the orders of each decision earned together, once its profits are known: `by` tells apart what stands
   beside each other in the model of orders. Sums are exact, so that no order of rows shows in them. #}
{% macro orders_summed(orders, by) %}
    with
        summed as (
            select
                portfolio,
                {{ by }},
                decision_at,
                coalesce(sum({{ exact("gross_return") }}), 0) as gross,
                coalesce(sum({{ exact("cost") }}), 0) as cost,
                sum({{ exact("abs(weight)") }}) as invested,
                known_at
            from {{ ref(orders) }}
            group by portfolio, {{ by }}, decision_at, known_at
        )
    select
        portfolio,
        {{ by }},
        decision_at,
        gross / 1e12 as gross_return,
        cost / 1e12 as cost,
        (gross - cost) / 1e12 as net_return,
        invested / 1e12 as invested,
        known_at
    from summed
{% endmacro %}
