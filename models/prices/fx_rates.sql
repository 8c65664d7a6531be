-- Units of the base currency for one unit of another, as first printed: one row per currency and
-- session_date.
with
    base as (select distinct base_currency from {{ ref("clocks") }}),
    pairs as (
        select
            split_part(bars.symbol, '-', 1) as left_currency,
            split_part(bars.symbol, '-', 2) as right_currency,
            bars.session_date,
            bars.close,
            bars.known_at
        from {{ ref("vintage_bars") }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        where assets.asset_class = 'fx' and bars.is_own and not bars.is_late
    )
select pairs.left_currency as currency, pairs.session_date, pairs.close as rate, pairs.known_at
from pairs
inner join base on base.base_currency = pairs.right_currency
union all
select pairs.right_currency as currency, pairs.session_date, 1 / pairs.close as rate, pairs.known_at
from pairs
inner join base on base.base_currency = pairs.left_currency
