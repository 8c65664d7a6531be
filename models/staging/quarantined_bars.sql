-- What was refused and why: one row per raw row and reason.
select
    refused.symbol,
    refused.session_date,
    refused.reason,
    refused.detail,
    refused.row_json,
    refused.vendor,
    refused.source,
    refused.payload_number,
    refused.row_number,
    refused.batch_id,
    refused.recorded_at,
    refused.known_at
from {{ source("raw", "quarantined_bars") }} as refused
cross join {{ ref("run_bounds") }} as bounds
where refused.known_at <= bounds.as_of and refused.batch_id <= bounds.batch_until
