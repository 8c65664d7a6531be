-- Every version that the vendor in force told of a bar, with the instant at which the next one took its
-- place, before anyone asks whether it can be true: one row per symbol, session_date and version.
select bars.*, restated.known_at as superseded_at
from {{ ref("stg_bars") }} as bars
inner join
    {{ ref("asset_vendors") }} as vendors on vendors.symbol = bars.symbol and vendors.vendor = bars.vendor
left join
    {{ ref("stg_bars") }} as restated
    on restated.symbol = bars.symbol
    and restated.session_date = bars.session_date
    and restated.vendor = bars.vendor
    and restated.version = bars.version + 1
where {{ of_news("bars", ref("stg_bars"), ["symbol", "session_date"]) }}
