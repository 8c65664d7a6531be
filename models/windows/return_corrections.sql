-- What a unit earned more, from a fill to its exit, than was known when its profit was, because a split or
-- dividend between them was told later: one row per clock, symbol, decision_at and known_at.
with
    late as (
        select distinct
            returns.clock,
            returns.symbol,
            returns.decision_at,
            returns.decision_number,
            returns.fill_session,
            returns.exit_session,
            returns.exit_price,
            returns.exit_fx_rate / (returns.fill_price * returns.fill_fx_rate) as unit_value,
            vintages.vintage,
            greatest(actions.known_at, vintages.known_at, returns.known_at) as known_at
        from {{ ref("order_returns") }} as returns
        inner join
            {{ news(ref("actions")) }} as actions
            on actions.symbol = returns.symbol
            and actions.ex_date > returns.fill_session
            and actions.ex_date <= returns.exit_session
            and actions.known_at > returns.known_at
        inner join
            {{ ref("vintages") }} as vintages
            on vintages.symbol = actions.symbol
            and vintages.from_at = actions.known_at
        where actions.is_news
    ),
    sides as (
        select late.* exclude (vintage), vintage, unnest([vintage - 1, vintage]) as told_vintage from late
    ),
    worth as (
        select
            sides.* exclude (known_at),
            {{ worth_of_a_share("sides.exit_price", "bought", "sold") }} * sides.unit_value as unit_growth,
            greatest(sides.known_at, bought.known_at, sold.known_at) as known_at
        from sides {{ actions_between("sides", "told_vintage", "fill_session", "exit_session") }}
    )
select
    clock,
    symbol,
    decision_at,
    decision_number,
    sum(
        case when told_vintage = vintage then unit_growth else - unit_growth end order by told_vintage
    ) as unit_return,
    max(known_at) as known_at
from worth
group by clock, symbol, decision_at, decision_number, vintage
