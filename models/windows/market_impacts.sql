-- What the price of an asset gives way to an order, as known at its decision: one row per clock, symbol and
-- decision_at at which there is a bar. Square-root law (Almgren et al. 2005, Toth et al. 2011): a unit of
-- money traded costs impact · volatility · sqrt(money / median money of a bar), both over a quarter of the
-- asset's own bars; impact_rate is all of that but the root of the money. Null where no volume is told:
-- nothing is charged.
select
    bars.clock,
    bars.symbol,
    bars.decision_at,
    1e6 * volumes.median_money as median_money,
    statistics.deviation_quarter as volatility,
    costs.impact * statistics.deviation_quarter / sqrt(1e6 * volumes.median_money) as impact_rate,
    bars.decision_at as known_at
from {{ ref("decision_bars") }} as bars
inner join {{ ref("asset_costs") }} as costs on costs.clock = bars.clock and costs.symbol = bars.symbol
inner join
    {{ ref("volume_statistics") }} as volumes
    on volumes.symbol = bars.symbol
    and volumes.session_date = bars.session_date
inner join
    {{ ref("bar_statistics") }} as statistics
    on statistics.symbol = bars.symbol
    and statistics.session_date = bars.session_date
where volumes.known_at <= bars.decision_at and statistics.known_at <= bars.decision_at
