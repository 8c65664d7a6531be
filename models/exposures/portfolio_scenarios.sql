-- What each portfolio would have earned at two and three times the cost, and with weights that come late: one
-- row per portfolio, scenario and decision_at.
with
    held as (
        select portfolio, decision_at, bool_or(symbol <> 'CASH' and held_units <> 0) as is_held
        from {{ ref("target_exposures") }}
        group by portfolio, decision_at
    ),
    periods as (
        select
            returns.*,
            held.is_held
            or coalesce(
                lag(held.is_held) over (partition by held.portfolio order by held.decision_at), false
            ) as is_active
        from {{ ref("portfolio_returns") }} as returns
        inner join held on held.portfolio = returns.portfolio and held.decision_at = returns.decision_at
    )
select
    periods.portfolio,
    multiples.scenario,
    periods.decision_at,
    periods.gross_return,
    multiples.times * periods.cost as cost,
    periods.net_return - (multiples.times - 1) * periods.cost as net_return,
    periods.is_active,
    periods.known_at
from periods
cross join (values ('plain', 1), ('costs_2x', 2), ('costs_3x', 3)) as multiples(scenario, times)
union all
select
    portfolio,
    scenario,
    decision_at,
    coalesce(sum(gross_return order by symbol), 0) as gross_return,
    coalesce(sum(cost order by symbol), 0) as cost,
    coalesce(sum(gross_return order by symbol), 0) - coalesce(sum(cost order by symbol), 0) as net_return,
    bool_or(weight <> 0 and gross_return is not null) as is_active,
    max(known_at) as known_at
from {{ ref("delayed_orders") }}
group by portfolio, scenario, decision_at
