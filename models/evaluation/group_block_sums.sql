-- Sums over blocks of decisions that every span of a group is made of: one row per clock, block_length,
-- strategy, scenario, asset_group, sample and block. sample is 'traded', or plan and window_id of a learner's
-- in-sample rows, which are in the scenario plain only.
with
    fitted as (
        select
            pnl.clock,
            plans.block_length,
            pnl.strategy,
            {{ in_sample("pnl.plan", "pnl.window_id") }} as sample,
            pnl.symbol,
            pnl.decision_at,
            pnl.position,
            pnl.unit_return,
            pnl.gross_return,
            pnl.gross_return - pnl.net_return as cost,
            pnl.turnover,
            pnl.is_trade,
            returns.known_at
        from {{ of_new_samples(ref("in_sample_pnl")) }} as pnl
        inner join {{ ref("laid_plans") }} as plans on plans.clock = pnl.clock and plans.plan = pnl.plan
        inner join
            {{ ref("order_returns") }} as returns
            on returns.clock = pnl.clock
            and returns.symbol = pnl.symbol
            and returns.decision_at = pnl.decision_at
    ),
    in_sample as ({{ group_sums_of("fitted", ["block_length", "strategy", "sample"]) }}),
    traded as (
        select
            returns.clock,
            lengths.block_length,
            returns.strategy,
            returns.scenario,
            returns.asset_group,
            'traded' as sample,
            returns.decision_number,
            returns.net_return,
            returns.turnover,
            returns.trades,
            returns.is_active,
            returns.correlation,
            divide(returns.decision_number - 1, lengths.block_length) as block
        from {{ ref("group_returns") }} as returns
        inner join
            (select distinct clock, block_length from {{ ref("laid_plans") }}) as lengths
            on lengths.clock = returns.clock
    ),
    blocked as (
        select *
        from traded
        where {{ in_new_block("traded", ref("group_returns"), ["clock", "asset_group"]) }}
        union all
        select
            clock,
            block_length,
            strategy,
            'plain' as scenario,
            asset_group,
            sample,
            decision_number,
            (gross - cost) / 1e12 / assets as net_return,
            turnover / 1e12 / assets as turnover,
            trades,
            is_active,
            correlation,
            divide(decision_number - 1, block_length) as block
        from in_sample
    )
    {{
        block_sums(
            "blocked",
            ["clock", "block_length", "strategy", "scenario", "asset_group", "sample"],
            {
                "correlations": "coalesce(sum(" ~ exact("correlation") ~ "), 0)",
                "cross_sections": "count(correlation)",
            },
        )
    }}
