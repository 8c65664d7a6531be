-- Profit of each strategy on each asset, fill to fill: one row per clock, strategy, symbol and decision_at,
-- once its order is settled and, where it was filled, its exit is known; and one more, `corrected`, for each
-- time that it turns out to have been another. The notional is 1 again at each fill. A short pays for what it
-- borrowed until its exit.
with
    filled as (
        select
            positions.clock,
            positions.strategy,
            positions.symbol,
            positions.decision_at,
            positions.decision_number,
            positions.position,
            coalesce(lag(positions.position) over by_fill, 0) as previous_position,
            returns.fill_at,
            returns.fill_price,
            returns.exit_at,
            returns.exit_price,
            returns.unit_return,
            returns.cost_rate,
            returns.borrow_cost,
            case when returns.is_closing then abs(positions.position) else 0 end as closing_turnover,
            returns.known_at
        from {{ from_before_news(ref("order_returns"), ["clock", "symbol"]) }} as returns
        inner join
            {{ ref("positions") }} as positions
            on positions.clock = returns.clock
            and positions.symbol = returns.symbol
            and positions.decision_at = returns.decision_at
        window
            by_fill as (
                partition by positions.clock, positions.strategy, positions.symbol
                order by positions.decision_at
            )
    ),
    turned as (select *, abs(position - previous_position) + closing_turnover as turnover from filled),
    charged as (select *, turnover * cost_rate + greatest(- position, 0) * borrow_cost as cost from turned)
select
    clock,
    strategy,
    symbol,
    decision_at,
    decision_number,
    position,
    fill_at,
    fill_price,
    exit_at,
    exit_price,
    unit_return,
    position * unit_return as gross_return,
    turnover,
    cost,
    position * unit_return - cost as net_return,
    position <> 0 and sign(position) <> sign(previous_position) as is_trade,
    'filled' as status,
    known_at
from charged
union all by name
select
    positions.clock,
    positions.strategy,
    positions.symbol,
    positions.decision_at,
    positions.decision_number,
    positions.position,
    false as is_trade,
    fills.status,
    fills.known_at
from {{ news(ref("order_fills")) }} as fills
inner join
    {{ ref("positions") }} as positions
    on positions.clock = fills.clock
    and positions.symbol = fills.symbol
    and positions.decision_at = fills.decision_at
where fills.status <> 'filled'
union all by name
select
    positions.clock,
    positions.strategy,
    positions.symbol,
    positions.decision_at,
    positions.decision_number,
    positions.position,
    corrections.unit_return,
    positions.position * corrections.unit_return as gross_return,
    0.0::double as turnover,
    0.0::double as cost,
    positions.position * corrections.unit_return as net_return,
    false as is_trade,
    'corrected' as status,
    corrections.known_at
from {{ news(ref("return_corrections")) }} as corrections
inner join
    {{ ref("positions") }} as positions
    on positions.clock = corrections.clock
    and positions.symbol = corrections.symbol
    and positions.decision_at = corrections.decision_at
