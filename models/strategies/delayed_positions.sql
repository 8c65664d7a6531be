-- What each strategy would hold if all knowledge came later, by one bar of the asset or by one day: one row
-- per clock, delay, strategy, symbol and decision_at, zero where it would say nothing.
with
    scores as (
        select
            bars.clock, bars.delay, strategies.strategy, bars.symbol, bars.decision_at, signals.value as score
        from {{ news(ref("delayed_bars")) }} as bars
        inner join
            {{ ref("signals") }} as signals
            on signals.symbol = bars.symbol
            and signals.session_date = bars.session_date
            and signals.known_at <= bars.signal_until
        inner join
            {{ ref("strategies") }} as strategies
            on strategies.kind = 'signal'
            and strategies.source = signals.signal
        union all
        select
            bars.clock,
            bars.delay,
            strategies.strategy,
            bars.symbol,
            bars.decision_at,
            forecasts.value as score
        from {{ news(ref("delayed_bars")) }} as bars
        inner join
            {{ ref("forecasts") }} as forecasts
            on forecasts.clock = bars.clock
            and forecasts.symbol = bars.symbol
            and forecasts.decision_at = bars.forecast_at
        inner join
            {{ ref("strategies") }} as strategies
            on strategies.kind = 'learner'
            and strategies.learner = forecasts.learner
            and strategies.plan = forecasts.plan
        inner join
            {{ ref("walk_forward_windows") }} as windows
            on windows.clock = forecasts.clock
            and windows.plan = forecasts.plan
            and windows.window_id = forecasts.window_id
        where forecasts.decision_at >= windows.test_from and forecasts.decision_at < windows.used_until
        union all
        select bars.clock, bars.delay, strategies.strategy, bars.symbol, bars.decision_at, 1.0 as score
        from {{ news(ref("delayed_bars")) }} as bars
        cross join {{ ref("strategies") }} as strategies
        where strategies.kind = 'constant' and bars.session_date is not null
    )
select
    bars.clock,
    bars.delay,
    strategies.strategy,
    bars.symbol,
    bars.decision_at,
    bars.decision_number,
    {{ held_position("scores.score", "strategies.direction", "strategies.parameters") }} as position,
    bars.known_at
from {{ news(ref("delayed_bars")) }} as bars
cross join {{ ref("strategies") }} as strategies
left join
    scores
    on scores.clock = bars.clock
    and scores.delay = bars.delay
    and scores.strategy = strategies.strategy
    and scores.symbol = bars.symbol
    and scores.decision_at = bars.decision_at
