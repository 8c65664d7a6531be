-- What was refused on landing, and what was landed and cannot be believed, with the reason: one row per
-- raw row and reason. A suspect bar that was acquitted stays here, for it was out until then.
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
    false as is_suspect,
    refused.known_at
from {{ source("raw", "quarantined_bars") }} as refused
cross join {{ ref("run_bounds") }} as bounds
where refused.known_at <= bounds.as_of and refused.batch_id <= bounds.batch_until
union all
select
    suspects.symbol,
    suspects.session_date,
    suspects.reason,
    'close ' || suspects.close || '; level of the bars before ' || suspects.level as detail,
    json_object(
        'open', told.open, 'high', told.high, 'low', told.low, 'close', told.close, 'volume', told.volume
    )::varchar as row_json,
    told.vendor,
    batches.source,
    told.payload_number,
    told.row_number,
    told.batch_id,
    told.recorded_at,
    true as is_suspect,
    greatest(suspects.known_at, told.known_at) as known_at
from {{ ref("suspect_bars") }} as suspects
inner join
    {{ ref("told_bars") }} as told
    on told.symbol = suspects.symbol
    and told.session_date = suspects.session_date
    and told.version = suspects.version
left join
    {{ source("raw", "batches") }} as batches
    on batches.batch_id = told.batch_id
    and batches.payload_number = told.payload_number
