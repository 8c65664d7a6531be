-- What each filled order did to its portfolio, at the first decision that knew its fill: one row per
-- portfolio, symbol and decision_at of the order. Money is in units of the portfolio's start.
-- Void are orders still open when an asset that ended was sold, or when the portfolio was told what is held.
with
    taken as (select distinct portfolio, decision_at from {{ ref("holdings_taken") }}),
    exposures as (
        select exposures.*, coalesce(taken.decision_at, '1900-01-01'::timestamp) as taken_at
        from {{ ref("target_exposures") }} as exposures
        asof left join
            taken on taken.portfolio = exposures.portfolio and taken.decision_at <= exposures.decision_at
    ),
    orders as (
        select
            exposures.portfolio,
            exposures.symbol,
            exposures.decision_at,
            exposures.taken_at,
            coalesce(lag(exposures.target_units) over by_order, exposures.held_units) as units_before,
            exposures.target_units
            - coalesce(lag(exposures.target_units) over by_order, exposures.held_units) as change_of_units,
            fills.fill_session,
            fills.fill_index,
            fills.cost_rate,
            impacts.impact_rate,
            fills.known_at as fill_known_at
        from exposures
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = exposures.portfolio
            and decisions.decision_at = exposures.decision_at
        inner join
            {{ ref("order_fills") }} as fills
            on fills.clock = decisions.clock
            and fills.symbol = exposures.symbol
            and fills.decision_at = exposures.decision_at
            and fills.status = 'filled'
        left join
            {{ ref("market_impacts") }} as impacts
            on impacts.clock = decisions.clock
            and impacts.symbol = exposures.symbol
            and impacts.decision_at = exposures.decision_at
        window
            by_order as (
                partition by exposures.portfolio, exposures.symbol, exposures.taken_at
                order by exposures.decision_at
            )
    )
select
    orders.portfolio,
    orders.symbol,
    orders.decision_at,
    decisions.decision_at as booked_at,
    orders.fill_session,
    orders.fill_index,
    orders.units_before,
    orders.change_of_units,
    orders.change_of_units * (marks.mark_index - orders.fill_index) as gross,
    abs(orders.change_of_units) * orders.fill_index as traded,
    abs(orders.change_of_units) * orders.fill_index * orders.cost_rate as charged,
    orders.impact_rate,
    coalesce(
        orders.impact_rate
        * sqrt(policies.assets_under_management)
        * pow(abs(orders.change_of_units) * orders.fill_index, 1.5),
        0
    ) as impact,
    decisions.decision_at as known_at
from orders
asof join
    {{ ref("decisions") }} as decisions
    on decisions.portfolio = orders.portfolio
    and orders.fill_known_at <= decisions.decision_at
inner join
    {{ ref("marks") }} as marks
    on marks.clock = decisions.clock
    and marks.symbol = orders.symbol
    and marks.decision_at = decisions.decision_at
inner join
    {{ ref("decision_policies") }} as policies
    on policies.portfolio = decisions.portfolio
    and policies.decision_at = decisions.decision_at
inner join {{ ref("assets") }} as assets on assets.symbol = orders.symbol
left join
    {{ ref("decisions") }} as before
    on before.portfolio = decisions.portfolio
    and before.decision_number = decisions.decision_number - 1
asof left join taken on taken.portfolio = decisions.portfolio and taken.decision_at < decisions.decision_at
where
    orders.taken_at = coalesce(taken.decision_at, '1900-01-01'::timestamp)
    and not coalesce(
        assets.member_until <= before.rebalance_date
        and coalesce(assets.membership_known_at, '1900-01-01'::timestamp) <= before.decision_at,
        false
    )
