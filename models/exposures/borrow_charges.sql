-- What a portfolio paid to have been short since the decision before, as simple interest on what was short
-- then: one row per portfolio, decision_at and symbol. Money is in units of the portfolio's start.
select
    decisions.portfolio,
    decisions.decision_at,
    before.symbol,
    - before.held_units
    * before.mark_index
    * costs.borrow_rate
    * date_diff('microsecond', earlier.decision_at, decisions.decision_at)
    / (365 * 86400e6) as cost,
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
inner join {{ ref("asset_costs") }} as costs on costs.clock = decisions.clock and costs.symbol = before.symbol
where before.held_units < 0
