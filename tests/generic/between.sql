{# Finite, and inside [low, high]. #}
{% test between(model, column_name, low, high) %}
    select {{ column_name }}
    from {{ model }}
    where
        {{ column_name }} is not null
        and (not isfinite({{ column_name }}) or {{ column_name }} not between {{ low }} and {{ high }})
{% endtest %}
