-- What a split or dividend that was told late brought a portfolio that held the asset through it, beyond what
-- the marks say: one row per portfolio, symbol, session_date, told_at and decision_at. The units it added
-- were
-- held until the first fill from its session on; until the decision that books that they count at the mark.
with
    began as (
        select portfolio, min(decision_at) as decision_at from {{ ref("decisions") }} group by portfolio
    ),
    due as (
        select
            decisions.portfolio,
            late.symbol,
            late.session_date,
            late.growth,
            late.known_at as told_at,
            decisions.clock,
            decisions.decision_at,
            decisions.decision_number
        from
            (
                select late.*, began.portfolio
                from {{ ref("late_actions") }} as late
                inner join began on began.decision_at < late.printed_at
            ) as late
        asof join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = late.portfolio
            and late.known_at <= decisions.decision_at
    ),
    ended as (
        select due.*, sold.booked_at, sold.units_before, sold.fill_index
        from due
        asof left join
            {{ ref("order_bookings") }} as sold
            on sold.portfolio = due.portfolio
            and sold.symbol = due.symbol
            and due.session_date <= sold.fill_session
    ),
    valued as (
        select
            ended.portfolio,
            ended.symbol,
            ended.session_date,
            ended.told_at,
            decisions.decision_at,
            (ended.growth - 1) * case
                when ended.booked_at <= decisions.decision_at then ended.units_before else held.held_units
            end as units,
            case
                when ended.booked_at <= decisions.decision_at then ended.fill_index else marks.mark_index
            end as price
        from ended
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = ended.portfolio
            and decisions.decision_number >= ended.decision_number
            and decisions.decision_at
            <= coalesce(greatest(ended.booked_at, ended.decision_at), '9999-01-01'::timestamp)
        inner join
            {{ ref("marks") }} as marks
            on marks.clock = ended.clock
            and marks.symbol = ended.symbol
            and marks.decision_at = decisions.decision_at
        left join
            {{ ref("target_exposures") }} as held
            on held.portfolio = ended.portfolio
            and held.symbol = ended.symbol
            and held.decision_at = decisions.decision_at
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
where units <> 0
window by_decision as (partition by portfolio, symbol, session_date, told_at order by decision_at)
