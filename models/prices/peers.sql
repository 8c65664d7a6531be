-- Whom an asset is compared with when its bar becomes known: one row per asset_group, known_at and
-- symbol. known_at is each instant at which a bar of the group becomes known; a member stands there
-- with its last bar by then that did not come late and is no older than five days. One that is not
-- listed yet stands there at its own bars alone, to be compared with others, and is nobody's peer.
with
    prints as (
        select groups.asset_group, groups.listed_at, bars.symbol, bars.session_date, bars.known_at
        from {{ news(ref("daily_returns"), back="interval 5 day") }} as bars
        inner join {{ ref("asset_groups") }} as groups on groups.symbol = bars.symbol
        where not bars.is_late
    ),
    instants as (select distinct asset_group, known_at from prints where {{ new("known_at") }}),
    places as (
        select instants.asset_group, instants.known_at, groups.symbol
        from instants
        inner join {{ ref("asset_groups") }} as groups on groups.asset_group = instants.asset_group
    )
select
    places.asset_group,
    places.symbol,
    prints.session_date,
    prints.listed_at <= places.known_at as is_listed,
    prints.known_at = places.known_at as is_new,
    places.known_at
from places
asof join
    prints
    on prints.asset_group = places.asset_group
    and prints.symbol = places.symbol
    and places.known_at >= prints.known_at
where
    prints.known_at >= places.known_at - interval 5 day
    and (prints.listed_at <= places.known_at or prints.known_at = places.known_at)
