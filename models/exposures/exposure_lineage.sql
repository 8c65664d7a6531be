-- Where each weight comes from: one row per portfolio, decision_at, symbol and strategy with a weight.
-- contribution: the strategy's share of the asset's view times the asset's final weight. window_id is the
-- last window that had closed; the reading stands on the bar of session_date, landed by batch_id.
with
    closed as (
        select decisions.portfolio, decisions.decision_at, max(windows.window_id) as window_id
        from {{ ref("decisions") }} as decisions
        inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = decisions.portfolio
        inner join
            {{ ref("walk_forward_windows") }} as windows
            on windows.clock = decisions.clock
            and windows.plan = portfolios.plan
        where windows.test_until <= decisions.decision_at
        group by decisions.portfolio, decisions.decision_at
    )
select
    weights.portfolio,
    weights.decision_at,
    weights.symbol,
    weights.strategy,
    weights.weight as strategy_weight,
    weights.position,
    weights.expected_return,
    exposures.weight
    * weights.weight
    * weights.position
    * weights.expected_return
    / nullif(views.ensemble_view, 0) as contribution,
    closed.window_id,
    bars.session_date,
    bars.bar_known_at,
    prints.vendor,
    prints.batch_id,
    prints.payload_number,
    prints.row_number,
    weights.known_at
from {{ ref("strategy_weights") }} as weights
inner join
    {{ ref("target_exposures") }} as exposures
    on exposures.portfolio = weights.portfolio
    and exposures.decision_at = weights.decision_at
    and exposures.symbol = weights.symbol
inner join
    {{ ref("expected_returns") }} as views
    on views.portfolio = weights.portfolio
    and views.decision_at = weights.decision_at
    and views.symbol = weights.symbol
inner join
    {{ ref("decisions") }} as decisions
    on decisions.portfolio = weights.portfolio
    and decisions.decision_at = weights.decision_at
inner join
    {{ ref("decision_bars") }} as bars
    on bars.clock = decisions.clock
    and bars.symbol = weights.symbol
    and bars.decision_at = weights.decision_at
left join closed on closed.portfolio = weights.portfolio and closed.decision_at = weights.decision_at
left join
    {{ ref("bars") }} as prints
    on prints.symbol = bars.symbol
    and prints.session_date = bars.session_date
    and prints.version = 1
where weights.weight > 0
