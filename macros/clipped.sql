{# A value cut to [-1, +1]. Null stays null: greatest() and least() alone leave nulls out, and would say 1. #}
{% macro clipped(expression) %}
    case when {{ expression }} is not null then greatest(-1, least(1, {{ expression }})) end
{% endmacro %}
