"""What `portfolio explain` reads: published rows about one asset at one decision, none known after it."""

from flows.page_rows import SEEN

EXPLAINED_SQL = """
    select
        exposures.weight, exposures.previous_weight, exposures.is_excluded, assets.asset_class,
        quality.reason as quality, views.ensemble_view, views.standard_error, views.shrunk_view,
        logs.allocator, logs.binding, logs.conflicts, logs.fallback_mode, logs.regime, logs.confidence,
        logs.run_id, risk.contribution as risk
    from main.target_exposures as exposures
    inner join main.allocation_log as logs using (portfolio, decision_at)
    left join main.data_quality as quality using (portfolio, decision_at, symbol)
    left join main.expected_returns as views using (portfolio, decision_at, symbol)
    left join main.risk_contributions as risk using (portfolio, decision_at, symbol)
    left join main.assets as assets on assets.symbol = exposures.symbol
    where exposures.portfolio = $portfolio and exposures.decision_at = $at
        and exposures.symbol = $symbol
"""
STEPS_SQL = """
    select stage, weight_change, weight_after from main.weight_waterfall
    where portfolio = $portfolio and decision_at = $at and symbol = $symbol
    order by stage_number
"""
# Strategies with weight on the asset: their record, what they say, and the reading or forecast behind it.
BEHIND_SQL = """
    select
        lineage.strategy, strategies.kind, strategies.source, lineage.strategy_weight, lineage.position,
        lineage.expected_return, lineage.contribution, lineage.window_id,
        coalesce(readings.value, forecasts.value) as value,
        coalesce(readings.signal_known_at, forecasts.known_at) as value_known_at, models.model_id
    from main.exposure_lineage as lineage
    inner join main.decisions as decisions
        on decisions.portfolio = lineage.portfolio and decisions.decision_at = lineage.decision_at
    left join main.strategies as strategies on strategies.strategy = lineage.strategy
    left join main.readings as readings
        on strategies.kind = 'signal' and readings.clock = decisions.clock
        and readings.signal = strategies.source and readings.symbol = lineage.symbol
        and readings.decision_at = lineage.decision_at
    left join main.walk_forward_windows as windows
        on strategies.kind = 'learner' and windows.clock = decisions.clock
        and windows.plan = strategies.plan and windows.test_from <= lineage.decision_at
        and windows.used_until > lineage.decision_at
    left join main.forecasts as forecasts
        on forecasts.clock = decisions.clock and forecasts.plan = strategies.plan
        and forecasts.learner = strategies.learner and forecasts.window_id = windows.window_id
        and forecasts.symbol = lineage.symbol and forecasts.decision_at = lineage.decision_at
    left join main.fitted_models as models
        on models.clock = decisions.clock and models.plan = strategies.plan
        and models.learner = strategies.learner and models.window_id = windows.window_id
    where lineage.portfolio = $portfolio and lineage.decision_at = $at and lineage.symbol = $symbol
    order by
        lineage.contribution * sign(sum(lineage.contribution) over ()) desc nulls last, lineage.strategy
"""
REFUSED_GATES_SQL = """
    select reason, count(*) as strategies, string_agg(strategy, ', ' order by strategy) as names
    from main.strategy_gates
    where portfolio = $portfolio and decision_at = $at and symbol = $symbol and not is_adopted
    group by reason
    order by strategies desc, reason
"""
LIMIT_PRICES_SQL = """
    select stage, limit_name, price from main.constraint_prices
    where portfolio = $portfolio and decision_at = $at
    order by stage, limit_name
"""
# The versions of the asset's bars in force at the decision, by the payload that brought them.
IN_FORCE = f"""
    select bars.*
    from main.bars as bars
    where symbol = $symbol and {SEEN}
    qualify row_number() over (partition by session_date order by version desc) = 1
"""
PAYLOADS_SQL = f"""
    select
        batch_id, payload_number, vendor, batches.source, batches.payload_hash, count(*) as bars,
        min(session_date) as first_session, max(session_date) as last_session, max(known_at) as known_at
    from ({IN_FORCE}) as bars
    left join raw.batches as batches using (batch_id, payload_number, vendor)
    group by all
    order by last_session desc, batch_id desc, payload_number desc
"""
NEWEST_BARS_SQL = f"""
    select
        session_date, version, open, high, low, close, volume, known_at, batch_id, payload_number, row_number,
        batches.payload_hash
    from ({IN_FORCE}) as bars
    left join raw.batches as batches using (batch_id, payload_number, vendor)
    order by session_date desc
    limit $bars
"""
