-- What an asset's feed brought in a quarter that is over: one row per symbol and quarter. It is over,
-- and the row known, when the first bar of a later quarter is; a bar that becomes known after that is
-- not counted any more.
with
    prints as (
        select
            symbol,
            session_date,
            {{ quarter_of("session_date") }} as quarter,
            open is not null as has_open,
            high is not null as has_high,
            coalesce(volume, 0) > 0 as has_volume,
            known_at
        from {{ ref("bars") }}
        where version = 1
    ),
    ended as (
        select symbol, lag({{ quarter_of("session_date") }}) over by_print as quarter, known_at
        from {{ ref("first_prints") }}
        where not is_late
        window by_print as (partition by symbol order by known_at)
        qualify lag({{ quarter_of("session_date") }}) over by_print <> {{ quarter_of("session_date") }}
    )
select
    ended.symbol,
    ended.quarter,
    count(*) as bars,
    count(*) filter (where prints.has_open) as bars_with_open,
    count(*) filter (where prints.has_high) as bars_with_high,
    count(*) filter (where prints.has_volume) as bars_with_volume,
    ended.known_at
from ended
inner join
    prints
    on prints.symbol = ended.symbol
    and prints.quarter = ended.quarter
    and prints.known_at <= ended.known_at
group by ended.symbol, ended.quarter, ended.known_at
