-- What each way to weigh strategies would have earned, judged when the profits of its decision are known:
-- one row per portfolio, method and decision_at.
select
    portfolio,
    method,
    decision_at,
    coalesce(sum(gross_return order by symbol), 0) as gross_return,
    coalesce(sum(cost order by symbol), 0) as cost,
    coalesce(sum(gross_return order by symbol), 0) - coalesce(sum(cost order by symbol), 0) as net_return,
    coalesce(sum(weight order by symbol), 0) as invested,
    known_at
from {{ ref("ensemble_orders") }}
group by portfolio, method, decision_at, known_at
