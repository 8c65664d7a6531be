{# The stops that the allocator measured, latched and released are, to the bit, those that SQL computes from what
   it measured, from one decision to the next. #}
{% test stops_agree(model) %}
    {% set compared = [
        "value",
        "limit_value",
        "is_triggered",
        "is_latched",
        "latched_at",
        "reset_by",
        "action",
    ] %}
    select
        coalesce(again.portfolio, stops.portfolio) as portfolio,
        coalesce(again.decision_at, stops.decision_at) as decision_at,
        coalesce(again.condition, stops.condition) as condition,
        {%- for column in compared %}
            again.{{ column }}, stops.{{ column }} as allocated_{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ model }} as again
    full outer join
        {{ ref("stop_conditions") }} as stops
        on stops.portfolio = again.portfolio
        and stops.decision_at = again.decision_at
        and stops.condition = again.condition
    where
        {%- for column in compared %}
            again.{{ column }} is distinct from stops.{{ column }} {{ "or" if not loop.last }}
        {%- endfor %}
        or again.condition is null
{% endtest %}
