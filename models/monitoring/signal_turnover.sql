-- How much readings move from one decision to the next: one row per clock, signal, plan and window_id, over
-- its test span, known with the span's last decision.
with
    moves as (
        select
            readings.clock,
            readings.signal,
            instants.decision_number,
            readings.value as unit_return,
            lag(readings.value) over by_decision as position,
            readings.known_at,
            instants.decision_number - lag(instants.decision_number) over by_decision as distance
        from {{ ref("readings") }} as readings
        inner join
            {{ ref("clock_instants") }} as instants
            on instants.clock = readings.clock
            and instants.decision_at = readings.decision_at
            and {{ in_ended_span("instants.decision_number") }}
        inner join
            {{ ref("assets") }} as assets
            on assets.symbol = readings.symbol
            and assets.listed_at <= readings.decision_at
        window
            by_decision as (
                partition by readings.clock, readings.signal, readings.symbol
                order by instants.decision_number
            )
    ),
    summed as (
        select
            clock,
            signal,
            decision_number,
            count(*) as pairs,
            sum({{ exact("abs(unit_return - position)") }}) as change,
            {% for name, expression in correlation_sums().items() %}
                {{ expression }} as {{ name }}{{ "," if not loop.last }}
            {% endfor %},
            max(known_at) as known_at
        from moves
        where distance = 1
        group by clock, signal, decision_number
    ),
    spans as (
        select
            windows.clock,
            windows.plan,
            windows.window_id,
            summed.signal,
            sum(pairs)::bigint as pairs,
            sum(change)::hugeint as change,
            {% for name, expression in correlations_added().items() %}
                {{ expression }} as {{ name }},
            {% endfor %}
            greatest(ends.decision_at, max(summed.known_at)) as known_at
        from {{ ref("walk_forward_windows") }} as windows
        inner join
            {{ ref("laid_plans") }} as plans
            on plans.clock = windows.clock
            and plans.plan = windows.plan
            and not plans.is_compared
        inner join
            {{ ref("clock_instants") }} as ends
            on ends.clock = windows.clock
            and ends.decision_number = windows.test_until_number - 1
        inner join
            summed
            on summed.clock = windows.clock
            and summed.decision_number >= windows.test_from_number
            and summed.decision_number < windows.test_until_number
        cross join {{ ref("run_bounds") }} as bounds
        where ends.decision_at <= bounds.as_of and {{ new("ends.decision_at") }}
        group by windows.clock, windows.plan, windows.window_id, summed.signal, ends.decision_at
    )
select
    clock,
    signal,
    plan,
    window_id,
    pairs,
    change / 1e12 / pairs as mean_change,
    {{ correlation("pairs") }} as autocorrelation,
    known_at
from spans
