-- What a change of position costs, one way, as a fraction: one row per cost_schedule and asset_class.
-- impact is the factor of the square-root law (market_impacts), of order one in all markets where it was
-- measured (Toth et al. 2011). borrow_rate is what a short costs a year. Studies landed before these were
-- columns of the seed have none.
select
    cost_schedule,
    asset_class,
    fee_bps::double as fee_bps,
    slippage_bps::double as slippage_bps,
    (fee_bps::double + slippage_bps::double) / 1e4 as cost_rate,
    coalesce(impact::double, 0) as impact,
    coalesce(borrow_bps::double, 0) / 1e4 as borrow_rate
from
    {{
        study_rows(
            "costs", ["cost_schedule", "asset_class", "fee_bps", "slippage_bps", "impact", "borrow_bps"]
        )
    }}
