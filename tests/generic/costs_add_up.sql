{# The kinds of cost add up to what is gone between gross and net, at every decision of a portfolio. #}
{% test costs_add_up(model) %}
    with
        added as (
            select portfolio, decision_at, sum(cost) as cost from {{ model }} group by portfolio, decision_at
        )
    select returns.portfolio, returns.decision_at, returns.cost, added.cost as added
    from {{ ref("portfolio_returns") }} as returns
    left join added on added.portfolio = returns.portfolio and added.decision_at = returns.decision_at
    where
        coalesce(
            abs(added.cost - returns.cost) > 1e-12
            or abs(returns.gross_return - returns.net_return - added.cost) > 1e-12,
            true
        )
{% endtest %}
