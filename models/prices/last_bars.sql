-- The bar at whose close an asset that ends is sold: one row per symbol with a member_until. The last session
-- before it; where that was never printed, the bar before, known when the next session closes.
with
    ends as (
        select
            assets.symbol,
            assets.membership_known_at,
            last_session.session_date,
            next_session.closed_at as settles_at
        from {{ ref("assets") }} as assets
        asof join
            {{ ref("sessions") }} as last_session
            on last_session.venue = assets.venue
            and assets.member_until > last_session.session_date
        inner join
            {{ ref("sessions") }} as next_session
            on next_session.venue = assets.venue
            and next_session.session_number = last_session.session_number + 1
        where assets.member_until is not null
    ),
    found as (
        select
            ends.symbol,
            ends.settles_at,
            ends.membership_known_at,
            ends.session_date = prices.session_date as is_printed,
            prices.session_date,
            prices.vintage,
            prices.closed_at,
            prices.known_at
        from ends
        asof join
            (
                select prices.*
                from {{ ref("vintage_prices") }} as prices
                inner join ends on ends.symbol = prices.symbol and prices.known_at <= ends.settles_at
                where prices.is_own and not prices.is_late
            ) as prices
            on prices.symbol = ends.symbol
            and ends.session_date >= prices.session_date
    )
select
    found.symbol,
    found.session_date,
    found.vintage,
    found.closed_at,
    greatest(
        found.known_at, found.membership_known_at, case when not found.is_printed then found.settles_at end
    ) as known_at
from found
cross join {{ ref("run_bounds") }} as bounds
where
    greatest(
        found.known_at, found.membership_known_at, case when not found.is_printed then found.settles_at end
    )
    <= bounds.as_of
