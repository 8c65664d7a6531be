-- What a change of position costs, one way, as a fraction: one row per cost_schedule and asset_class.
select
    cost_schedule,
    asset_class,
    fee_bps::double as fee_bps,
    slippage_bps::double as slippage_bps,
    (fee_bps::double + slippage_bps::double) / 1e4 as cost_rate
from {{ study_rows("costs", ["cost_schedule", "asset_class", "fee_bps", "slippage_bps"]) }}
