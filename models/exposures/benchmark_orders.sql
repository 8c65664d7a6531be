-- What became of the orders of each benchmark: one row per portfolio, benchmark, symbol and decision_at.
with
    held as (
        select weights.* exclude (known_at), decisions.clock
        from {{ ref("benchmark_weights") }} as weights
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = weights.portfolio
            and decisions.decision_at = weights.decision_at
            and decisions.known_at >= weights.known_at
    ),
    orders as ({{ held_orders("held", "benchmark") }})
select *
from orders
