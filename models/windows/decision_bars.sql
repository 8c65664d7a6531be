-- The bar each member stands on at each instant of the clock: one row per clock, symbol and decision_at at
-- which the asset may be held, as far as its membership was known by then.
select marks.*
from {{ ref("marks") }} as marks
inner join {{ ref("assets") }} as assets on assets.symbol = marks.symbol
where
    coalesce(assets.membership_known_at, '1900-01-01'::timestamp) > marks.decision_at
    or (
        marks.rebalance_date >= coalesce(assets.member_from, '1900-01-01'::date)
        and marks.rebalance_date < coalesce(assets.member_until, '9999-01-01'::date)
    )
