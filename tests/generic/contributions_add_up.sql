{# What the assets bring to the volatility sums to the volatility of the log. #}
{% test contributions_add_up(model) %}
    with
        added as (
            select portfolio, decision_at, sum(contribution) as volatility
            from {{ model }}
            group by portfolio, decision_at
        )
    select logs.portfolio, logs.decision_at
    from {{ ref("allocation_log") }} as logs
    left join added on added.portfolio = logs.portfolio and added.decision_at = logs.decision_at
    where not coalesce(abs(coalesce(added.volatility, 0) - logs.volatility) <= 1e-12, false)
{% endtest %}
