-- What the policy that a decision was made under says of limits, stops and money: one row per portfolio and
-- decision_at.
with
    told as (
        select distinct portfolio, policy_hash, policy_json::json as policy
        from {{ source("raw", "policies") }}
    )
select
    logs.portfolio,
    logs.decision_at,
    told.policy_hash,
    told.policy ->> 'clock' as clock,
    (told.policy -> 'limits')::varchar as limits_json,
    (told.policy -> 'stops')::varchar as stops_json,
    (told.policy ->> 'assets_under_management')::double as assets_under_management,
    coalesce((told.policy ->> 'cash_yield')::double, 0) as cash_yield,
    (told.policy ->> 'allow_shorts')::boolean as allow_shorts,
    logs.known_at
from {{ ref("allocation_log") }} as logs
inner join {{ source("raw", "runs") }} as runs on runs.run_id = logs.run_id
inner join told on told.portfolio = logs.portfolio and told.policy_hash = runs.policy_hash
