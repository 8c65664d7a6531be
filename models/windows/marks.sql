-- The last close known of each asset at each instant of the clock: one row per clock, symbol and decision_at,
-- from the asset's first known bar on. Never a late bar, so never back in session_date.
select
    instants.clock,
    index.symbol,
    instants.decision_at,
    instants.decision_number,
    instants.rebalance_date,
    index.session_date,
    index.close_base as mark,
    index.index_level as mark_index,
    index.known_at as bar_known_at,
    instants.decision_at as known_at
from
    (
        select instants.*, assets.symbol
        from {{ ref("clock_instants") }} as instants
        cross join {{ ref("assets") }} as assets
        cross join {{ ref("run_bounds") }} as bounds
        where instants.decision_at <= bounds.as_of and {{ new("instants.decision_at") }}
    ) as instants
asof join
    {{ and_last(ref("price_index"), ["symbol"]) }} as index
    on index.symbol = instants.symbol
    and instants.decision_at >= index.known_at
