-- Every rebalance of every portfolio, up to its as_of: one row per portfolio and decision_at.
-- is_backtest: made in hindsight, not as the newest of its run's as_of.
with
    first_bar as (select min(known_at) as known_at from {{ ref("first_prints") }}),
    made_by as (
        select
            portfolios.portfolio,
            instants.clock,
            instants.decision_at,
            instants.decision_number,
            instants.rebalance_date,
            min(runs.as_of) as as_of
        from {{ ref("portfolios") }} as portfolios
        inner join
            {{ ref("clock_instants") }} as instants
            on instants.clock = portfolios.clock
            and instants.decision_at <= portfolios.as_of
        inner join first_bar on instants.decision_at >= first_bar.known_at
        inner join
            {{ source("raw", "runs") }} as runs
            on runs.portfolio = portfolios.portfolio
            and runs.as_of >= instants.decision_at
        group by all
    )
select
    portfolio,
    clock,
    decision_at,
    decision_number,
    rebalance_date,
    decision_number < max(decision_number) over (partition by portfolio, as_of) as is_backtest,
    decision_at as known_at
from made_by
