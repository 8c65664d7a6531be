-- What it costs to hold or change a position in an asset by the schedule of a clock: one row per clock and
-- symbol.
select
    clocks.clock,
    assets.symbol,
    costs.fee_bps,
    costs.slippage_bps,
    costs.cost_rate,
    costs.impact,
    costs.borrow_rate
from {{ ref("assets") }} as assets
inner join {{ ref("costs") }} as costs on costs.asset_class = assets.asset_class
inner join {{ ref("clocks") }} as clocks on clocks.cost_schedule = costs.cost_schedule
