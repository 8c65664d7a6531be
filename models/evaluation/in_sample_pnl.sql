-- Profit that each learner would have made on the rows it was fitted on: one row per clock, strategy, plan,
-- window_id, symbol and decision_at. Only for the gap between train and test; nothing is held on it.
with
    held as (
        select
            forecasts.clock,
            strategies.strategy,
            forecasts.plan,
            forecasts.window_id,
            forecasts.symbol,
            forecasts.decision_at,
            returns.decision_number,
            {{ held_position("forecasts.value", "strategies.direction", "strategies.parameters") }}
            as position,
            returns.unit_return,
            returns.cost_rate,
            returns.borrow_cost,
            greatest(returns.known_at, forecasts.known_at) as known_at
        from {{ news(ref("forecasts")) }} as forecasts
        inner join
            {{ ref("strategies") }} as strategies
            on strategies.kind = 'learner'
            and strategies.learner = forecasts.learner
            and strategies.plan = forecasts.plan
        inner join
            {{ ref("order_returns") }} as returns
            on returns.clock = forecasts.clock
            and returns.symbol = forecasts.symbol
            and returns.decision_at = forecasts.decision_at
        where forecasts.is_train
    )
select
    clock,
    strategy,
    plan,
    window_id,
    symbol,
    decision_at,
    decision_number,
    position,
    unit_return,
    position * unit_return as gross_return,
    abs(position - coalesce(lag(position) over by_decision, 0)) as turnover,
    position * unit_return - (
        abs(position - coalesce(lag(position) over by_decision, 0)) * cost_rate
        + greatest(- position, 0) * borrow_cost
    ) as net_return,
    position <> 0 and sign(position) <> sign(coalesce(lag(position) over by_decision, 0)) as is_trade,
    known_at
from held
window by_decision as (partition by clock, strategy, plan, window_id, symbol order by decision_at)
