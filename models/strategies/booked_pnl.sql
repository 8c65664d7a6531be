-- Profits as they were booked: a correction counts with the first filled order that was decided knowing it,
-- since what was said of earlier ones stands: one row per clock, strategy, symbol and decision_at of a filled
-- order.
with
    corrected as (select * from {{ ref("strategy_pnl") }} where status = 'corrected'),
    orders as (
        select pnl.*
        from {{ ref("strategy_pnl") }} as pnl
        inner join
            (select distinct clock, strategy, symbol from corrected) as concerned
            on concerned.clock = pnl.clock
            and concerned.strategy = pnl.strategy
            and concerned.symbol = pnl.symbol
        where pnl.status = 'filled'
    ),
    booked as (
        select
            orders.clock,
            orders.strategy,
            orders.symbol,
            orders.decision_at,
            sum(corrected.net_return order by corrected.decision_at, corrected.known_at) as net_return,
            max(greatest(corrected.known_at, orders.known_at)) as known_at
        from corrected
        asof join
            orders
            on orders.clock = corrected.clock
            and orders.strategy = corrected.strategy
            and orders.symbol = corrected.symbol
            and corrected.known_at <= orders.decision_at
        group by orders.clock, orders.strategy, orders.symbol, orders.decision_at
    )
select
    pnl.clock,
    pnl.strategy,
    pnl.symbol,
    pnl.decision_at,
    pnl.decision_number,
    pnl.position,
    pnl.unit_return,
    pnl.gross_return + coalesce(booked.net_return, 0) as gross_return,
    pnl.turnover,
    pnl.cost,
    pnl.net_return + coalesce(booked.net_return, 0) as net_return,
    pnl.is_trade,
    pnl.status,
    greatest(pnl.known_at, booked.known_at) as known_at
from {{ ref("strategy_pnl") }} as pnl
left join
    booked
    on booked.clock = pnl.clock
    and booked.strategy = pnl.strategy
    and booked.symbol = pnl.symbol
    and booked.decision_at = pnl.decision_at
where pnl.status = 'filled'
