-- Test spans of which the forward returns are all known: one row per clock, plan, window_id and horizon.
-- Known when the profits of the last decision within the horizon of the span's last are. Plans that are only
-- compared are left out: a signal is not fitted, and its figures would differ only by the spans.
select
    windows.clock,
    windows.plan,
    windows.window_id,
    horizons.horizon,
    windows.is_disjoint,
    windows.test_from_number as from_number,
    windows.test_until_number as until_number,
    max(ends.known_at) as known_at
from
    (
        select *, unnest(range(test_from_number, test_until_number)) as decision_number
        from {{ ref("walk_forward_windows") }}
    ) as windows
inner join
    {{ ref("laid_plans") }} as plans
    on plans.clock = windows.clock
    and plans.plan = windows.plan
    and not plans.is_compared
cross join (select unnest({{ forward_horizons() }})::bigint as horizon) as horizons
left join
    {{ ref("group_decisions") }} as ends
    on ends.clock = windows.clock
    and ends.decision_number = windows.decision_number + horizons.horizon - 1
    and ends.asset_group = 'all'
group by
    windows.clock,
    windows.plan,
    windows.window_id,
    horizons.horizon,
    windows.is_disjoint,
    windows.test_from_number,
    windows.test_until_number
having count(*) = count(ends.known_at)
