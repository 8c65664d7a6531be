-- Every version of every split and dividend that this run may see: one row per symbol, ex_date, kind, vendor
-- and version.
select
    actions.symbol,
    actions.ex_date,
    actions.kind,
    actions.vendor,
    actions.version,
    actions.value,
    actions.recorded_at,
    actions.batch_id,
    actions.known_at
from {{ source("raw", "actions") }} as actions
cross join {{ ref("run_bounds") }} as bounds
where actions.known_at <= bounds.as_of and actions.batch_id <= bounds.batch_until
