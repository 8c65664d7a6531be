-- What each portfolio earned from decision to decision, computed again from published units, marks and fills:
-- one row per portfolio and decision_at. Units before times the change of mark, plus what orders booked and
-- what actions told late brought and cash earned, less cost, what was paid to borrow among it. What was
-- sold short earns nothing: the proceeds are with the lender.
with
    held as (
        select
            decisions.portfolio,
            decisions.decision_at,
            sum(before.held_units * (marks.mark_index - before.mark_index) order by before.symbol) as gross
        from {{ ref("decisions") }} as decisions
        inner join
            {{ ref("decisions") }} as earlier
            on earlier.portfolio = decisions.portfolio
            and earlier.decision_number = decisions.decision_number - 1
        inner join
            {{ ref("target_exposures") }} as before
            on before.portfolio = earlier.portfolio
            and before.decision_at = earlier.decision_at
            and before.symbol <> 'CASH'
            and before.held_units <> 0
        inner join
            {{ ref("marks") }} as marks
            on marks.clock = decisions.clock
            and marks.symbol = before.symbol
            and marks.decision_at = decisions.decision_at
        group by decisions.portfolio, decisions.decision_at
    ),
    booked as (
        select
            portfolio,
            booked_at as decision_at,
            sum(gross order by symbol, decision_at) as gross,
            sum(charged + impact order by symbol, decision_at) as cost
        from {{ ref("order_bookings") }}
        group by portfolio, booked_at
    ),
    late as (
        select portfolio, decision_at, sum(gross order by symbol, session_date, told_at) as gross
        from {{ ref("late_bookings") }}
        group by portfolio, decision_at
    ),
    closed as (
        select portfolio, decision_at, 0.0::double as gross, sum(cost order by symbol) as cost
        from {{ ref("closing_sales") }}
        group by portfolio, decision_at
    ),
    borrowed as (
        select portfolio, decision_at, 0.0::double as gross, sum(cost order by symbol) as cost
        from {{ ref("borrow_charges") }}
        group by portfolio, decision_at
    ),
    short as (
        select portfolio, decision_at, sum(held_units * mark_index order by symbol) as value
        from {{ ref("target_exposures") }}
        where symbol <> 'CASH' and held_units < 0
        group by portfolio, decision_at
    ),
    earned as (
        select
            decisions.portfolio,
            decisions.decision_at,
            (cash.held_units + coalesce(short.value, 0))
            * policies.cash_yield
            * date_diff('microsecond', earlier.decision_at, decisions.decision_at)
            / (365 * 86400e6) as gross
        from {{ ref("decisions") }} as decisions
        inner join
            {{ ref("decisions") }} as earlier
            on earlier.portfolio = decisions.portfolio
            and earlier.decision_number = decisions.decision_number - 1
        inner join
            {{ ref("target_exposures") }} as cash
            on cash.portfolio = earlier.portfolio
            and cash.decision_at = earlier.decision_at
            and cash.symbol = 'CASH'
        inner join
            {{ ref("decision_policies") }} as policies
            on policies.portfolio = decisions.portfolio
            and policies.decision_at = decisions.decision_at
        left join short on short.portfolio = earlier.portfolio and short.decision_at = earlier.decision_at
    ),
    flows as (
        select
            decisions.portfolio,
            decisions.decision_at,
            coalesce(held.gross, 0)
            + coalesce(booked.gross, 0)
            + coalesce(late.gross, 0)
            + coalesce(earned.gross, 0) as gross,
            coalesce(booked.cost, 0) + coalesce(closed.cost, 0) + coalesce(borrowed.cost, 0) as cost
        from {{ ref("decisions") }} as decisions
        left join held on held.portfolio = decisions.portfolio and held.decision_at = decisions.decision_at
        left join
            booked on booked.portfolio = decisions.portfolio and booked.decision_at = decisions.decision_at
        left join late on late.portfolio = decisions.portfolio and late.decision_at = decisions.decision_at
        left join
            earned on earned.portfolio = decisions.portfolio and earned.decision_at = decisions.decision_at
        left join
            closed on closed.portfolio = decisions.portfolio and closed.decision_at = decisions.decision_at
        left join
            borrowed
            on borrowed.portfolio = decisions.portfolio
            and borrowed.decision_at = decisions.decision_at
    ),
    valued as (
        select
            *,
            1 + sum(gross - cost) over so_far as nav,
            1 + coalesce(sum(gross - cost) over until_before, 0) as nav_before
        from flows
        window
            so_far as (
                partition by portfolio order by decision_at rows between unbounded preceding and current row
            ),
            until_before as (
                partition by portfolio order by decision_at rows between unbounded preceding and 1 preceding
            )
    )
select
    valued.portfolio,
    valued.decision_at,
    valued.gross / valued.nav_before as gross_return,
    valued.cost / valued.nav_before as cost,
    (valued.gross - valued.cost) / valued.nav_before as net_return,
    valued.nav,
    valued.nav / greatest(
        max(valued.nav) over (
            partition by valued.portfolio
            order by valued.decision_at
            rows between unbounded preceding and current row
        ),
        1
    )
    - 1 as drawdown,
    logs.turnover,
    valued.decision_at as known_at
from valued
inner join
    {{ ref("allocation_log") }} as logs
    on logs.portfolio = valued.portfolio
    and logs.decision_at = valued.decision_at
