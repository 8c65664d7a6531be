-- How alike signals are: the correlation of their readings, pooled over the assets and decisions of a test
-- span at which both have one: one row per clock, plan, window_id, signal and other_signal, which comes after
-- it by name. Known with the span's last decision. Sums are laid over blocks of decisions, as profits are.
{% set place_order = "order by places.decision_number, places.symbol" %}
{% set sums = ["readings", "one_sum", "other_sum", "one_square", "other_square", "product"] %}
with
    placed as (
        select
            readings.*,
            instants.decision_number,
            divide(instants.decision_number - 1, plans.block_length) as block,
            plans.block_length
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
        inner join
            (select distinct clock, block_length from {{ ref("laid_plans") }} where not is_compared) as plans
            on plans.clock = readings.clock
    ),
    vectors as (
        select
            clock,
            block_length,
            block,
            signal,
            [coalesce(x, 0) for x in readings] as x,
            [coalesce(x * x, 0) for x in readings] as square,
            [(x is not null)::double for x in readings] as is_read,
            known_at
        from
            (
                select
                    places.clock,
                    places.block_length,
                    places.block,
                    signals.signal,
                    list(placed.value {{ place_order }}) as readings,
                    greatest(max(places.known_at), max(signals.known_at), max(placed.known_at)) as known_at
                from
                    (
                        select clock, block_length, block, decision_number, symbol, max(known_at) as known_at
                        from placed
                        group by all
                    ) as places
                inner join
                    (
                        select clock, block_length, block, signal, max(known_at) as known_at
                        from placed
                        group by all
                    ) as signals
                    on signals.clock = places.clock
                    and signals.block_length = places.block_length
                    and signals.block = places.block
                left join
                    placed
                    on placed.clock = places.clock
                    and placed.block_length = places.block_length
                    and placed.decision_number = places.decision_number
                    and placed.symbol = places.symbol
                    and placed.signal = signals.signal
                group by places.clock, places.block_length, places.block, signals.signal
            )
    ),
    blocks as (
        select
            one.clock,
            one.block_length,
            one.block,
            one.signal,
            other.signal as other_signal,
            list_inner_product(one.is_read, other.is_read) as readings,
            list_inner_product(one.x, other.is_read) as one_sum,
            list_inner_product(one.is_read, other.x) as other_sum,
            list_inner_product(one.square, other.is_read) as one_square,
            list_inner_product(one.is_read, other.square) as other_square,
            list_inner_product(one.x, other.x) as product,
            greatest(one.known_at, other.known_at) as known_at
        from vectors as one
        inner join
            vectors as other
            on other.clock = one.clock
            and other.block_length = one.block_length
            and other.block = one.block
            and other.signal > one.signal
    ),
    spans as (
        select
            windows.clock,
            windows.plan,
            windows.window_id,
            blocks.signal,
            blocks.other_signal,
            {% for name in sums %} sum(blocks.{{ name }} order by blocks.block) as {{ name }}, {% endfor %}
            greatest(ends.decision_at, max(blocks.known_at)) as known_at
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
            blocks
            on blocks.clock = plans.clock
            and blocks.block_length = plans.block_length
            and blocks.block >= divide(windows.test_from_number - 1, plans.block_length)
            and blocks.block < divide(windows.test_until_number - 1, plans.block_length)
        cross join {{ ref("run_bounds") }} as bounds
        where ends.decision_at <= bounds.as_of and {{ new("ends.decision_at") }}
        group by
            windows.clock,
            windows.plan,
            windows.window_id,
            blocks.signal,
            blocks.other_signal,
            ends.decision_at
    )
select
    clock,
    plan,
    window_id,
    signal,
    other_signal,
    readings::bigint as readings,
    case
        when least(one_spread, other_spread) > 1e-12 * readings * readings
        then
            greatest(
                -1, least(1, (readings * product - one_sum * other_sum) / sqrt(one_spread * other_spread))
            )
    end as correlation,
    known_at
from
    (
        select
            *,
            readings * one_square - one_sum * one_sum as one_spread,
            readings * other_square - other_sum * other_sum as other_spread
        from spans
        where readings > 0
    )
