-- What a share held through an ex-date turns out to be worth, for each that it was thought to be, when a
-- split or dividend is told after the return of its session was: one row per symbol, session_date and
-- known_at.
with
    told as (
        select distinct
            actions.symbol,
            index.session_date,
            index.print_number,
            vintages.vintage,
            index.known_at as printed_at,
            greatest(actions.known_at, index.known_at, vintages.known_at) as known_at
        from {{ ref("actions") }} as actions
        inner join
            {{ ref("vintages") }} as vintages
            on vintages.symbol = actions.symbol
            and vintages.from_at = actions.known_at
        asof join
            {{ ref("price_index") }} as index
            on index.symbol = actions.symbol
            and actions.ex_date <= index.session_date
        where actions.is_news and index.known_at < actions.known_at
    ),
    sides as (
        select
            told.symbol,
            told.session_date,
            before.session_date as session_before,
            prices.close,
            told.vintage,
            told.printed_at,
            unnest([told.vintage - 1, told.vintage]) as told_vintage,
            greatest(told.known_at, before.known_at, prices.known_at) as known_at
        from told
        inner join
            {{ ref("price_index") }} as before
            on before.symbol = told.symbol
            and before.print_number = told.print_number - 1
        inner join
            {{ ref("vintage_prices") }} as prices
            on prices.symbol = told.symbol
            and prices.session_date = told.session_date
            and prices.is_own
    ),
    worth as (
        select
            sides.* exclude (known_at),
            {{ worth_of_a_share("sides.close", "bought", "sold") }} as worth,
            greatest(sides.known_at, bought.known_at, sold.known_at) as known_at
        from sides {{ actions_between("sides", "told_vintage", "session_before", "session_date") }}
    )
select
    symbol,
    session_date,
    max(worth) filter (where told_vintage = vintage)
    / max(worth) filter (where told_vintage < vintage) as growth,
    printed_at,
    max(known_at) as known_at
from worth
group by symbol, session_date, printed_at, vintage
