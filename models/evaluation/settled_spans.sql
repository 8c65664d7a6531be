-- Train and test spans in which every order of an asset is settled: one row per clock, plan, window_id,
-- span and symbol, known when the last of its profits is, and not before the span's last decision, nor before
-- the window was laid.
with
    spans as (
        select
            clock,
            plan,
            window_id,
            'train' as span,
            unnest(range(train_from_number, test_from_number)) as decision_number,
            test_from_number - 1 as last_number,
            known_at as laid_at
        from {{ ref("walk_forward_windows") }}
        where {{ reaches_news("test_from_number", [ref("order_fills"), ref("order_returns")]) }}
        union all
        select
            clock,
            plan,
            window_id,
            'test' as span,
            unnest(range(test_from_number, test_until_number)) as decision_number,
            test_until_number - 1 as last_number,
            known_at as laid_at
        from {{ ref("walk_forward_windows") }}
        where {{ reaches_news("test_until_number", [ref("order_fills"), ref("order_returns")]) }}
    ),
    settled as ({{ settled_orders() }})
select
    spans.clock,
    spans.plan,
    spans.window_id,
    spans.span,
    bars.symbol,
    min(bars.decision_number) as from_number,
    max(bars.decision_number) + 1 as until_number,
    greatest(max(settled.known_at), max(ends.decision_at), max(spans.laid_at)) as known_at
from spans
inner join
    {{ ref("clock_instants") }} as ends
    on ends.clock = spans.clock
    and ends.decision_number = spans.last_number
inner join
    {{ ref("decision_bars") }} as bars
    on bars.clock = spans.clock
    and bars.decision_number = spans.decision_number
left join
    settled
    on settled.clock = bars.clock
    and settled.symbol = bars.symbol
    and settled.decision_at = bars.decision_at
cross join {{ ref("run_bounds") }} as bounds
where ends.decision_at <= bounds.as_of
group by spans.clock, spans.plan, spans.window_id, spans.span, bars.symbol
having count(*) = count(settled.known_at)
