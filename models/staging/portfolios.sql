-- The policy in force for each portfolio that has run, and the instant at which its world ends: one row per
-- portfolio.
with
    in_force as (
        select policies.portfolio, policies.policy_hash, policies.policy_json::json as policy
        from {{ source("raw", "policies") }} as policies
        cross join {{ ref("run_bounds") }} as bounds
        where policies.batch_id <= bounds.batch_until
        qualify row_number() over (partition by policies.portfolio order by policies.batch_id desc) = 1
    ),
    worlds as (
        select runs.portfolio, max(runs.as_of) as as_of
        from {{ source("raw", "runs") }} as runs
        group by runs.portfolio
    )
select
    in_force.portfolio,
    in_force.policy_hash,
    in_force.policy ->> 'clock' as clock,
    in_force.policy ->> 'plan' as plan,
    (in_force.policy -> 'universe' -> 'asset_classes')::varchar[] as asset_classes,
    (in_force.policy -> 'universe' -> 'symbols')::varchar[] as symbols,
    in_force.policy::varchar as policy_json,
    worlds.as_of
from in_force
inner join worlds on worlds.portfolio = in_force.portfolio
