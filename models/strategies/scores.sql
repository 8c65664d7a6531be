-- What each strategy says of each asset at each decision: one row per clock, strategy, symbol and
-- decision_at where it says anything. A window's forecasts speak from its test span until the next one's.
select
    readings.clock,
    strategies.strategy,
    readings.symbol,
    readings.decision_at,
    readings.value as score,
    readings.decision_at as known_at
from {{ ref("strategies") }} as strategies
inner join {{ ref("readings") }} as readings on readings.signal = strategies.source
where strategies.kind = 'signal'
union all
select
    forecasts.clock,
    strategies.strategy,
    forecasts.symbol,
    forecasts.decision_at,
    forecasts.value as score,
    forecasts.decision_at as known_at
from {{ ref("strategies") }} as strategies
inner join
    {{ ref("forecasts") }} as forecasts
    on forecasts.learner = strategies.learner
    and forecasts.plan = strategies.plan
inner join
    {{ ref("walk_forward_windows") }} as windows
    on windows.clock = forecasts.clock
    and windows.plan = forecasts.plan
    and windows.window_id = forecasts.window_id
where
    strategies.kind = 'learner'
    and forecasts.decision_at >= windows.test_from
    and forecasts.decision_at < windows.used_until
union all
select bars.clock, strategies.strategy, bars.symbol, bars.decision_at, 1.0 as score, bars.known_at
from {{ ref("strategies") }} as strategies
cross join {{ ref("decision_bars") }} as bars
where strategies.kind = 'constant' and bars.bar_known_at >= bars.decision_at - interval 5 day
