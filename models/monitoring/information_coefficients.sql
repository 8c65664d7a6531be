-- How readings went with the forward returns of the assets that had both: one row per clock, signal,
-- decision_at and horizon at which three or more differ in both. Known when the profits of the last decision
-- within the horizon are; what an asset earned that became known later is left out.
with
    closed as (
        select
            clock,
            unnest({{ forward_horizons() }})::bigint as horizon,
            decision_number - unnest({{ forward_horizons() }}) + 1 as decision_number,
            known_at
        from {{ news(ref("group_decisions")) }}
        where asset_group = 'all'
    ),
    pairs as (
        select
            readings.clock,
            readings.signal,
            readings.decision_at,
            closed.decision_number,
            closed.horizon,
            readings.value as position,
            returns.forward_return as unit_return,
            rank() over by_reading + count(*) over by_reading as reading_rank,
            rank() over by_return + count(*) over by_return as return_rank,
            closed.known_at
        from closed
        inner join
            {{ ref("clock_instants") }} as instants
            on instants.clock = closed.clock
            and instants.decision_number = closed.decision_number
        inner join
            {{ ref("forward_returns") }} as returns
            on returns.clock = closed.clock
            and returns.horizon = closed.horizon
            and returns.decision_at = instants.decision_at
            and returns.known_at <= closed.known_at
        inner join
            {{ ref("assets") }} as assets
            on assets.symbol = returns.symbol
            and assets.listed_at <= returns.decision_at
        inner join
            {{ ref("readings") }} as readings
            on readings.clock = returns.clock
            and readings.symbol = returns.symbol
            and readings.decision_at = returns.decision_at
        window
            by_reading as (
                partition by readings.decision_at, hash(readings.clock, readings.signal, closed.horizon)
                order by readings.value
            ),
            by_return as (
                partition by readings.decision_at, hash(readings.clock, readings.signal, closed.horizon)
                order by returns.forward_return
            )
    ),
    summed as (
        select
            clock,
            signal,
            decision_at,
            decision_number,
            horizon,
            count(*) as names,
            {% for name, expression in correlation_sums().items() %}
                {{ expression }} as {{ name }},
            {% endfor %}
            sum(reading_rank * reading_rank)::double as reading_squares,
            sum(return_rank * return_rank)::double as return_squares,
            sum(reading_rank * return_rank)::double as products,
            count(*) * (count(*) + 1) ^ 2 as level,  -- twice the average rank has the mean names + 1
            count(*) filter (where position * unit_return > 0) as hits,
            count(*) filter (where position <> 0 and unit_return <> 0) as signed_pairs,
            count(*) filter (where position > 0 and unit_return <> 0) as positives,
            count(*) filter (where position <> 0 and unit_return > 0) as rises,
            known_at
        from pairs
        group by clock, signal, decision_at, decision_number, horizon, known_at
    )
select
    clock,
    signal,
    decision_at,
    decision_number,
    horizon,
    names,
    {{ correlation("names") }} as ic,
    (products - level) / sqrt((reading_squares - level) * (return_squares - level)) as rank_ic,
    hits,
    signed_pairs,
    positives,
    rises,
    known_at
from summed
where names >= 3 and ic is not null
