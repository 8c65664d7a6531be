-- What each portfolio paid at a decision, of which kind, as a share of its value at the one before: one row
-- per portfolio, decision_at and kind. The kinds add up to the cost of portfolio_returns. An asset that
-- ended is turned to cash at its last close for fee and slippage, and moves no price. Of the kind borrow are
-- there only rows where shorts are allowed.
with
    rates as (
        select
            decisions.portfolio,
            decisions.decision_at,
            costs.symbol,
            costs.fee_bps / nullif(costs.fee_bps + costs.slippage_bps, 0) as share_of_fee
        from {{ ref("decisions") }} as decisions
        inner join {{ ref("asset_costs") }} as costs on costs.clock = decisions.clock
    ),
    paid as (
        select
            portfolio,
            booked_at as decision_at,
            symbol,
            decision_at as ordered_at,
            charged,
            impact,
            0 as borrow,
            known_at
        from {{ ref("order_bookings") }}
        union all
        select
            portfolio,
            decision_at,
            symbol,
            decision_at as ordered_at,
            cost as charged,
            0 as impact,
            0 as borrow,
            known_at
        from {{ ref("closing_sales") }}
        union all
        select
            portfolio,
            decision_at,
            symbol,
            decision_at as ordered_at,
            0 as charged,
            0 as impact,
            cost as borrow,
            known_at
        from {{ ref("borrow_charges") }}
    ),
    summed as (
        select
            paid.portfolio,
            paid.decision_at,
            sum(paid.charged * coalesce(rates.share_of_fee, 0) order by paid.symbol, paid.ordered_at) as fee,
            sum(
                paid.charged * (1 - coalesce(rates.share_of_fee, 0)) order by paid.symbol, paid.ordered_at
            ) as slippage,
            sum(paid.impact order by paid.symbol, paid.ordered_at) as impact,
            sum(paid.borrow order by paid.symbol, paid.ordered_at) as borrow,
            paid.known_at
        from paid
        inner join
            rates
            on rates.portfolio = paid.portfolio
            and rates.decision_at = paid.decision_at
            and rates.symbol = paid.symbol
        group by paid.portfolio, paid.decision_at, paid.known_at
    ),
    valued as (
        select portfolio, decision_at, coalesce(lag(nav) over by_decision, 1) as nav_before, known_at
        from {{ ref("portfolio_returns") }}
        window by_decision as (partition by portfolio order by decision_at)
    )
select
    valued.portfolio,
    valued.decision_at,
    kinds.kind,
    coalesce(
        case
            kinds.kind
            when 'fee'
            then summed.fee
            when 'slippage'
            then summed.slippage
            when 'impact'
            then summed.impact
            else summed.borrow
        end,
        0
    )
    / valued.nav_before as cost,
    valued.known_at
from valued
inner join
    {{ ref("decision_policies") }} as policies
    on policies.portfolio = valued.portfolio
    and policies.decision_at = valued.decision_at
inner join
    (values ('fee', false), ('slippage', false), ('impact', false), ('borrow', true)) as kinds(
        kind, is_of_shorts
    )
    on policies.allow_shorts
    or not kinds.is_of_shorts
left join
    summed
    on summed.portfolio = valued.portfolio
    and summed.decision_at = valued.decision_at
    and summed.known_at <= valued.known_at
