"""What `portfolio diff` reads: published rows of two decisions of one portfolio, $first and $second."""

# A name is a run's, or else nothing; the last decision that the run made, or that there was by then.
NAMED_RUN_SQL = """
    select runs.portfolio, max(logs.decision_at) as decision_at
    from raw.runs as runs
    left join main.allocation_log as logs
        on logs.portfolio = runs.portfolio and logs.decision_at <= runs.as_of
    where runs.run_id = $name
    group by runs.portfolio
"""
SIDE_SQL = """
    select
        logs.decision_at, logs.regime, logs.confidence, logs.allocator, logs.status, logs.fallback_mode,
        logs.binding, logs.volatility, logs.nav, runs.run_id, runs.as_of, runs.batch_until, runs.policy_hash,
        runs.study_hash, runs.code_version, runs.lock_hash, runs.seed,
        (
            select any_value(policy_json) from raw.policies as policies
            where policies.portfolio = logs.portfolio and policies.policy_hash = runs.policy_hash
        ) as policy_json
    from main.allocation_log as logs
    inner join raw.runs as runs on runs.run_id = logs.run_id
    where logs.portfolio = $portfolio and logs.decision_at = $at
"""
# Weights on both sides, and by which steps of the waterfall they differ: they add up to the difference.
WEIGHTS_SQL = """
    with
        steps as (
            pivot (
                select
                    symbol, stage,
                    sum(
                        if(decision_at = $second, weight_change, -weight_change) order by decision_at
                    ) as moved
                from main.weight_waterfall
                where portfolio = $portfolio and decision_at in ($first, $second)
                group by symbol, stage
            )
            on stage in ('risk_based', 'views', 'raw', 'smoothed', 'projected', 'stops')
            using any_value(moved)
        ),
        weights as (
            select
                symbol, coalesce(any_value(weight) filter (decision_at = $first), 0) as before,
                coalesce(any_value(weight) filter (decision_at = $second), 0) as after
            from main.target_exposures
            where portfolio = $portfolio and decision_at in ($first, $second)
            group by symbol
        )
    select weights.*, steps.* exclude (symbol) from weights left join steps using (symbol)
    where before <> 0 or after <> 0
    order by abs(after - before) desc, symbol
"""
STRATEGIES_SQL = """
    with
        sides as (
            select
                symbol, strategy, coalesce(any_value(weight) filter (decision_at = $first), 0) as before,
                coalesce(any_value(weight) filter (decision_at = $second), 0) as after,
                any_value(position) filter (decision_at = $first) as position_before,
                any_value(position) filter (decision_at = $second) as position_after
            from main.strategy_weights
            where portfolio = $portfolio and decision_at in ($first, $second)
            group by symbol, strategy
        )
    from sides
    where before <> after or position_before is distinct from position_after
    order by abs(after - before) desc, symbol, strategy
"""
GATES_CHANGED_SQL = """
    select before.symbol, before.strategy, before.is_adopted as was_adopted, after.is_adopted, after.reason
    from main.strategy_gates as before
    inner join main.strategy_gates as after using (portfolio, symbol, strategy)
    where portfolio = $portfolio and before.decision_at = $first and after.decision_at = $second
        and before.is_adopted <> after.is_adopted
    order by before.symbol, before.strategy
"""
# Bars that the second decision knew and the first did not; restated ones with what stood there before.
INPUTS_SQL = """
    with
        news as (
            from raw.bars
            where known_at <= $second and batch_id <= $batch_second
                and not (known_at <= $first and batch_id <= $batch_first)
        )
    select
        news.symbol, news.session_date, news.version, old.close as close_before, news.close, news.known_at,
        news.vendor, batches.payload_hash
    from news
    left join raw.bars as old
        on old.symbol = news.symbol and old.session_date = news.session_date and old.vendor = news.vendor
        and old.version = news.version - 1
    left join raw.batches as batches
        on batches.batch_id = news.batch_id and batches.payload_number = news.payload_number
    order by news.symbol, news.session_date, news.vendor, news.version
"""
# Seeds whose content differs between the landings that two runs saw.
STUDY_SQL = """
    with
        told as (
            select
                seed, arg_max(content_hash, batch_id) filter (batch_id <= $batch_first) as before,
                arg_max(content_hash, batch_id) filter (batch_id <= $batch_second) as after
            from raw.study
            group by seed
        )
    from told where before is distinct from after order by seed
"""
