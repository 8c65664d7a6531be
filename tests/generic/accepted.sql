{# One of the values listed. #}
{% test accepted(model, column_name, values) %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} is null or {{ column_name }} not in ('{{ values | join("', '") }}')
{% endtest %}
