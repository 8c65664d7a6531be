-- What the policy that a decision was made under says of money: one row per portfolio and decision_at.
select
    logs.portfolio,
    logs.decision_at,
    (policies.policy_json::json ->> 'assets_under_management')::double as assets_under_management,
    coalesce((policies.policy_json::json ->> 'cash_yield')::double, 0) as cash_yield,
    logs.known_at
from {{ ref("allocation_log") }} as logs
inner join {{ source("raw", "runs") }} as runs on runs.run_id = logs.run_id
inner join
    (select distinct portfolio, policy_hash, policy_json from {{ source("raw", "policies") }}) as policies
    on policies.portfolio = logs.portfolio
    and policies.policy_hash = runs.policy_hash
