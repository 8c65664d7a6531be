-- How many of an asset's bars each signal had a value for, and what the feed did not bring meanwhile:
-- one row per signal, symbol and quarter that is over.
with
    said as (
        select
            feeds.symbol,
            feeds.quarter,
            signals.signal,
            count(*) as bars_with_value,
            min(signals.session_date) as first_session,
            max(signals.session_date) as last_session,
            feeds.known_at
        from {{ news(ref("feed_coverage")) }} as feeds
        inner join
            {{ ref("signals") }} as signals
            on signals.symbol = feeds.symbol
            and {{ quarter_of("signals.session_date") }} = feeds.quarter
            and signals.known_at <= feeds.known_at
        group by feeds.symbol, feeds.quarter, signals.signal, feeds.known_at
    )
select
    names.signal,
    feeds.symbol,
    feeds.quarter,
    feeds.bars,
    coalesce(said.bars_with_value, 0) as bars_with_value,
    coalesce(said.bars_with_value, 0) / feeds.bars as coverage,
    said.first_session,
    said.last_session,
    nullif(
        concat_ws(
            ', ',
            case when feeds.bars_with_open = 0 then 'opens' end,
            case when feeds.bars_with_high = 0 then 'highs and lows' end,
            case when feeds.bars_with_volume = 0 then 'volumes' end,
            case when assets.adjustment <> 'none' then 'closes as paid' end
        ),
        ''
    ) as feed_lacks,
    feeds.known_at
from {{ ref("feed_coverage") }} as feeds
inner join {{ ref("assets") }} as assets on assets.symbol = feeds.symbol
cross join (select unnest({{ plugin_names("signal") }}) as signal) as names
left join
    said
    on said.symbol = feeds.symbol
    and said.quarter = feeds.quarter
    and said.signal = names.signal
    and said.known_at = feeds.known_at
