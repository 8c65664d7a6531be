-- Spans in which the profits of a group are known at every decision: one row per clock, plan, window_id, span
-- and asset_group, known when the last of them is, and not before the span's last decision, nor before the
-- window was laid. A record is all test spans that tile time, up to and including that of its window.
with
    spans as (
        select
            clock,
            plan,
            window_id,
            'train' as span,
            window_id as part,
            train_from_number as from_number,
            test_from_number as until_number,
            test_from_number - 1 as last_number,
            test_from as until_at
        from {{ ref("walk_forward_windows") }}
        where {{ reaches_news("test_from_number", [ref("group_decisions")]) }}
        union all
        select
            clock,
            plan,
            window_id,
            'test' as span,
            window_id as part,
            test_from_number as from_number,
            test_until_number as until_number,
            test_until_number - 1 as last_number,
            test_until as until_at
        from {{ ref("walk_forward_windows") }}
        where {{ reaches_news("test_until_number", [ref("group_decisions")]) }}
        union all
        select
            windows.clock,
            windows.plan,
            windows.window_id,
            'record' as span,
            parts.window_id as part,
            parts.test_from_number as from_number,
            parts.test_until_number as until_number,
            windows.test_until_number - 1 as last_number,
            windows.test_until as until_at
        from {{ ref("walk_forward_windows") }} as windows
        inner join
            {{ ref("walk_forward_windows") }} as parts
            on parts.clock = windows.clock
            and parts.plan = windows.plan
            and parts.window_id <= windows.window_id
        where
            windows.is_disjoint
            and parts.is_disjoint
            and {{ reaches_news("windows.test_until_number", [ref("group_decisions")]) }}
    ),
    members as (
        select distinct bars.clock, groups.asset_group, bars.decision_at, bars.decision_number
        from {{ ref("decision_bars") }} as bars
        inner join
            {{ ref("asset_groups") }} as groups
            on groups.symbol = bars.symbol
            and groups.listed_at <= bars.decision_at
    )
select
    spans.clock,
    spans.plan,
    spans.window_id,
    spans.span,
    members.asset_group,
    list_sort(list_distinct(list(divide(members.decision_number - 1, plans.block_length)))) as blocks,
    count(distinct spans.part) as windows,
    min(members.decision_at) as from_at,
    max(spans.until_at) as until_at,
    greatest(max(decisions.known_at), max(ends.decision_at), max(windows.known_at)) as known_at
from (select *, unnest(range(from_number, until_number)) as decision_number from spans) as spans
inner join {{ ref("laid_plans") }} as plans on plans.clock = spans.clock and plans.plan = spans.plan
inner join
    {{ ref("walk_forward_windows") }} as windows
    on windows.clock = spans.clock
    and windows.plan = spans.plan
    and windows.window_id = spans.window_id
inner join
    {{ ref("clock_instants") }} as ends
    on ends.clock = spans.clock
    and ends.decision_number = spans.last_number
inner join members on members.clock = spans.clock and members.decision_number = spans.decision_number
left join
    {{ ref("group_decisions") }} as decisions
    on decisions.clock = members.clock
    and decisions.asset_group = members.asset_group
    and decisions.decision_at = members.decision_at
cross join {{ ref("run_bounds") }} as bounds
where ends.decision_at <= bounds.as_of
group by spans.clock, spans.plan, spans.window_id, spans.span, members.asset_group
having count(*) = count(decisions.known_at)
