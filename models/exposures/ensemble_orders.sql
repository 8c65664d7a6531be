-- What became of the orders of each ensemble, a notional of 1 shared equally among its assets, and of the
-- allocator's own answer, with its views (allocator) and without them: one row per portfolio, method, symbol
-- and decision_at.
with
    weighed as (
        select
            portfolio,
            method,
            decision_at,
            symbol,
            exposure / count(*) over (partition by portfolio, method, decision_at) as weight,
            known_at
        from {{ ref("ensemble_exposures") }}
        union all
        select portfolio, 'allocator' as method, decision_at, symbol, weight_after as weight, known_at
        from {{ ref("weight_waterfall") }}
        where stage = 'raw' and symbol <> 'CASH'
        union all
        select portfolio, method, decision_at, symbol, weight, known_at
        from {{ ref("ablated_weights") }}
    ),
    held as (
        select weighed.* exclude (known_at), decisions.clock
        from weighed
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = weighed.portfolio
            and decisions.decision_at = weighed.decision_at
            and decisions.known_at >= weighed.known_at
    ),
    orders as ({{ held_orders("held", "method") }})
select *
from orders
