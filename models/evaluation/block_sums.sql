-- Sums over blocks of decisions that every span of a plan is made of, so that no return is laid into each
-- span that overlaps it: one row per clock, plan, strategy, sample, symbol and block. sample is 'traded', or
-- the window_id of a learner's in-sample rows. Sums are over integers, so they depend on no other row.
with
    lengths as (
        select plan, gcd(gcd(train, test), step) as block_length from {{ ref("walk_forward_plans") }}
    ),
    traded as (
        select plans.plan, 'traded' as sample, pnl.*
        from {{ ref("strategy_pnl") }} as pnl
        inner join {{ ref("strategies") }} as strategies on strategies.strategy = pnl.strategy
        inner join
            (select distinct clock, plan from {{ ref("portfolios") }}) as plans
            on plans.clock = pnl.clock
            and plans.plan = coalesce(strategies.plan, plans.plan)
        where pnl.status = 'filled'
    ),
    laid as (
        select
            clock,
            plan,
            strategy,
            sample,
            symbol,
            decision_number,
            position,
            unit_return,
            net_return,
            turnover,
            is_trade
        from traded
        union all
        select
            clock,
            plan,
            strategy,
            window_id::varchar as sample,
            symbol,
            decision_number,
            position,
            unit_return,
            net_return,
            turnover,
            is_trade
        from {{ ref("in_sample_pnl") }}
    ),
    blocked as (
        select
            laid.*,
            divide(laid.decision_number - 1, lengths.block_length) as block,
            lag(laid.net_return) over (
                partition by laid.clock, laid.plan, laid.strategy, laid.sample, laid.symbol
                order by laid.decision_number
            ) as last_return
        from laid
        inner join lengths on lengths.plan = laid.plan
    ),
    walked as (
        select *, sum({{ exact("ln(greatest(1 + net_return, 1e-9))") }}) over so_far as log_wealth
        from blocked
        window
            so_far as (
                partition by clock, plan, strategy, sample, symbol, block
                order by decision_number
                rows between unbounded preceding and current row
            )
    ),
    fallen as (
        select *, log_wealth - greatest(max(log_wealth) over so_far, 0) as log_fall
        from walked
        window
            so_far as (
                partition by clock, plan, strategy, sample, symbol, block
                order by decision_number
                rows between unbounded preceding and current row
            )
    )
select
    clock,
    plan,
    strategy,
    sample,
    symbol,
    block,
    count(*) as returns,
    sum({{ exact("net_return") }}) as net,
    sum(round(pow(net_return, 2) * 1e16)::hugeint) as net_square,
    sum(round(pow(net_return, 3) * 1e16)::hugeint) as net_cube,
    sum(round(pow(net_return, 4) * 1e18)::hugeint) as net_fourth,
    sum(round(pow(least(net_return, 0), 2) * 1e16)::hugeint) as downside_square,
    sum(round(net_return * coalesce(last_return, 0) * 1e16)::hugeint) as lagged_product,
    sum({{ exact("greatest(net_return, 0)") }}) as gains,
    sum({{ exact("greatest(-net_return, 0)") }}) as losses,
    count(*) filter (where position <> 0) as active,
    count(*) filter (where position <> 0 and net_return > 0) as wins,
    count(*) filter (where is_trade) as trades,
    sum({{ exact("turnover") }}) as turnover,
    sum({{ exact("position") }}) as positions,
    sum({{ exact("position * position") }}) as position_square,
    sum({{ exact("unit_return") }}) as units,
    sum(round(pow(unit_return, 2) * 1e16)::hugeint) as unit_square,
    sum(round(position * unit_return * 1e16)::hugeint) as product,
    sum({{ exact("ln(greatest(1 + net_return, 1e-9))") }}) as log_wealth,
    max(log_wealth) as log_peak,
    min(log_wealth) as log_trough,
    min(log_fall) as log_fall,
    list(- net_return) as loss_list
from fallen
group by clock, plan, strategy, sample, symbol, block
