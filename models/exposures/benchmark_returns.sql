-- What each benchmark would have earned on the portfolio's clock, with its fills and costs, once the
-- profits of its decision are known: one row per portfolio, benchmark and decision_at.
with
    summed as (
        select
            portfolio,
            benchmark,
            decision_at,
            coalesce(sum({{ exact("gross_return") }}), 0) as gross,
            coalesce(sum({{ exact("cost") }}), 0) as cost,
            sum({{ exact("weight") }}) as invested,
            known_at
        from {{ ref("benchmark_orders") }}
        group by portfolio, benchmark, decision_at, known_at
    )
select
    portfolio,
    benchmark,
    decision_at,
    gross / 1e12 as gross_return,
    cost / 1e12 as cost,
    (gross - cost) / 1e12 as net_return,
    invested / 1e12 as invested,
    known_at
from summed
