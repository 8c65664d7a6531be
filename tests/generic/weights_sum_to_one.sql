{# CASH among them, the weights of each decision are finite and sum to one. #}
{% test weights_sum_to_one(model) %}
    select portfolio, decision_at, sum(weight) as total
    from {{ model }}
    group by portfolio, decision_at
    having not (abs(sum(weight) - 1) <= 1e-9 and bool_and(isfinite(weight)))
{% endtest %}
