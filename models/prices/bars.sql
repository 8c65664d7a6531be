-- Every version of every bar of the vendor in force, with the instant at which the next one took its place:
-- one row per symbol, session_date and version.
select
    bars.symbol,
    bars.session_date,
    bars.version,
    bars.opened_at,
    bars.closed_at,
    bars.available_at,
    bars.recorded_at,
    restated.known_at as superseded_at,
    bars.open,
    bars.high,
    bars.low,
    bars.close,
    bars.volume,
    bars.vendor,
    bars.batch_id,
    bars.known_at
from {{ ref("stg_bars") }} as bars
inner join
    {{ ref("asset_vendors") }} as vendors on vendors.symbol = bars.symbol and vendors.vendor = bars.vendor
left join
    {{ ref("stg_bars") }} as restated
    on restated.symbol = bars.symbol
    and restated.session_date = bars.session_date
    and restated.vendor = bars.vendor
    and restated.version = bars.version + 1
