-- Walk-forward plans that are laid on a clock: those that portfolios go by, and those they are compared with,
-- which decide nothing: one row per clock and plan. Plans share blocks where their lengths allow it.
with
    wanted as (
        select clock, plan, false as is_compared
        from {{ ref("portfolios") }}
        union all
        select clock, unnest((policy_json::json -> 'compared_plans')::varchar[]) as plan, true as is_compared
        from {{ ref("portfolios") }}
    ),
    measured as (
        select
            wanted.clock,
            wanted.plan,
            gcd(gcd(plans.train, plans.test), plans.step) as block_length,
            bool_and(wanted.is_compared) as is_compared
        from wanted
        inner join {{ ref("walk_forward_plans") }} as plans on plans.plan = wanted.plan
        group by all
    )
select measured.clock, measured.plan, min(shorter.block_length) as block_length, measured.is_compared
from measured
inner join
    measured as shorter on shorter.clock = measured.clock and measured.block_length % shorter.block_length = 0
group by measured.clock, measured.plan, measured.is_compared
