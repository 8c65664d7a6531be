-- What can be held, with its membership: one row per symbol. What a file registered goes before the seed;
-- sessions and adjustment are those of the feed in force, where it has its own.
with
    registered as (
        select
            registered.symbol,
            registered.asset_class,
            registered.venue,
            registered.currency,
            registered.member_from,
            registered.member_until,
            registered.known_at,
            registered.adjustment,
            registered.batch_id
        from {{ source("raw", "assets") }} as registered
        cross join {{ ref("run_bounds") }} as bounds
        where registered.batch_id <= bounds.batch_until
        qualify row_number() over (partition by registered.symbol order by registered.batch_id desc) = 1
    ),
    seeded as (
        select
            symbol,
            asset_class,
            venue,
            currency,
            member_from::date as member_from,
            member_until::date as member_until,
            known_at::timestamp as known_at,
            coalesce(adjustment, 'none') as adjustment,
            0::bigint as batch_id
        from
            {{
                study_rows(
                    "assets",
                    [
                        "symbol",
                        "asset_class",
                        "venue",
                        "currency",
                        "member_from",
                        "member_until",
                        "known_at",
                        "adjustment",
                    ],
                )
            }}
        where symbol not in (select symbol from registered)
    ),
    first_batches as (
        select bars.symbol, min(bars.batch_id) as batch_id
        from {{ source("raw", "bars") }} as bars
        group by bars.symbol
    )
select
    assets.symbol,
    assets.asset_class,
    coalesce(feeds.venue, assets.venue) as venue,
    assets.currency,
    assets.member_from,
    assets.member_until,
    assets.known_at as membership_known_at,
    coalesce(feeds.adjustment, assets.adjustment) as adjustment,
    case
        when first_batches.batch_id = (select min(batch_id) from {{ source("raw", "batches") }})
        then '1900-01-01'::timestamp
        else batches.as_of
    end as listed_at
from
    (
        from registered
        union all by name
        from seeded
    ) as assets
inner join first_batches on first_batches.symbol = assets.symbol
left join {{ ref("asset_vendors") }} as vendors on vendors.symbol = assets.symbol
left join {{ ref("feeds") }} as feeds on feeds.symbol = assets.symbol and feeds.vendor = vendors.vendor
inner join
    (select batch_id, max(as_of) as as_of from {{ source("raw", "batches") }} group by batch_id) as batches
    on batches.batch_id = first_batches.batch_id
