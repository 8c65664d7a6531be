-- What was announced of when an asset may be held: one row per symbol and announcement, in force from
-- known_at until until_at, when the next one took its place (null for the last). What a file registered
-- goes before the seed, and a later file before an earlier one.
with
    announced as (
        select
            registered.symbol,
            registered.batch_id,
            registered.member_from,
            registered.member_until,
            coalesce(registered.known_at, '1900-01-01'::timestamp) as known_at
        from {{ source("raw", "assets") }} as registered
        cross join {{ ref("run_bounds") }} as bounds
        where registered.batch_id <= bounds.batch_until
        union all
        select
            symbol,
            0 as batch_id,
            member_from::date as member_from,
            member_until::date as member_until,
            coalesce(known_at::timestamp, '1900-01-01'::timestamp) as known_at
        from {{ study_rows("assets", ["symbol", "member_from", "member_until", "known_at"]) }}
    ),
    known as (
        select announced.*
        from announced
        cross join {{ ref("run_bounds") }} as bounds
        where announced.known_at <= bounds.as_of
    )
select
    earlier.symbol,
    earlier.batch_id as announcement,
    earlier.member_from,
    earlier.member_until,
    min(later.known_at) as until_at,
    earlier.known_at
from known as earlier
left join known as later on later.symbol = earlier.symbol and later.batch_id > earlier.batch_id
group by earlier.symbol, earlier.batch_id, earlier.member_from, earlier.member_until, earlier.known_at
having coalesce(min(later.known_at) > earlier.known_at, true)
