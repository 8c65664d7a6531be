{# Wherever both are given, column is not before the other one. #}
{% test not_before(model, column_name, other) %}
    select {{ column_name }}, {{ other }} from {{ model }} where {{ column_name }} < {{ other }}
{% endtest %}
