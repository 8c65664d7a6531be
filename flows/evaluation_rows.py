"""What the report reads of the evaluation: rows known at a decision, the newest of each record."""

# What a period would have been otherwise, where its profits were known.
SCENARIOS_SQL = """
    select scenario, decision_at, net_return, is_active
    from main.portfolio_scenarios
    where portfolio = $portfolio and known_at <= $at
    order by scenario, decision_at
"""
# What each way to weigh strategies would have earned, where its profits were known.
ENSEMBLES_SQL = """
    select method, decision_at, net_return, cost, invested > 0 as is_active
    from main.ensemble_returns
    where portfolio = $portfolio and known_at <= $at
    order by method, decision_at
"""
# The same in one row a method, since the weighting in force first held something, with the newest interval of
# its difference to its yardstick.
WEIGHTINGS_SQL = """
    with
        known as (from main.ensemble_returns where portfolio = $portfolio and known_at <= $at),
        begun as (
            select min(decision_at) as begun_at from known
            where invested > 0 and method = (
                select policy_json::json -> 'weights' ->> 'method' from main.portfolios
                where portfolio = $portfolio
            )
        ),
        earned as (
            select
                method, count(*) as decisions, avg(net_return order by decision_at) as mean,
                stddev_samp(net_return order by decision_at) as deviation,
                sum(cost order by decision_at) as cost, avg(invested order by decision_at) as invested
            from known cross join begun where decision_at >= begun_at
            group by method
        ),
        drawn as (
            select
                split_part(split_part(subject, ': ', 2), ' - ', 1) as method,
                split_part(subject, ' - ', 2) as yardstick, metric, estimate, lower, upper
            from main.metric_intervals
            where clock = $clock and plan = $plan and kind = 'ensemble' and known_at <= $at
                and starts_with(subject, $portfolio || ': ')
            qualify row_number() over (partition by subject, metric order by window_id desc) = 1
        )
    select
        earned.method, mean.yardstick, earned.decisions, earned.invested, earned.cost,
        earned.mean / nullif(earned.deviation, 0) * sqrt(clocks.decisions_per_year) as sharpe,
        1e4 * mean.estimate as beyond, 1e4 * mean.lower as beyond_lower, 1e4 * mean.upper as beyond_upper,
        ratio.estimate as ratio, ratio.lower as ratio_lower, ratio.upper as ratio_upper
    from earned
    inner join main.clocks as clocks on clocks.clock = $clock
    left join drawn as mean on mean.method = earned.method and mean.metric = 'expected_return'
    left join drawn as ratio on ratio.method = earned.method and ratio.metric = 'sharpe'
    order by earned.method
"""
# On the asset where a weighting stayed furthest behind the best strategy: how far, and how far it may.
REGRETS_SQL = """
    select
        method, count(*) as assets, max(spans) as spans, max(regret) as regret,
        arg_max(bound, (regret, symbol)) as bound
    from main.weighting_regrets
    where portfolio = $portfolio and decision_at = $at
    group by method
    order by method
"""
PAID_SQL = """
    select kind, sum(cost order by decision_at) as cost
    from main.portfolio_costs where portfolio = $portfolio and known_at <= $at
    group by kind order by kind
"""
RISK_SQL = """
    select measure, value, undefined from main.portfolio_risk
    where portfolio = $portfolio and decision_at = $at order by measure
"""
STRESSES_SQL = """
    select scenario, profit, from_at, until_at from main.stress_tests
    where portfolio = $portfolio and decision_at = $at order by scenario
"""
BACKTESTS_SQL = """
    select measure, decision_at, observations, exceedances, expected, likelihood_ratio, is_rejected
    from main.var_backtests where portfolio = $portfolio and known_at <= $at
    qualify row_number() over (partition by measure order by decision_at desc) = 1
    order by measure
"""
CAPACITY_SQL = """
    select span, assets_under_management, annual_return, annual_profit, sharpe from main.capacity
    where portfolio = $portfolio and decision_at = $at order by span, assets_under_management
"""
LIMITS_SQL = """
    select span, observations, measured, peak_assets, half_sharpe_assets, undefined from main.capacity_limits
    where portfolio = $portfolio and decision_at = $at order by span
"""
# What each benchmark would have earned, since the portfolio first held something.
BENCHMARKS_SQL = """
    with
        told as (from main.benchmark_returns where portfolio = $portfolio and known_at <= $at),
        own as (
            select decision_at, net_return, cost, is_active from main.portfolio_scenarios semi join told
            using (decision_at)
            where portfolio = $portfolio and scenario = 'fill_to_fill' and known_at <= $at
        ),
        begun as (select min(decision_at) as begun_at from own where is_active)
    select told.benchmark, decision_at, told.net_return, told.cost, told.invested > 0 as is_active
    from told semi join own using (decision_at) cross join begun where decision_at >= begun_at
    union all
    select 'portfolio' as benchmark, own.* from own cross join begun where decision_at >= begun_at
    order by benchmark, decision_at
"""
INTERVALS_SQL = """
    select
        kind, subject, metric, estimate, lower, upper, undefined, level, draws, block_length, observations,
        from_at, until_at
    from main.metric_intervals
    where clock = $clock and plan = $plan and asset_group = 'all' and known_at <= $at
        and (kind = 'strategy' or subject = $portfolio or starts_with(subject, $portfolio || ': '))
    qualify row_number() over (partition by kind, subject, metric order by window_id desc) = 1
    order by kind, subject, metric
"""
RECORDS_SQL = """
    select
        records.plan, records.strategy, strategies.kind, strategies.source, records.scenario, records.windows,
        records.from_at, records.until_at, records.observations, records.sharpe, records.sharpe_error,
        records.max_drawdown, records.trades, records.undefined
    from main.test_record as records
    inner join main.strategies as strategies using (strategy)
    where records.clock = $clock and records.asset_group = 'all' and records.known_at <= $at
    qualify
        row_number() over (partition by records.plan, strategy, records.scenario order by window_id desc) = 1
    order by records.plan, strategy, records.scenario
"""
COSTS_SQL = """
    select costs.asset_class, costs.cost_schedule, costs.fee_bps + costs.slippage_bps as bps
    from main.costs as costs
    inner join main.clocks as clocks using (cost_schedule)
    where clocks.clock = $clock
    order by costs.asset_class
"""
# Asked only of a portfolio that allows shorts: what was published before there were any has no such column.
BORROW_SQL = """
    select costs.asset_class, 1e4 * costs.borrow_rate as bps
    from main.costs as costs
    inner join main.clocks as clocks using (cost_schedule)
    where clocks.clock = $clock
    order by costs.asset_class
"""
PLAN_SQL = "select plan, train, test, step, embargo from main.walk_forward_plans where plan = $plan"
# Every asset the portfolio could hold at some decision so far, and its end as announced by this one.
UNIVERSE_SQL = """
    select assets.symbol, assets.asset_class, assets.adjustment, memberships.member_until
    from main.assets as assets
    left join main.memberships as memberships
        on memberships.symbol = assets.symbol
        and memberships.known_at <= $at
        and coalesce(memberships.until_at > $at, true)
    where assets.symbol in (
        select symbol from main.target_exposures where portfolio = $portfolio and decision_at <= $at
    )
    order by assets.symbol
"""
# The newest record of each signal and horizon, with its turnover and the signal most like it, both pooled
# over the test spans that tile time.
SIGNALS_SQL = """
    with
        tiles as (
            select window_id from main.walk_forward_windows
            where clock = $clock and plan = $plan and is_disjoint
        ),
        moves as (
            select
                signal,
                sum(mean_change * pairs order by window_id) / sum(pairs) as turnover,
                sum(autocorrelation * pairs order by window_id)
                / sum(pairs) filter (where autocorrelation is not null) as autocorrelation
            from main.signal_turnover semi join tiles using (window_id)
            where clock = $clock and plan = $plan and known_at <= $at
            group by signal
        ),
        pairs as (
            select
                signal, other_signal,
                sum(correlation * readings order by window_id) / sum(readings) as correlation
            from main.signal_correlations semi join tiles using (window_id)
            where clock = $clock and plan = $plan and known_at <= $at and correlation is not null
            group by signal, other_signal
        ),
        alike as (
            select *
            from (
                from pairs
                union all select other_signal as signal, signal as other_signal, correlation from pairs
            )
            qualify row_number() over (partition by signal order by abs(correlation) desc, other_signal) = 1
        )
    select
        records.signal, records.horizon, records.windows, records.decisions, records.ic, records.ic_lower,
        records.ic_upper, records.ic_t, records.rank_ic, records.hit_ratio, records.hit_ratio_by_chance,
        records.undefined, moves.turnover, moves.autocorrelation, alike.other_signal, alike.correlation
    from main.signal_quality as records
    left join moves using (signal)
    left join alike using (signal)
    where records.clock = $clock and records.plan = $plan and records.span = 'record'
        and records.known_at <= $at
    qualify
        row_number() over (partition by records.signal, records.horizon order by records.window_id desc) = 1
    order by records.signal, records.horizon
"""
# What each detector says at the decision, and how often it changed its mind until then.
REGIMES_SQL = """
    select
        said.detector, said.regime, said.risk_on_probability, said.neutral_probability,
        said.risk_off_probability, flips.decisions, flips.flips_per_year
    from main.regimes as said
    left join main.regime_flips as flips using (clock, detector, decision_at)
    where said.clock = $clock and said.decision_at = $at
    order by said.detector
"""
AGREEMENT_SQL = """
    select detector, other_detector, agreement
    from main.regime_agreement
    where clock = $clock and decision_at = $at
    order by detector, other_detector
"""
