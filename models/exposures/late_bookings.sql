-- What a split or dividend that was told late brought a portfolio that held the asset through it, beyond what
-- the marks say: one row per portfolio, symbol, session_date, told_at and decision_at. The units it added
-- were held until the first fill from its session on, or until the portfolio was told what is really held;
-- until that is booked they are worth the mark.
with
    began as (
        select portfolio, min(decision_at) as decision_at from {{ ref("decisions") }} group by portfolio
    ),
    due as (
        select
            began.portfolio,
            late.symbol,
            late.session_date,
            late.growth,
            late.known_at as told_at,
            late.known_at
        from {{ ref("late_actions") }} as late
        inner join began on began.decision_at < late.printed_at
    ),
    sales as (
        select portfolio, symbol, decision_at, fill_session, units_before, fill_index, known_at
        from {{ ref("order_bookings") }}
        union all
        select
            portfolio,
            symbol,
            decision_at,
            (decision_at::date - 1) as fill_session,
            units_before,
            mark_index as fill_index,
            known_at
        from {{ ref("holdings_taken") }}
    ),
    sold as (
        select
            due.portfolio,
            due.symbol,
            due.session_date,
            due.told_at,
            sales.units_before,
            sales.fill_index,
            sales.known_at
        from due
        inner join
            sales
            on sales.portfolio = due.portfolio
            and sales.symbol = due.symbol
            and sales.fill_session >= due.session_date
        qualify
            row_number() over (
                partition by due.portfolio, due.symbol, due.session_date, due.told_at
                order by sales.known_at, sales.decision_at
            )
            = 1
    ),
    valued as (
        select
            due.portfolio,
            due.symbol,
            due.session_date,
            due.told_at,
            decisions.decision_at,
            (due.growth - 1) * coalesce(sold.units_before, held.held_units) as units,
            coalesce(sold.fill_index, marks.mark_index) as price
        from due
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = due.portfolio
            and decisions.decision_at >= due.known_at
        inner join
            {{ ref("marks") }} as marks
            on marks.clock = decisions.clock
            and marks.symbol = due.symbol
            and marks.decision_at = decisions.decision_at
        left join
            {{ ref("target_exposures") }} as held
            on held.portfolio = due.portfolio
            and held.symbol = due.symbol
            and held.decision_at = decisions.decision_at
        left join
            sold
            on sold.portfolio = due.portfolio
            and sold.symbol = due.symbol
            and sold.session_date = due.session_date
            and sold.told_at = due.told_at
            and sold.known_at <= decisions.decision_at
    )
select
    portfolio,
    symbol,
    session_date,
    told_at,
    decision_at,
    units * (price - coalesce(lag(price) over by_decision, 0)) as gross,
    decision_at as known_at
from valued
window by_decision as (partition by portfolio, symbol, session_date, told_at order by decision_at)
qualify units * (price - coalesce(lag(price) over by_decision, 0)) <> 0
