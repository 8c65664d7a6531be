-- What became of the orders of each ensemble, a notional of 1 shared equally among the assets of the
-- decision:
-- one row per portfolio, method, symbol and decision_at.
with
    held as (
        select
            exposures.portfolio,
            decisions.clock,
            exposures.method,
            exposures.decision_at,
            exposures.symbol,
            exposures.exposure / count(*) over (
                partition by exposures.portfolio, exposures.method, exposures.decision_at
            ) as weight
        from {{ ref("ensemble_exposures") }} as exposures
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = exposures.portfolio
            and decisions.decision_at = exposures.decision_at
    ),
    orders as ({{ held_orders("held", "method") }})
select *
from orders
