-- What each way to weigh strategies would have earned, judged when the profits of its decision are known:
-- one row per portfolio, method and decision_at.
with
    summed as (
        select
            portfolio,
            method,
            decision_at,
            coalesce(sum({{ exact("gross_return") }}), 0) as gross,
            coalesce(sum({{ exact("cost") }}), 0) as cost,
            sum({{ exact("weight") }}) as invested,
            known_at
        from {{ ref("ensemble_orders") }}
        group by portfolio, method, decision_at, known_at
    )
select
    portfolio,
    method,
    decision_at,
    gross / 1e12 as gross_return,
    cost / 1e12 as cost,
    (gross - cost) / 1e12 as net_return,
    invested / 1e12 as invested,
    known_at
from summed
