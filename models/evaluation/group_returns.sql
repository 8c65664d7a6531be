-- Mean profit of each strategy over the assets of a group whose order was filled: one row per clock,
-- scenario, strategy, asset_group and decision_at, known when the group's profits are. Costs are charged
-- once, two or three times; or everything is known later than it was.
with
    profits as (
        select
            clock,
            'plain' as scenario,
            strategy,
            symbol,
            decision_at,
            position,
            unit_return,
            gross_return,
            cost,
            turnover,
            is_trade,
            known_at
        from {{ news(ref("booked_pnl"), "decision_at", patience()) }}
        union all
        select
            clock,
            'delayed_' || delay as scenario,
            strategy,
            symbol,
            decision_at,
            position,
            unit_return,
            gross_return,
            cost,
            turnover,
            is_trade,
            known_at
        from {{ new_delayed_profits() }}
    ),
    grouped as ({{ group_sums_of("profits", ["scenario", "strategy"]) }}),
    charged as (
        select *, 1 as times
        from grouped
        union all
        select grouped.* replace ('costs_' || times || 'x' as scenario), times
        from grouped
        cross join (values (2), (3)) as multiples(times)
        where grouped.scenario = 'plain'
    )
select
    clock,
    scenario,
    strategy,
    asset_group,
    decision_at,
    decision_number,
    assets,
    gross / 1e12 / assets as gross_return,
    times * cost / 1e12 / assets as cost,
    (gross - times * cost) / 1e12 / assets as net_return,
    turnover / 1e12 / assets as turnover,
    trades,
    is_active,
    correlation,
    known_at
from charged
