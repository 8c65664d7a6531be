-- The bar each member stands on at each instant of the clock: one row per clock, symbol and decision_at at
-- which the asset may be held, as far as its membership was known by then.
select marks.*
from {{ ref("marks") }} as marks
left join
    {{ ref("memberships") }} as memberships
    on memberships.symbol = marks.symbol
    and memberships.known_at <= marks.decision_at
    and coalesce(memberships.until_at, '9999-01-01'::timestamp) > marks.decision_at
where
    marks.rebalance_date >= coalesce(memberships.member_from, '1900-01-01'::date)
    and marks.rebalance_date < coalesce(memberships.member_until, '9999-01-01'::date)
