-- Every version of every bar that this run may see: one row per symbol, session_date, vendor and version.
select
    bars.symbol,
    bars.session_date,
    bars.version,
    bars.opened_at,
    bars.closed_at,
    bars.available_at,
    bars.recorded_at,
    bars.open,
    bars.high,
    bars.low,
    bars.close,
    bars.volume,
    bars.vendor,
    bars.batch_id,
    bars.payload_number,
    bars.row_number,
    bars.known_at
from {{ source("raw", "bars") }} as bars
cross join {{ ref("run_bounds") }} as bounds
where bars.known_at <= bounds.as_of and bars.batch_id <= bounds.batch_until
