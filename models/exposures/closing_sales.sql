-- What it cost to turn an asset that ended into cash, at the first decision that knew: one row per portfolio,
-- decision_at and symbol.
select
    earlier.portfolio,
    decisions.decision_at,
    before.symbol,
    abs(before.held_units + coalesce(bookings.change_of_units, 0))
    * marks.mark_index
    * costs.cost_rate as cost,
    decisions.decision_at as known_at
from {{ ref("target_exposures") }} as before
inner join
    {{ ref("decisions") }} as earlier
    on earlier.portfolio = before.portfolio
    and earlier.decision_at = before.decision_at
inner join
    {{ ref("decisions") }} as decisions
    on decisions.portfolio = before.portfolio
    and decisions.decision_number = earlier.decision_number + 1
inner join {{ ref("assets") }} as assets on assets.symbol = before.symbol
inner join {{ ref("asset_costs") }} as costs on costs.clock = decisions.clock and costs.symbol = before.symbol
inner join
    {{ ref("marks") }} as marks
    on marks.clock = decisions.clock
    and marks.symbol = before.symbol
    and marks.decision_at = decisions.decision_at
left join
    (
        select portfolio, symbol, booked_at, sum(change_of_units order by decision_at) as change_of_units
        from {{ ref("order_bookings") }}
        group by portfolio, symbol, booked_at
    ) as bookings
    on bookings.portfolio = before.portfolio
    and bookings.symbol = before.symbol
    and bookings.booked_at = decisions.decision_at
where
    before.held_units + coalesce(bookings.change_of_units, 0) <> 0
    and assets.member_until <= decisions.rebalance_date
    and coalesce(assets.membership_known_at, '1900-01-01'::timestamp) <= decisions.decision_at
