{# How far a condition degrades its decision, of a row of stop_conditions: 0 normal, 1 reduced, 2 cash with
   defensive assets, 3 all out. A value that cannot be known, or is gone, is all out. #}
{% macro level_of(stops) %}
    case
        when not {{ stops }}.is_latched
        then 0
        when {{ stops }}.condition = 'deep_drawdown'
        then 3
        when {{ stops }}.condition <> 'drawdown'
        then 1
        when coalesce(isfinite({{ stops }}.value) and {{ stops }}.value > -1, false)
        then 2
        else 3
    end
{% endmacro %}
