-- Sums over blocks of decisions that every span of a plan is made of: one row per clock, block_length,
-- strategy, sample, symbol and block. sample is 'traded', or plan and window_id of a learner's in-sample
-- rows.
with
    traded as (
        select
            pnl.clock,
            lengths.block_length,
            pnl.strategy,
            'traded' as sample,
            pnl.symbol,
            pnl.decision_number,
            pnl.position,
            pnl.unit_return,
            pnl.net_return,
            pnl.turnover,
            pnl.is_trade
        from {{ ref("booked_pnl") }} as pnl
        inner join
            (select distinct clock, block_length from {{ ref("laid_plans") }}) as lengths
            on lengths.clock = pnl.clock
    ),
    in_sample as (
        select
            pnl.clock,
            plans.block_length,
            pnl.strategy,
            {{ in_sample("pnl.plan", "pnl.window_id") }} as sample,
            pnl.symbol,
            pnl.decision_number,
            pnl.position,
            pnl.unit_return,
            pnl.net_return,
            pnl.turnover,
            pnl.is_trade
        from {{ news(ref("in_sample_pnl")) }} as pnl
        inner join {{ ref("laid_plans") }} as plans on plans.clock = pnl.clock and plans.plan = pnl.plan
    ),
    blocked as (
        select
            *,
            divide(decision_number - 1, block_length) as block,
            is_trade::bigint as trades,
            position <> 0 as is_active
        from
            (
                from traded
                union all
                from in_sample
            )
    ),
    renewed as (
        select *
        from blocked
        where sample <> 'traded' or {{ in_new_block("blocked", ref("strategy_pnl"), ["clock", "symbol"]) }}
    )
    {{
        block_sums(
            "renewed",
            ["clock", "block_length", "strategy", "sample", "symbol"],
            correlation_sums(),
        )
    }}
