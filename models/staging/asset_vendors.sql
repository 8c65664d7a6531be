-- The vendor in force, whose bars are used: one row per symbol. It is chosen with the asset's first bars
-- and stays.
select vendors.symbol, vendors.vendor
from {{ source("raw", "asset_vendors") }} as vendors
cross join {{ ref("run_bounds") }} as bounds
where vendors.batch_id <= bounds.batch_until
