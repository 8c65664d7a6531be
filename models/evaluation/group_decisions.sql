-- When the profits of a group's assets at a decision are known: one row per clock, asset_group and
-- decision_at. All of them are awaited, but none for longer than fourteen days after the decision: what an
-- asset earned that could not be sold by then is left out of the group, so that one that never trades again
-- does not end it.
with
    settled as ({{ settled_orders(patience()) }}),
    awaited as (
        select
            bars.clock,
            groups.asset_group,
            bars.decision_at,
            bars.decision_number,
            count(*) as assets,
            least(
                max(coalesce(settled.known_at, '9999-01-01'::timestamp)), bars.decision_at + {{ patience() }}
            ) as known_at
        from {{ news(ref("decision_bars"), "decision_at", patience()) }} as bars
        inner join
            {{ ref("asset_groups") }} as groups
            on groups.symbol = bars.symbol
            and groups.listed_at <= bars.decision_at
        left join
            settled
            on settled.clock = bars.clock
            and settled.symbol = bars.symbol
            and settled.decision_at = bars.decision_at
        group by bars.clock, groups.asset_group, bars.decision_at, bars.decision_number
    )
select awaited.*
from awaited
cross join {{ ref("run_bounds") }} as bounds
where awaited.known_at <= bounds.as_of
