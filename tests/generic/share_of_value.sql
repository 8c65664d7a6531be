{# A weight is a share from 0 to 1. Where the policy of its decision allows shorts, it may be as much below 0, and
   cash, which has their proceeds, is not bounded by 1. #}
{% test share_of_value(model, column_name) %}
    select model.portfolio, model.decision_at, model.symbol, model.{{ column_name }}
    from {{ model }} as model
    inner join
        {{ ref("decision_policies") }} as policies
        on policies.portfolio = model.portfolio
        and policies.decision_at = model.decision_at
    where
        coalesce(
            model.{{ column_name }} < case when policies.allow_shorts then -1 else 0 end - 1e-9
            or (model.{{ column_name }} > 1 and not (policies.allow_shorts and model.symbol = 'CASH')),
            true
        )
{% endtest %}
