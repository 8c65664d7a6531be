{# The value that the allocator kept is the value that SQL computes from published units, marks and fills. #}
{% test value_agrees(model) %}
    select returns.portfolio, returns.decision_at, returns.nav, logs.nav as logged_nav
    from {{ model }} as returns
    inner join
        {{ ref("allocation_log") }} as logs
        on logs.portfolio = returns.portfolio
        and logs.decision_at = returns.decision_at
    where
        coalesce(
            abs(returns.nav - logs.nav) > 1e-9
            or abs(returns.net_return - logs.net_return) > 1e-9
            or abs(returns.gross_return - returns.cost - returns.net_return) > 1e-12,
            true
        )
{% endtest %}
